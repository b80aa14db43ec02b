import { CLIENT_KINDS, FAULT_KINDS, type FaultKind, type Scenario } from './scenario.ts';

/** A scenario as it is kept: JSON, by hand or by the simulator. */
export interface ScenarioFile {
  readonly format: 1;
  /** What it showed, for people. */
  readonly found: string;
  readonly scenario: Scenario;
}

/** The text is no scenario. `where` is the way to the part that is wrong, as `scenario.faults[3].kind`. */
export class ScenarioFormatError extends Error {
  override readonly name = 'ScenarioFormatError';
  readonly code = 'SCENARIO_FORMAT';
  readonly where: string;

  constructor(where: string, what: string) {
    super(`${where}: ${what}`);
    this.where = where;
  }
}

/** One line for each fault and each operation: to be read, edited, and compared line by line. */
export function formatScenario(found: string, scenario: Scenario): string {
  const { faults, clients, ...world } = scenario;
  const lines = Object.entries(world).map(([key, value]) => `    ${JSON.stringify(key)}: ${oneLine(value)},`);
  const clientLines = clients.map(({ operations, ...client }) => {
    const head = oneLine(client).slice(0, -1);
    return `      ${head}, "operations": ${list(operations, '        ')}}`;
  });
  return [
    '{',
    '  "format": 1,',
    `  "found": ${JSON.stringify(found)},`,
    '  "scenario": {',
    ...lines,
    `    "faults": ${list(faults, '      ')},`,
    `    "clients": ${clients.length === 0 ? '[]' : `[\n${clientLines.join(',\n')}\n    ]`}`,
    '  }',
    '}',
    '',
  ].join('\n');
}

/** @throws ScenarioFormatError */
export function parseScenario(text: string): ScenarioFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ScenarioFormatError('the file', error instanceof Error ? error.message : String(error));
  }
  const file = new Part('the file', value);
  if (file.at('format').value !== 1) throw new ScenarioFormatError('format', 'this program knows format 1');
  const scenario = file.at('scenario');
  for (const key of NUMBERS) scenario.at(key).number();
  scenario.at('node').object();
  for (const key of ['latencyMsMin', 'latencyMsMax', 'splitChance']) scenario.at('network').at(key).number();
  for (const fault of scenario.at('faults').list()) {
    fault.at('atMs').number();
    fault.at('seed').number();
    fault.at('kind').oneOf(FAULT_KINDS satisfies readonly FaultKind[]);
  }
  for (const client of scenario.at('clients').list()) {
    client.at('name').text();
    client.at('kind').oneOf(CLIENT_KINDS);
    client.at('seed').number();
    for (const operation of client.at('operations').list()) {
      for (const key of ['ordinal', 'atMs', 'seed']) operation.at(key).number();
    }
  }
  return { format: 1, found: file.at('found').text(), scenario: scenario.value as Scenario };
}

const NUMBERS = [
  'seed',
  'size',
  'safetyMs',
  'diskMsMin',
  'diskMsSpread',
  'brokenMs',
  'inFlightMax',
  'payloadBytesMax',
  'timeoutMsMax',
] as const satisfies readonly (keyof Scenario)[];

/** A part of what was read, which knows its place. */
class Part {
  readonly value: unknown;
  readonly #where: string;

  constructor(where: string, value: unknown) {
    this.#where = where;
    this.value = value;
  }

  at(key: string): Part {
    const where = this.#where === 'the file' ? key : `${this.#where}.${key}`;
    return new Part(where, this.object()[key]);
  }

  object(): Readonly<Record<string, unknown>> {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      this.#refuse('must be an object');
    return value as Record<string, unknown>;
  }

  list(): Part[] {
    if (!Array.isArray(this.value)) this.#refuse('must be a list');
    return (this.value as unknown[]).map((value, at) => new Part(`${this.#where}[${at}]`, value));
  }

  number(): void {
    const { value } = this;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
      this.#refuse('must be a number, 0 or above');
    }
  }

  text(): string {
    if (typeof this.value !== 'string') this.#refuse('must be a text');
    return this.value;
  }

  oneOf(texts: readonly string[]): void {
    if (!texts.includes(this.text())) this.#refuse(`must be one of ${texts.join(', ')}`);
  }

  #refuse(what: string): never {
    const found = this.value === undefined ? 'is missing' : `is ${JSON.stringify(this.value).slice(0, 60)}`;
    throw new ScenarioFormatError(this.#where, `${found}, and ${what}`);
  }
}

function list(items: readonly object[], indent: string): string {
  if (items.length === 0) return '[]';
  return `[\n${items.map((item) => `${indent}${oneLine(item)}`).join(',\n')}\n${indent.slice(2)}]`;
}

/** As JSON, with a blank after each comma and colon. */
function oneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, part]) => `${JSON.stringify(key)}: ${oneLine(part)}`)
    .join(', ')}}`;
}
