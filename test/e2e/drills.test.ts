import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeAdmin, type FaultState } from '../../src/client/index.ts';
import { runDrill } from '../../src/drill/run-drill.ts';
import { parseDrill } from '../../src/drill/script.ts';
import { Cluster, Command, run } from './support/cluster.ts';
import { Writer } from './support/load.ts';

const library = path.resolve(import.meta.dirname, '../../drills');

/** Those that say the most in the shortest time; `npm run drills` runs all. */
const QUICK = [
  'leader-kill',
  'leader-pause',
  'q1-before-it-left',
  'q1-unprotected',
  'q2-jitter',
  'q2-unprotected',
  'rolling-restart',
];

/** Breaks something for long and then waits, so that whoever kills it finds it at that. */
const lasting = (fault: string): string => `drill: dledger/v1
name: lasting
hypothesis: Whoever kills this drill finds nothing of it left.
load: {producers: 1, rate: 50/s, consumers: 1}
steady: {for: 100ms}
steps:
  - {name: break, fault: {${fault}}}
  - {name: wait, sleep: 10m}
expect: [{id: no-loss, acked.missing: "= 0"}, {id: linearizable, history: linearizable}]
`;

let directory = '';
let cluster: Cluster | null = null;
let drill: ChildProcess | null = null;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dledger-drill-'));
});

afterEach(async () => {
  drill?.kill('SIGKILL');
  drill = null;
  await cluster?.stop();
  cluster = null;
  fs.rmSync(directory, { recursive: true, force: true });
});

test.each(QUICK)('%s passes, and leaves nothing running', async (name) => {
  const script = fs.readFileSync(path.join(library, `${name}.yaml`), 'utf8');
  const journal = await runDrill(parseDrill(script, name), { target: null, directory });
  expect([journal.verdict, journal.reasons]).toEqual([
    'pass',
    journal.drill.mustFail.map(() => expect.any(String)),
  ]);
  expect(journal.faults.filter(({ healedMs }) => healedMs === null)).toEqual([]);
  expect(journal.unhealed).toEqual([]);
  expect(fs.readdirSync(directory).sort()).toEqual(['history.ndjson', 'journal.json']);
});

test('kill -9 to a drill in the middle of it takes its nodes along, those that stand still too', async () => {
  drill = startDrill(lasting('pause: "@leader", ttl: 10m'));
  await untilStep(drill, 'wait');
  const pids = ['n1', 'n2', 'n3'].map(pidOf);
  drill.kill('SIGKILL');
  await untilGone(pids);
});

test('the command line says by its exit status what a drill came to, and writes reports', async () => {
  const script = path.join(directory, 'x.yaml');
  const drillOf = (limit: string): string =>
    lasting('drop: {from: "@leader", to: "@follower"}, ttl: 200ms')
      .replace('sleep: 10m', 'sleep: 300ms')
      .replace('acked.missing: "= 0"', `acked.total: "${limit}"`);
  const [out, html, junit] = ['out', 'x.html', 'x.xml'].map((name) => path.join(directory, name)) as [
    string,
    string,
    string,
  ];
  fs.writeFileSync(script, drillOf('>= 1000000'));
  const failed = await run(['drill', 'run', script, '--out', out, '--html', html, '--junit', junit]);
  expect([failed.code, failed.stdout]).toEqual([20, expect.stringContaining('FAIL  lasting: no-loss')]);
  expect(fs.readFileSync(html, 'utf8')).toContain('<svg');
  expect(fs.readFileSync(junit, 'utf8')).toContain('failures="2"');
  expect((await run(['drill', 'report', out])).code).toBe(20);
  const history = fs.readFileSync(path.join(out, 'history.ndjson'), 'utf8');
  expect(history.trimEnd().split('\n').at(-1)).toContain('"type":"end"');
  expect((await run(['drill', 'validate', script.replace('x.yaml', 'y.yaml')])).code).toBe(8);
  fs.writeFileSync(script, drillOf('>= 1').replace('name: break', 'nam: break'));
  expect(await run(['drill', 'run', script])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('x.yaml:7:6'),
  });
  expect((await run(['drill', 'run', 'leader-kill', '--target', '127.0.0.1:1'])).code).toBe(7);
});

