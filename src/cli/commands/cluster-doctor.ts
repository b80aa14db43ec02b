import { NodeAdmin, type NodeEvent } from '../../client/index.ts';
import { SURVEY_TIMEOUT, sourcesOf, survey, timeoutOf } from '../cluster-client.ts';
import type { Command } from '../command.ts';
import { diagnose, type Finding } from '../doctor.ts';
import { ExitCode } from '../exit-code.ts';
import { writeAnswer } from '../output.ts';

export const clusterDoctor: Command = {
  path: 'cluster doctor',
  describe: 'looks for what is known to go wrong: findings, evidence, likely cause, what to do next',
  isClient: true,
  flags: [SURVEY_TIMEOUT],
  run: async (call) => {
    const status = await survey(call);
    const events = new Map<string, readonly NodeEvent[]>();
    await Promise.all(
      status.nodes.map(async ({ nodeId, address, status: answer }) => {
        if (answer === null || nodeId === null) return;
        const admin = new NodeAdmin(address, { timeoutMs: timeoutOf(call) });
        // Without its diary a node can still be examined.
        events.set(nodeId, await admin.events().catch(() => []));
      }),
    );
    const findings = diagnose({ status, events, nowMs: call.now().getTime() });
    await writeAnswer(
      {
        kind: 'ClusterDiagnosis',
        data: { findings },
        sources: sourcesOf(status),
        table: () => tableOf(findings),
      },
      call.format,
      call.now(),
    );
    if (status.nodes.every((node) => node.status === null)) return ExitCode.unreachable;
    if (status.leaderId === null) return ExitCode.notNow;
    return status.nodes.every((node) => node.status !== null) ? ExitCode.ok : ExitCode.partial;
  },
};

function tableOf(findings: readonly Finding[]): string[][] {
  if (findings.length === 0) return [['nothing was found to be wrong']];
  return findings.flatMap((finding) => [
    [`${finding.severity}: ${finding.finding}`],
    [`  evidence  ${finding.evidence}`],
    [`  cause     ${finding.cause}`],
    [`  next      ${finding.next}`],
  ]);
}
