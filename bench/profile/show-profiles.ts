import {
  allocationsByArea,
  allocationsByFunction,
  cpuByArea,
  cpuByFunction,
  sum,
  type Shares,
} from './areas.ts';
import type { LoadProfile, ProcessProfile } from './run-profiles.ts';

const FUNCTIONS_SHOWN = 12;

/** Tables for people, in Markdown: they end up in docs. */
export function showProfiles(profiles: readonly LoadProfile[]): string {
  return profiles.map(showLoad).join('\n');
}

function showLoad({ inFlight, records, seconds, processes }: LoadProfile): string {
  const perRecord = (processSeconds: number): string => ((processSeconds * 1e6) / records).toFixed(2);
  const lines = [
    `${inFlight} in flight: ${Math.round(records / seconds)} records/s while it was looked at.`,
    '',
    row(['us of processor time for a record', ...processes.map(({ role }) => role)]),
    row(['---', ...processes.map(() => '---')]),
    ...(
      [
        ['main thread', 'mainUser'],
        ['main thread, in the kernel', 'mainSystem'],
        ["V8's own threads", 'v8'],
        ['pool of the file system', 'pool'],
      ] as const
    ).map(([name, key]) => row([name, ...processes.map(({ threads }) => perRecord(threads[key]))])),
    '',
    ...byArea('main thread, share of', processes, cpuByArea),
    '',
    row(['allocated in the heap, bytes for a record', ...processes.map(({ role }) => role)]),
    row(['---', ...processes.map(() => '---')]),
    row(['all', ...processes.map(({ seen }) => String(Math.round(sum(allocationsByArea(seen)) / records)))]),
    '',
    ...byArea('of it, share of', processes, allocationsByArea),
    '',
    ...processes.flatMap(({ role, seen }) => [
      `- the ${role}'s time: ${most(cpuByFunction(seen))}`,
      `- its allocations: ${most(allocationsByFunction(seen))}`,
    ]),
    '',
  ];
  return lines.join('\n');
}

function byArea(
  title: string,
  processes: readonly ProcessProfile[],
  sharesOf: (seen: ProcessProfile['seen']) => Shares,
): string[] {
  const shares = processes.map(({ seen }) => new Map(sharesOf(seen)));
  const totals = processes.map(({ seen }) => sum(sharesOf(seen)));
  const areas = [...new Set(shares.flatMap((each) => [...each.keys()]))];
  const cell = (at: number, area: string): number => ((shares[at]?.get(area) ?? 0) / (totals[at] || 1)) * 100;
  const shown = areas.filter((area) => shares.some((_, at) => cell(at, area) >= 1));
  return [
    row([title, ...processes.map(({ role }) => role)]),
    row(['---', ...processes.map(() => '---')]),
    ...shown.map((area) => row([area, ...shares.map((_, at) => `${Math.round(cell(at, area))} %`)])),
  ];
}

function most(shares: Shares): string {
  return percentages(shares).slice(0, FUNCTIONS_SHOWN).join(', ');
}

function percentages(shares: Shares): string[] {
  const total = sum(shares);
  return shares.map(([name, amount]) => `${name} ${((amount / total) * 100).toFixed(1)} %`);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
