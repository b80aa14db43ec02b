/** How long the cluster may take to hear that this process leaves. */
const PATIENCE_MS = 1000;

let goodbye: () => Promise<void> = async () => undefined;
let isLeaving = false;

/** Says what to do before this process ends in the middle of its command, because nobody takes its output. */
export function beforeLeaving(act: () => Promise<void>): void {
  goodbye = act;
}

/** Ends this process in the middle of its command. */
export async function leave(exitCode: number): Promise<void> {
  if (isLeaving) return;
  isLeaving = true;
  const limit = new Promise<void>((resolve) => setTimeout(resolve, PATIENCE_MS));
  // Whether or not anybody hears of it, there is nobody left to tell.
  await Promise.race([goodbye(), limit]).catch(() => undefined);
  process.exit(exitCode);
}

/** Ends this process after its command, when what it wrote is taken. */
export function leaveInOrder(exitCode: number, isInterrupted: boolean): void {
  if (isLeaving) return;
  process.stdout.write('', () => process.exit(exitCode));
  // A pipe that nobody empties holds up nobody who was told to end.
  if (isInterrupted) setTimeout(() => process.exit(exitCode), PATIENCE_MS);
}