test('Ctrl-C ends a drill in good order: what it broke is mended, and its nodes are gone', async () => {
  const script = path.join(directory, 'x.yaml');
  fs.writeFileSync(script, lasting('pause: "@leader", ttl: 10m'));
  const command = new Command(['drill', 'run', script, '--out', directory]);
  await command.untilPrinted((_, stderr) => stderr.includes('wait: sleep'));
  const pids = ['n1', 'n2', 'n3'].map(pidOf);
  command.signal('SIGINT');
  const { code, stdout } = await command.finished;
  expect([code, stdout]).toEqual([21, expect.stringContaining('ABORTED  lasting')]);
  await untilGone(pids);
});

test('a cluster that is there, with what others wrote, is drilled as one of its own', async () => {
  cluster = await Cluster.start(3, ['--allow-faults']);
  const writer = await Writer.start(cluster.endpoints, 'somebody');
  const script = lasting('drop: {from: "@leader", to: "@follower"}, ttl: 1s').replace(
    'sleep: 10m',
    'sleep: 1s',
  );
  const endpoints = [...cluster.addresses.values()];
  const journal = await runDrill(parseDrill(script, 'x.yaml'), { target: endpoints, directory });
  await writer.stop();
  expect([journal.verdict, journal.reasons]).toEqual(['pass', []]);
  expect(journal.faults).toMatchObject([{ proof: { affected: expect.any(Number) } }]);
});

test('kill -9 to a drill against a cluster that is there leaves no fault beyond its time', async () => {
  cluster = await Cluster.start(3, ['--allow-faults']);
  drill = startDrill(
    lasting('delay: {from: "@leader", to: "@followers"}, by: 10ms, ttl: 5s'),
    cluster.endpoints,
  );
  const admins = [...cluster.addresses.values()].map((address) => new NodeAdmin(address));
  // Whoever leads when it is the drill's turn.
  const faults = async (which: 'active' | 'ended'): Promise<FaultState[]> =>
    (await Promise.all(admins.map(async (admin) => admin.fault({ op: 'list' })))).flatMap(
      (report) => report[which],
    );
  await untilStep(drill, 'wait');
  expect(await faults('active')).toHaveLength(2);
  drill.kill('SIGKILL');
  // Each question waits for the network.
  while ((await faults('active')).length > 0);
  expect(await faults('ended')).toMatchObject([{ ttlMs: 5000 }, { ttlMs: 5000 }]);
});

function startDrill(script: string, endpoints?: string): ChildProcess {
  const file = path.join(directory, 'drill.yaml');
  fs.writeFileSync(file, script);
  const program = path.join(import.meta.dirname, 'support/drill-process.ts');
  const args = [program, file, directory, ...(endpoints === undefined ? [] : [endpoints])];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function untilStep(child: ChildProcess, name: string): Promise<void> {
  let said = '';
  for await (const text of child.stdout?.setEncoding('utf8') ?? []) {
    said += text as string;
    if (said.split('\n').includes(name)) return;
  }
  throw new Error(`the drill ended before ${name}: ${said}`);
}

/** As the node said when it was ready. */
function pidOf(id: string): number {
  const lines = fs.readFileSync(path.join(directory, 'nodes', `${id}.log`), 'utf8').split('\n');
  const ready = lines.find((line) => line.includes('"code":"ready"')) ?? '{}';
  return (JSON.parse(ready) as { fields: { pid: number } }).fields.pid;
}

async function untilGone(pids: readonly number[]): Promise<void> {
  const wait = pids.map((pid) => `while kill -0 ${pid} 2>/dev/null; do sleep 0.05; done`).join('\n');
  await once(spawn('/bin/sh', ['-c', wait], { stdio: 'ignore' }), 'exit');
}
