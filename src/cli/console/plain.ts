import { describeHealthChange } from './reader.ts';
import type { ConsoleStore } from './store.ts';
import type { ConsoleModel } from './model.ts';

/** Resolves once every node that is known has answered or failed, or after a while. */
export async function settled(store: ConsoleStore, timeoutMs: number): Promise<ConsoleModel> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      unsubscribe();
      resolve(store.snapshot());
    };
    const look = (): void => {
      const { nodes } = store.snapshot();
      const members = nodes.flatMap(({ status }) => status?.groups[0]?.members ?? []);
      const isWhole = members.every(({ address }) => nodes.some((node) => node.address === address));
      if (nodes.length > 0 && isWhole && nodes.every(({ isUp, why }) => isUp || why !== null)) end();
    };
    const timer = setTimeout(end, timeoutMs);
    const unsubscribe = store.subscribe(look);
    look();
  });
}

/** For a screen reader: what changes, one line each, nothing ever drawn over. @returns ends it. */
export function readAloud(store: ConsoleStore, say: (line: string) => void): () => void {
  let before: ConsoleModel | null = null;
  const tell = (): void => {
    const model = store.snapshot();
    for (const line of describeHealthChange(before, model)) say(line);
    before = model;
  };
  tell();
  return store.subscribe(tell);
}
