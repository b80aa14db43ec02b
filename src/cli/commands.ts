import type { Command } from './command.ts';
import { append } from './commands/append.ts';
import { clusterStatus } from './commands/cluster-status.ts';
import { clusterTransferLeader } from './commands/cluster-transfer-leader.ts';
import { down } from './commands/down.ts';
import { logDump } from './commands/log-dump.ts';
import { logVerify } from './commands/log-verify.ts';
import { nodeRestart } from './commands/node-restart.ts';
import { read } from './commands/read.ts';
import { start } from './commands/start.ts';
import { up } from './commands/up.ts';
import { version } from './commands/version.ts';

/** Every command, in the order in which help shows them. */
export const COMMANDS: readonly Command[] = [
  up,
  down,
  start,
  append,
  read,
  clusterStatus,
  clusterTransferLeader,
  nodeRestart,
  logVerify,
  logDump,
  version,
];
