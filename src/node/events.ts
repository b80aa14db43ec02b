import type { RaftEvent } from '../raft/index.ts';
import type { NodeEvent } from '../wire/watch-schema.ts';
import type { Pace } from './pace-watch.ts';

type Narrated = Omit<NodeEvent, 'sequence' | 'at' | 'code'>;

/** Tells a consensus event in words. `tickMs` turns the core's ticks into milliseconds. */
export function narrate(event: RaftEvent, tickMs: number): Narrated {
  switch (event.type) {
    case 'role-changed':
      return info(`${event.from} → ${event.to} in term ${event.term}: ${event.why}`, {
        term: event.term,
        from: event.from,
        to: event.to,
      });
    case 'leader-changed':
      return event.leader === null
        ? warn(`no leader in term ${event.term}: ${event.why}`, { term: event.term, leader: null })
        : info(`${event.leader} leads term ${event.term}: ${event.why}`, {
            term: event.term,
            leader: event.leader,
          });
    case 'term-changed':
      return info(`term ${event.from} → ${event.term}: ${event.why}`, { from: event.from, term: event.term });
    case 'campaign-started':
      return warn(campaignText(event, tickMs), { term: event.term, kind: event.kind, reason: event.reason });
    case 'vote-cast':
      return info(
        `${event.verdict === 'granted' ? 'granted' : 'refused'} ${event.kind} to ${event.candidate} for term ${event.term}: ${event.why}`,
        { term: event.term, kind: event.kind, candidate: event.candidate, verdict: event.verdict },
      );
    case 'vote-received':
      return info(
        event.verdict === 'granted'
          ? `${event.from} granted its ${event.kind} for term ${event.term}`
          : `${event.from} refused its ${event.kind} for term ${event.term}: ${event.verdict}`,
        { term: event.term, kind: event.kind, from: event.from, verdict: event.verdict },
      );
    case 'election-won':
      return info(
        `won the election of term ${event.term} with ${event.votes.length} of ${event.voters} votes (${event.votes.join(', ')})`,
        { term: event.term, votes: event.votes.join(','), voters: event.voters },
      );
    case 'transfer-started':
      return info(`handing leadership of term ${event.term} to ${event.target}`, {
        term: event.term,
        target: event.target,
      });
    case 'transfer-ended':
      return (event.outcome === 'done' ? info : warn)(`hand-over to ${event.target}: ${event.outcome}`, {
        term: event.term,
        target: event.target,
        outcome: event.outcome,
      });
    case 'log-truncated':
      return warn(
        `dropped entries ${event.from} to ${event.lastIndexBefore}: they were never committed and the leader of term ${event.term} has others there`,
        { term: event.term, from: event.from, lastIndexBefore: event.lastIndexBefore },
      );
    case 'configuration-committed':
      return info(
        `configuration at index ${event.index} committed: ${event.configuration.members.map((member) => member.id).join(', ')} (cluster ${event.configuration.clusterId})`,
        { index: event.index, clusterId: event.configuration.clusterId },
      );
    case 'follower-state':
      return info(`replication to ${event.follower}: ${event.state} (${event.why})`, {
        follower: event.follower,
        state: event.state,
      });
  }
}

/** Code, text and fields of the warning that this machine is slow for its time-outs. */
export function slowPace(pace: Pace, limitMs: number): [string, string, NodeEvent['fields']] {
  const sync = pace.syncMs === null ? 'no sync' : `syncs of ${pace.syncMs.toFixed(1)} ms (p99.9)`;
  return [
    'slow-pace',
    `${sync} and a loop up to ${pace.loopDelayMs.toFixed(1)} ms late take more than ${limitMs.toFixed(0)} ms together, a third of the shortest election timeout: elections may happen without need. Longer time-outs (--profile wan) or a faster machine help`,
    { syncMs: pace.syncMs, loopDelayMs: pace.loopDelayMs, limitMs },
  ];
}

function campaignText(event: Extract<RaftEvent, { type: 'campaign-started' }>, tickMs: number): string {
  const why = {
    timeout: `no word from a leader for ${event.silentTicks * tickMs} ms`,
    'leader-gone': 'the leader closed its connection and refuses a new one',
    transfer: 'the leader asked for it',
  }[event.reason];
  return event.kind === 'pre-vote'
    ? `asks whether it could win term ${event.term} (pre-vote): ${why}`
    : `stands for election in term ${event.term}: ${why}`;
}

function info(text: string, fields: Narrated['fields']): Narrated {
  return { level: 'info', text, fields };
}

function warn(text: string, fields: Narrated['fields']): Narrated {
  return { level: 'warn', text, fields };
}
