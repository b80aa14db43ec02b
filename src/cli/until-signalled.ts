/** Resolves when somebody wants this process to end: Ctrl-C, a supervisor, or the terminal that closes. */
export async function untilSignalled(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}
