import fs from 'node:fs';

/** Seconds of processor time by kind of thread. */
export interface ThreadTimes {
  /** Where JavaScript runs: in it and in Node and V8, and in the kernel on its behalf. */
  readonly mainUser: number;
  readonly mainSystem: number;
  /** V8's own: collecting, compiling. */
  readonly v8: number;
  /** libuv's pool: syncs, reads and zeros of the log. */
  readonly pool: number;
}

const LOOKING: ReadonlySet<string> = new Set(['v8:ProfEvntProc', 'SignalInspector']);

/** What the kernel has counted for the threads of a process so far. */
export function threadTimes(pid: number): ThreadTimes {
  const times = { mainUser: 0, mainSystem: 0, v8: 0, pool: 0 };
  for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
    const stat = fs.readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // What looks is not looked at.
    if (LOOKING.has(name)) continue;
    const [user, system] = [Number(fields[11]) / 100, Number(fields[12]) / 100];
    if (Number(thread) === pid) {
      times.mainUser += user;
      times.mainSystem += system;
    } else if (name.startsWith('libuv')) times.pool += user + system;
    else times.v8 += user + system;
  }
  return times;
}

export function since(now: ThreadTimes, before: ThreadTimes): ThreadTimes {
  return {
    mainUser: now.mainUser - before.mainUser,
    mainSystem: now.mainSystem - before.mainSystem,
    v8: now.v8 - before.v8,
    pool: now.pool - before.pool,
  };
}
