import { assert } from '../base/assert.ts';
import {
  configurationDraft,
  ConfigurationFormatError,
  decodeConfiguration,
  findMember,
  voterIds,
  type Configuration,
  type Member,
} from '../base/configuration.ts';
import { EntryKind, entryBody, type Entry, type EntryDraft } from '../base/entry.ts';
import { mark } from '../base/marks.ts';
import type { Mutations } from '../base/mutations.ts';
import { UNKNOWN_INCARNATION, type Incarnation, type LogIndex, type NodeId } from '../base/units.ts';
import type { RaftOptions } from './options.ts';

/** What a handshake told of a peer. */
interface Identity {
  readonly incarnation: Incarnation;
  readonly priority: number;
}

/**
 * Who votes and who counts.
 *
 * A member is a name and an incarnation, drawn when its data directory was made. A node whose disk was wiped comes back
 * with the old name and a new incarnation, and has forgotten votes it cast and entries it acknowledged. So it neither
 * votes nor counts until a configuration entry with the new incarnation is committed: by a majority WITHOUT it, which
 * thereby holds everything that the forgotten acknowledgements had helped to commit.
 *
 * That is why a configuration takes effect when it commits and not, as in the paper's membership change, as soon as it
 * is in the log: the member it readmits must not help to commit its own readmission. The set of voters and the size of
 * a majority stay the same, so the paper's reason for haste (two disjoint majorities) does not arise.
 */
export class Membership {
  readonly #self: NodeId;
  readonly #selfIdentity: Identity;
  readonly #hardStateTrusted: boolean;
  readonly #mutations: Mutations;
  readonly #identities = new Map<NodeId, Identity>();
  /** Configuration entries beyond the commit index, ascending; null for a body that cannot be read. */
  readonly #pending: { readonly index: LogIndex; readonly configuration: Configuration | null }[];
  #active: Configuration;
  #founded = false;
  #voters: readonly NodeId[] = [];
  #counted = new Set<NodeId>();
  #acknowledging = new Set<NodeId>();
  readonly #scratch: number[] = [];

  constructor(options: RaftOptions) {
    const { recovered, bootstrap } = options;
    this.#self = options.id;
    this.#selfIdentity = { incarnation: options.incarnation, priority: options.priority };
    this.#hardStateTrusted = recovered.hardStateTrusted;
    this.#mutations = options.mutations;
    this.#active = bootstrap.configuration;
    this.#pending = recovered.laterConfigurations.map(pendingOf);
    this.#identities.set(this.#self, this.#selfIdentity);
    if (recovered.configuration !== null) {
      this.#active = recovered.configuration.value;
      this.#founded = true;
    }
    this.#recount();
    this.commitTo(recovered.commitIndex);
  }

  /** The committed configuration; before there is one, what the operators said. */
  get active(): Configuration {
    return this.#active;
  }

  /** A configuration is committed: this node belongs to a cluster. */
  get founded(): boolean {
    return this.#founded;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  get voters(): readonly NodeId[] {
    return this.#voters;
  }

