import type { Journal, JournalExpectation } from '../journal.ts';

/**
 * JUnit XML, as build servers read it: the drill is a suite, each step and each expectation a case. A drill that was
 * aborted is an error, one that showed nothing is skipped and says why; a warning fails nobody.
 */
export function junitReport(journal: Journal): string {
  const { drill, steps, expectations, verdict, reasons, seed, durationMs } = journal;
  const cases = [
    ...steps.map(({ name, ok, text, startMs, endMs }) =>
      testcase(`${drill.name}.steps`, name, endMs - startMs, ok ? '' : failure(text, text)),
    ),
    ...expectations.map((expectation) => expectationCase(journal, expectation)),
    testcase(drill.name, 'verdict', 0, verdictBody(journal)),
  ];
  const count = (what: string): number => cases.filter((each) => each.includes(`<${what}`)).length;
  const properties = { seed: String(seed), verdict, reproduce: journal.reproduce };
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${escapeXml(drill.name)}" tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}" time="${seconds(durationMs)}" timestamp="${new Date(journal.startedAtMs).toISOString()}">`,
    '<properties>',
    ...Object.entries(properties).map(
      ([name, value]) => `<property name="${name}" value="${escapeXml(value)}"/>`,
    ),
    '</properties>',
    ...cases,
    `<system-out>${escapeXml([drill.hypothesis, ...reasons].join('\n'))}</system-out>`,
    '</testsuite>',
    '',
  ].join('\n');
}

function expectationCase(
  { drill }: Journal,
  { id, text, observed, limit, ok, severity, evidence }: JournalExpectation,
): string {
  const isMeant = drill.mustFail.includes(id);
  if (ok !== isMeant || severity === 'warn') return testcase(`${drill.name}.expect`, id, 0, '');
  const message = isMeant
    ? `${text}: observed ${observed}, and it must fail`
    : `${text}: observed ${observed}, limit ${limit}`;
  return testcase(`${drill.name}.expect`, id, 0, failure(message, [message, ...evidence].join('\n')));
}

function verdictBody({ verdict, reasons }: Journal): string {
  const why = reasons.join('; ');
  if (verdict === 'aborted') return `<error message="${escapeXml(why)}">${escapeXml(why)}</error>`;
  if (verdict === 'inconclusive') return `<skipped message="${escapeXml(why)}"/>`;
  return verdict === 'fail' ? failure(why, reasons.join('\n')) : '';
}

function testcase(suite: string, name: string, ms: number, body: string): string {
  return `<testcase classname="${escapeXml(suite)}" name="${escapeXml(name)}" time="${seconds(ms)}">${body}</testcase>`;
}

function failure(message: string, body: string): string {
  return `<failure message="${escapeXml(message)}">${escapeXml(body)}</failure>`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

/** Of what XML cannot hold at all, such as most control characters, nothing is left. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD]/g, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
