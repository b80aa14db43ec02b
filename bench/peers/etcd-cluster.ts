import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { freePorts } from '../../test/support/free-ports.ts';
import { eventually, Programs } from './programs.ts';

export interface EtcdMember {
  readonly name: string;
  /** Where clients and where the other members reach it. */
  readonly client: string;
  readonly peer: string;
}

/** What a member says of itself, as far as it is of use here. Numbers come as text. */
interface MemberStatus {
  readonly header?: { readonly member_id?: string };
  readonly leader?: string;
  readonly raftIndex?: string;
  readonly raftAppliedIndex?: string;
}

/** Three members on free ports of the loopback, with the defaults of etcd. */
export class EtcdCluster {
  readonly #programs: Programs;
  readonly #directory: string;
  readonly #members: readonly EtcdMember[];
  readonly #processes = new Map<EtcdMember, ChildProcess>();

  private constructor(directory: string, members: readonly EtcdMember[]) {
    this.#directory = directory;
    this.#programs = new Programs(directory);
    this.#members = members;
  }

  static async start(directory: string): Promise<EtcdCluster> {
    const ports = await freePorts(6);
    const members = [0, 1, 2].map((at) => ({
      name: `e${at + 1}`,
      client: `http://127.0.0.1:${ports[at]}`,
      peer: `http://127.0.0.1:${ports[at + 3]}`,
    }));
    const cluster = new EtcdCluster(directory, members);
    for (const member of members) cluster.startMember(member);
    await eventually('etcd has no leader', () => cluster.leader());
    return cluster;
  }

  get endpoints(): string[] {
    return this.#members.map(({ client }) => client);
  }

  get pids(): number[] {
    return [...this.#processes.values()].map(({ pid }) => pid ?? 0);
  }

  pidOf(member: EtcdMember): number | null {
    return this.#processes.get(member)?.pid ?? null;
  }

  /** Of the logs of all members, since they were started. */
  async syncs(): Promise<number> {
    const counts = await Promise.all(
      this.endpoints.map(async (endpoint) => {
        const metrics = await (await fetch(`${endpoint}/metrics`)).text();
        return Number(/^etcd_disk_wal_fsync_duration_seconds_count (\d+)/m.exec(metrics)?.[1]);
      }),
    );
    return counts.reduce((sum, each) => sum + each, 0);
  }

  /** A member that was there before goes on with its data. */
  startMember(member: EtcdMember): void {
    const { name, client, peer } = member;
    const data = path.join(this.#directory, name);
    fs.mkdirSync(data, { mode: 0o700, recursive: true });
    const flags = {
      name,
      'data-dir': data,
      'log-level': 'error',
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': this.#members.map((each) => `${each.name}=${each.peer}`).join(','),
      'initial-cluster-state': 'new',
    };
    const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
    this.#processes.set(member, this.#programs.run('etcd', args));
  }

  async kill(member: EtcdMember): Promise<void> {
    const child = this.#processes.get(member);
    child?.kill('SIGKILL');
    if (child !== undefined) await once(child, 'exit');
  }

  signal(member: EtcdMember, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#processes.get(member)?.kill(signal);
  }

  /** @throws where no member says that it leads. */
  async leader(): Promise<EtcdMember> {
    for (const member of this.#members) {
      const status = await statusOf(member);
      if (leads(status)) return member;
    }
    throw new Error('no member says that it leads');
  }

  /** @throws unless all members follow one leader and lack no more than so many of its entries. */
  async wholeLeader(behindMax: number): Promise<EtcdMember> {
    const statuses = await Promise.all(this.#members.map(statusOf));
    const at = statuses.findIndex(leads);
    const [leader, own] = [this.#members[at], statuses[at]];
    if (leader === undefined || own === undefined) throw new Error('no member says that it leads');
    const isWhole = statuses.every(
      (status) =>
        status.leader === own.leader && Number(status.raftAppliedIndex) >= Number(own.raftIndex) - behindMax,
    );
    if (!isWhole) throw new Error('not all members have caught up');
    return leader;
  }

  /** Hands leadership to the member after it. Resolves when that leads. */
  async moveLeader(leader: EtcdMember): Promise<void> {
    const next = this.#members[(this.#members.indexOf(leader) + 1) % this.#members.length];
    if (next === undefined) return;
    const { header } = await statusOf(next);
    await call(leader, 'transfer-leadership', { targetID: header?.member_id });
  }

  async stop(): Promise<void> {
    await this.#programs.stop();
  }
}

function leads({ leader, header }: MemberStatus): boolean {
  return leader !== undefined && leader === header?.member_id;
}

async function statusOf(member: EtcdMember): Promise<MemberStatus> {
  return (await call(member, 'status', {})) as MemberStatus;
}

/** gRPC by way of its JSON gateway: for what is not measured. @throws unless it answers with success. */
async function call(member: EtcdMember, name: string, request: object): Promise<unknown> {
  const url = `${member.client}/v3/maintenance/${name}`;
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(request) });
  if (!response.ok) throw new Error(`${url}: ${await response.text()}`);
  return response.json();
}
