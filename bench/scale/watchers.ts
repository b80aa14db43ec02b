#!/usr/bin/env node
import { ClusterWatch } from '../../src/client/index.ts';

// A process of its own, so that the client that is measured does no work for them: so many consoles' worth of watching.
// Arguments: how many, and the endpoints. Says `ready` once each has heard from every node, and goes on until killed.

const STATUS_EVERY_MS = 250;

const [count, ...endpoints] = process.argv.slice(2);
const missing = new Set<string>();
for (let at = 0; at < Number(count); at += 1) {
  for (const endpoint of endpoints) missing.add(`${at} ${endpoint}`);
  new ClusterWatch(
    { endpoints, statusEveryMs: STATUS_EVERY_MS },
    {
      onNode: ({ address, isUp }) => {
        if (!isUp || !missing.delete(`${at} ${address}`) || missing.size > 0) return;
        process.stdout.write('ready\n');
      },
      onEvents: () => undefined,
    },
  );
}