  get quorum(): number {
    if (this.#mutations.halfIsAQuorum) return Math.ceil(this.#voters.length / 2);
    return Math.floor(this.#voters.length / 2) + 1;
  }

  get selfVotes(): boolean {
    return this.#voters.includes(this.#self);
  }

  /** A node that belongs to no cluster yet listens to everybody: how else would it learn of one. */
  isKnown(id: NodeId): boolean {
    return !this.#founded || findMember(this.#active, id) !== null;
  }

  /** Null if this node may vote and campaign. */
  get ineligibleWhy(): string | null {
    if (!this.#hardStateTrusted)
      return 'its term and vote were lost or are behind its log, so it may have voted already';
    const member = findMember(this.#active, this.#self);
    if (member === null) return 'it is not a member of the configuration';
    if (member.role !== 'voter') return 'it is a learner';
    if (this.counts(this.#self)) return null;
    if (this.isUnseen)
      return `this cluster was founded before ${this.#self} was seen, and no configuration that it knows names it yet`;
    return `a configuration names another incarnation of ${this.#self} than this one, ${this.#selfIdentity.incarnation}`;
  }

  /** It is a voter of a cluster that was founded before it was seen, and does not know yet that it counts. */
  get isUnseen(): boolean {
    if (!this.#hardStateTrusted || !this.#founded) return false;
    const member = findMember(this.#active, this.#self);
    return member?.role === 'voter' && member.incarnation === UNKNOWN_INCARNATION;
  }

  /** Whether what this voter says is to be counted: votes, acknowledgements, signs of life. */
  counts(id: NodeId): boolean {
    return this.#counted.has(id);
  }

  /** Who this member is by the committed configuration; unknown where none is, or where it was not seen yet. */
  committedIncarnationOf(id: NodeId): Incarnation {
    if (!this.#founded) return UNKNOWN_INCARNATION;
    return findMember(this.#active, id)?.incarnation ?? UNKNOWN_INCARNATION;
  }

  priorityOf(id: NodeId): number {
    return this.#identities.get(id)?.priority ?? 0;
  }

  /** @returns true if `id` was known as somebody else before: what it acknowledged then is void. */
  identify(id: NodeId, incarnation: Incarnation, priority: number): boolean {
    const before = this.#identities.get(id);
    if (id === this.#self) return false;
    this.#identities.set(id, { incarnation, priority });
    this.#recount();
    return before !== undefined && before.incarnation !== incarnation;
  }

  appended(entries: readonly Entry[]): void {
    const before = this.#pending.length;
    for (const entry of entries)
      if (entry.kind === EntryKind.configuration) this.#pending.push(pendingOf(entry));
    if (this.#pending.length > before) this.#recount();
  }

  truncated(from: LogIndex): void {
    const before = this.#pending.length;
    while ((this.#pending.at(-1)?.index ?? 0) >= from) this.#pending.pop();
    if (this.#pending.length < before) this.#recount();
  }

  /** @returns the configurations that this commits, with their indexes. */
  commitTo(index: LogIndex): { index: LogIndex; configuration: Configuration }[] {
    const committed: { index: LogIndex; configuration: Configuration }[] = [];
    for (let next = this.#pending[0]; next !== undefined && next.index <= index; next = this.#pending[0]) {
      this.#pending.shift();
      const { index: at, configuration } = next;
      assert(configuration !== null, () => `the committed configuration at ${at} cannot be read`);
      this.#active = configuration;
      this.#founded = true;
      committed.push({ index: at, configuration });
    }
    if (committed.length > 0) this.#recount();
    return committed;
  }

  /** The highest index that a majority has synced. `matchOf` gives each voter's. */
  majorityMatch(matchOf: (id: NodeId) => number): number {
    return this.#majorityValue(this.#acknowledging, matchOf);
  }

  /** The latest round of heartbeats that a majority has answered. */
  majorityRound(roundOf: (id: NodeId) => number): number {
    return this.#majorityValue(this.#counted, roundOf);
  }

  /** The largest number that a majority of the voters reaches; who is not in `counted` reaches nothing. */
  #majorityValue(counted: ReadonlySet<NodeId>, valueOf: (id: NodeId) => number): number {
    const values = this.#scratch;
    values.length = 0;
    for (const id of this.#voters) {
      const value = counted.has(id) ? valueOf(id) : 0;
      let at = values.length;
      values.push(value);
      while (at > 0 && (values[at - 1] ?? 0) < value) {
        values[at] = values[at - 1] ?? 0;
        at -= 1;
      }
      values[at] = value;
    }
    return values[this.quorum - 1] ?? 0;
  }

  /** Place of `id` among the voters other than `except`, the most preferred first: 0, 1, 2 ... */
  rankOf(id: NodeId, except: NodeId): number {
    let rank = 0;
    for (const other of this.#voters) {
      if (other === id || other === except) continue;
      const difference = this.priorityOf(other) - this.priorityOf(id);
      if (difference > 0 || (difference === 0 && other < id)) rank += 1;
    }
    return rank;
  }

  /** How many voters are preferred to this node; those of equal priority are not. */
  get preferredVoters(): number {
    let preferred = 0;
    for (const other of this.#voters)
      if (this.priorityOf(other) > this.#selfIdentity.priority) preferred += 1;
    return preferred;
  }

  /**
   * What a new leader writes first while no configuration is known to be committed: the founding one, or again the one
   * that its predecessor may not have got committed, with the incarnations that were not known then. Null where a no-op
   * will do.
   */
  foundingDraft(logIsEmpty: boolean): EntryDraft | null {
    if (this.#founded) return null;
    const latest = this.#pending.at(-1);
    if (latest === undefined && !logIsEmpty) return null;
    if (latest !== undefined) mark('raft.founding-repeated');
    const base = latest?.configuration ?? this.#active;
    return configurationDraft(this.#identified(base, (member) => member.incarnation === UNKNOWN_INCARNATION));
  }

  /**
   * The configuration that readmits who came back as somebody else, or was never seen when the cluster was founded;
   * null if everybody is who the configuration says, or one is still on its way: one at a time.
   */
  readmissionDraft(): EntryDraft | null {
    if (!this.#founded || this.hasPending) return null;
    const next = this.#identified(this.#active, () => true);
    const changed = next.members.some(
      (member, at) => member.incarnation !== this.#active.members[at]?.incarnation,
    );
    return changed ? configurationDraft(next) : null;
  }

  #identified(base: Configuration, applies: (member: Member) => boolean): Configuration {
    const members = base.members.map((member) => {
      const known = this.#identities.get(member.id);
      return known === undefined || !applies(member) ? member : { ...member, incarnation: known.incarnation };
    });
    return { ...base, members };
  }

  #recount(): void {
    this.#voters = voterIds(this.#active);
    assert(this.#voters.length > 0, 'a configuration without voters');
    this.#counted = new Set(this.#voters.filter((id) => this.#isWhoItShouldBe(id)));
    this.#acknowledging = new Set(this.#voters.filter((id) => this.#mayAcknowledge(id)));
  }

  /**
   * The founding configuration is not to be committed by those whom it names as somebody else, or not yet: once it is,
   * they do not count, and a majority that does must be left to go on.
   */
  #mayAcknowledge(id: NodeId): boolean {
    if (!this.#counted.has(id)) return false;
    const incarnation = this.#identities.get(id)?.incarnation;
    const founding = this.#founded ? null : (this.#pending.at(-1)?.configuration ?? null);
    if (founding === null || incarnation === undefined) return true;
    return findMember(founding, id)?.incarnation === incarnation;
  }

  /**
   * While no configuration is known to be committed, one in the log may be all the same. So whoever any of them names
   * must be that incarnation; whoever is not named yet counts as its operators say.
   */
  #isWhoItShouldBe(id: NodeId): boolean {
    if (this.#mutations.countsWipedMembers) return true;
    const incarnation = this.#identities.get(id)?.incarnation;
    if (this.#founded)
      return incarnation !== undefined && findMember(this.#active, id)?.incarnation === incarnation;
    for (const { configuration } of this.#pending) {
      const named = configuration === null ? undefined : findMember(configuration, id)?.incarnation;
      if (named !== undefined && named !== UNKNOWN_INCARNATION && named !== incarnation) return false;
    }
    return true;
  }
}

function pendingOf(entry: Entry): { index: LogIndex; configuration: Configuration | null } {
  try {
    return { index: entry.index, configuration: decodeConfiguration(entryBody(entry)) };
  } catch (error) {
    // It came from a peer and may never be committed: no reason yet to stop.
    if (error instanceof ConfigurationFormatError) return { index: entry.index, configuration: null };
    throw error;
  }
}
