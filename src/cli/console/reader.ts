import { healthLine } from '../health.ts';
import { printable } from '../printable.ts';
import { groupOf, type ConsoleModel, type ConsoleNode } from './model.ts';
import { span } from './numbers.ts';

/** What is different now, in words, the most important first. Everything where nothing was known before. */
export function describeHealthChange(before: ConsoleModel | null, now: ConsoleModel): string[] {
  const lines: string[] = [];
  if (before === null || healthLine(before.health) !== healthLine(now.health))
    lines.push(spoken(healthLine(now.health)));
  const { election } = now;
  if (election !== null && election.term !== before?.election?.term) {
    const gap = election.leaderlessMs === null ? '' : `; nobody led for ${span(election.leaderlessMs)}`;
    lines.push(
      `${election.leader} became leader of term ${election.term}, with ${election.votes ?? 'unknown votes'}: ${election.why ?? 'the reason is not known'}${gap}`,
    );
  }
  for (const node of now.nodes) {
    const was = before?.nodes.find(({ address }) => address === node.address) ?? null;
    const text = nodeText(node);
    if (was === null || nodeText(was) !== text) lines.push(text);
  }
  return lines.map(printable);
}

function nodeText(node: ConsoleNode): string {
  if (!node.isUp) return `${node.name} is down: ${node.why ?? 'not reached yet'}`;
  const faults = node.status?.faults.length ?? 0;
  return `${node.name} is ${groupOf(node)?.role ?? 'unknown'}${faults === 0 ? '' : `, with ${faults} faults on request`}`;
}

/** Without the shapes that are for eyes. */
function spoken(text: string): string {
  return text.replace(/^[^\w]+\s*/u, '').replace(/\s{2,}/g, ': ');
}
