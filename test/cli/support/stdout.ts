import { vi } from 'vitest';

/** Runs and returns what was written to stdout meanwhile; lets nothing of it through. */
export async function stdoutOf(run: () => Promise<unknown>): Promise<string> {
  const chunks: Uint8Array[] = [];
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk: string | Uint8Array) => {
    chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    return true;
  });
  try {
    await run();
  } finally {
    spy.mockRestore();
  }
  return Buffer.concat(chunks).toString('latin1');
}
