import { describe, expect, test } from 'vitest';
import { CliError } from '../../src/cli/cli-error.ts';
import { parseDuration } from '../../src/cli/duration.ts';
import { parsePeers } from '../../src/cli/peers.ts';

function refusal(attempt: () => unknown): CliError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('a duration', () => {
  test.each([
    ['500ms', 500],
    ['5s', 5000],
    ['1.5s', 1500],
    ['1m', 60_000],
    ['2h', 7_200_000],
    ['0ms', 0],
  ])('%s', (text, ms) => {
    expect(parseDuration(text, 'timeout')).toBe(ms);
  });

  test.each(['', '5', '5 s', '-5s', 's', '5S', '1e3ms', '5s ', '1m30s', 'Infinitys'])('is not %j', (text) => {
    const { exitCode, message, next } = refusal(() => parseDuration(text, 'timeout'));
    expect(exitCode).toBe(2);
    expect(message).toContain('--timeout');
    expect(next).toContain('500ms');
  });
});

describe('peers', () => {
  test('are ids with addresses', () => {
    expect(parsePeers('n1=127.0.0.1:7101, n2=[::1]:7102,n-3.x=host.example:7103')).toEqual([
      { id: 'n1', address: '127.0.0.1:7101' },
      { id: 'n2', address: '[::1]:7102' },
      { id: 'n-3.x', address: 'host.example:7103' },
    ]);
  });

  test.each([
    ['', '""'],
    ['n1', '"n1"'],
    ['n1=127.0.0.1:7101,', '""'],
    ['n1=a:1=b:2', '"n1=a:1=b:2"'],
    ['=127.0.0.1:7101', '""'],
    ['n 1=127.0.0.1:7101', '"n 1"'],
    ['n1=127.0.0.1', '"127.0.0.1"'],
    ['n1=127.0.0.1:port', '"127.0.0.1:port"'],
    ['n1=127.0.0.1:70000', '"127.0.0.1:70000"'],
    ['n1=127.0.0.1:0', '"127.0.0.1:0"'],
    ['n1=127.0.0.1:7101;n2=127.0.0.1:7102', '"n1=127.0.0.1:7101;n2=127.0.0.1:7102"'],
  ])('are not %j, and the part that is wrong is named', (text, part) => {
    const { exitCode, message, next } = refusal(() => parsePeers(text));
    expect(exitCode).toBe(2);
    expect(message).toContain('--peers');
    expect(message).toContain(part);
    expect(next).toContain('n1=127.0.0.1:7101');
  });
});
