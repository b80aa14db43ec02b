import type { Command } from './command.ts';
import { append } from './commands/append.ts';
import { clusterDoctor } from './commands/cluster-doctor.ts';
import { clusterEvents } from './commands/cluster-events.ts';
import { clusterForceRecover } from './commands/cluster-force-recover.ts';
import { clusterHealth } from './commands/cluster-health.ts';
import { clusterMembers } from './commands/cluster-members.ts';
import { clusterStatus } from './commands/cluster-status.ts';
import { clusterStepDown } from './commands/cluster-step-down.ts';
import { clusterTransferLeader } from './commands/cluster-transfer-leader.ts';
import { console_ } from './commands/console.ts';
import { down } from './commands/down.ts';
import { drillCompare, drillList, drillNew, drillReport, drillRun, drillValidate } from './commands/drill.ts';
import { faultAdd, faultClear, faultList } from './commands/fault.ts';
import { groupDelete, groupDescribe, groupLag, groupList, groupReset } from './commands/group.ts';
import { logDump } from './commands/log-dump.ts';
import { logExport } from './commands/log-export.ts';
import { logRepair } from './commands/log-repair.ts';
import { logVerify } from './commands/log-verify.ts';
import { nodeDrain, nodeKill, nodePause, nodeResume } from './commands/node-actions.ts';
import { nodeRestart } from './commands/node-restart.ts';
import { nodeStatus } from './commands/node-status.ts';
import { consume } from './commands/consume.ts';
import { produce } from './commands/produce.ts';
import { read } from './commands/read.ts';
import { sinkRedis } from './commands/sink-redis.ts';
import { start } from './commands/start.ts';
import { topicAlter, topicCreate, topicDelete, topicDescribe, topicList } from './commands/topic.ts';
import { up } from './commands/up.ts';
import { version } from './commands/version.ts';

/** Every command, in the order in which help shows them. */
export const COMMANDS: readonly Command[] = [
  up,
  down,
  console_,
  start,
  append,
  read,
  produce,
  consume,
  topicCreate,
  topicList,
  topicDescribe,
  topicAlter,
  topicDelete,
  groupList,
  groupDescribe,
  groupLag,
  groupReset,
  groupDelete,
  sinkRedis,
  clusterStatus,
  clusterHealth,
  clusterMembers,
  clusterEvents,
  clusterDoctor,
  clusterTransferLeader,
  clusterStepDown,
  clusterForceRecover,
  nodeStatus,
  nodePause,
  nodeResume,
  nodeDrain,
  nodeKill,
  nodeRestart,
  faultList,
  faultAdd,
  faultClear,
  drillList,
  drillNew,
  drillRun,
  drillValidate,
  drillReport,
  drillCompare,
  logVerify,
  logDump,
  logExport,
  logRepair,
  version,
];
