import { describe, expect, test } from 'vitest';
import { DrillScriptError, parseDrill } from '../../src/drill/script.ts';

const SCRIPT = `drill: dledger/v1
name: leader-kill
hypothesis: A killed leader costs little.
cluster: {nodes: 3}
seed: 4242
load: {producers: 8, rate: 2000/s, size: 1KiB, verify: acked}
steady: {for: 5s, expect: [{leader: stable}, {errorRate: "= 0"}, {lag: "<= 100"}]}
steps:
  - {name: kill, fault: {kill: "@leader", signal: SIGKILL, ttl: 15s}}
  - {name: elect, wait: {leader: other}, timeout: 3s}
  - {name: deafen, fault: {drop: {from: "@followers", to: "@leader"}, mode: blackhole, loss: 30%, ttl: 20s}}
  - {name: flap, repeat: 5, every: 2s, fault: {drop: {between: ["@any", "@any"]}, ttl: 1s}}
  - {name: back, heal: kill, then: {wait: {lag: "= 0"}, timeout: 20s}}
  - name: roll
    forEach: {node: ["@followers", "@leader"]}
    do:
      - {transferLeader: {if: "node == @leader", to: "@most-up-to-date"}}
      - {restart: "$node", grace: 5s}
expect:
  - {id: no-loss, acked.missing: "= 0"}
  - {id: gap, unavailability.longest: "<= 3s", except: [flap]}
  - {id: storm, elections.count: "<= 8", terms.max: "<= +10"}
  - {id: safety, invariants: [one-leader-per-term, log-matching]}
  - {id: latency, ack.p99: "<= 250ms", during: off-fault, severity: warn}
  - {id: same, logs: identical}
abort: {when: "disk.used > 95%"}
mustFail: [gap]
`;

describe('a script', () => {
  test('is read into amounts, steps and expectations', () => {
    const drill = parseDrill(SCRIPT, 'x.yaml');
    expect(drill).toMatchObject({
      name: 'leader-kill',
      seed: 4242,
      load: { producers: 8, rate: 2000, sizeBytes: 1024 },
      steady: { forMs: 5000, leaderStable: true, errorRate: { operator: '=', value: 0 } },
      abort: { metric: 'disk.used', comparison: { value: 0.95, unit: 'share' } },
      mustFail: ['gap'],
    });
    expect(drill.steps.map(({ name, kind }) => [name, kind])).toEqual([
      ['kill', 'fault'],
      ['elect', 'wait'],
      ['deafen', 'fault'],
      ['flap', 'fault'],
      ['back', 'heal'],
      ['roll', 'forEach'],
    ]);
    expect(drill.steps[2]).toMatchObject({
      fault: { kind: 'drop', from: '@followers', to: '@leader', bothWays: false, share: 0.3 },
      ttlMs: 20_000,
    });
    expect(drill.steps[3]).toMatchObject({ fault: { bothWays: true }, repeat: 5, everyMs: 2000 });
    expect(drill.steps[4]).toMatchObject({ next: [{ kind: 'wait', timeoutMs: 20_000 }] });
    expect(drill.steps[5]).toMatchObject({
      steps: [{ kind: 'transferLeader', from: '$node' }, { kind: 'restart' }],
    });
    expect(drill.expect.map(({ id }) => id)).toEqual([
      'no-loss',
      'gap',
      'storm-1',
      'storm-2',
      'safety',
      'latency',
      'same',
    ]);
  });

  test.each([
    ['signal: SIGKILL', 'signl: SIGKILL', 9, 43, 'unknown key "signl"', 'did you mean signal?'],
    ['nodes: 3', 'nodes: 30', 4, 18, 'cluster.nodes', null],
    ['kill: "@leader"', 'kill: "@boss"', 9, 32, 'no node, no @selector', null],
    ['ttl: 15s', 'ttl: 15', 9, 65, 'steps.0.fault.ttl', null],
    ['fault: {kill: "@leader",', 'fault: {', 9, 25, 'nothing to do', null],
    ['acked.missing: "= 0"', 'acked.missing: "= 0s"', 20, 34, 'a plain number', null],
    ['mustFail: [gap]', 'mustFail: [gone]', 27, 11, 'no expectation gone', null],
    ['heal: kill', 'heal: kil', 9, 3, 'no step kil breaks anything to heal', null],
    ['except: [flap]', 'except: [roll]', 20, 3, 'no step roll breaks anything to excuse', null],
    ['drill: dledger/v1', 'drill: dledger/v2', 1, 8, 'which format', null],
    ['seed: 4242', 'seed: [', 6, 1, '', null],
  ])('with a mistake is refused where it stands: %s → %s', (right, wrong, line, column, message, hint) => {
    const error = refusal(SCRIPT.replace(right, wrong));
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ file: 'x.yaml', line, column, hint });
  });

  test('that stands for more than any machine holds is refused', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const levels = names.map((name, at) => {
      const inner = at === 0 ? 'x' : `*${names[at - 1]}`;
      return `${name}: &${name} [${Array.from({ length: 9 }, () => inner).join(', ')}]`;
    });
    expect(refusal(`${levels.join('\n')}\n${SCRIPT}`).message).toContain('Excessive alias count');
  });
});

function refusal(text: string): DrillScriptError {
  try {
    parseDrill(text, 'x.yaml');
  } catch (error) {
    if (error instanceof DrillScriptError) return error;
    throw error;
  }
  throw new Error('it was taken');
}
