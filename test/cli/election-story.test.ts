import { describe, expect, test } from 'vitest';
import { ElectionStory } from '../../src/cli/election-story.ts';
import type { NodeEvent } from '../../src/node/index.ts';

const NOON = Date.UTC(2026, 0, 2, 12, 0, 0);

function event(code: string, atMs: number, fields: NodeEvent['fields'], text = ''): NodeEvent {
  return { sequence: 1, at: NOON + atMs, level: 'info', code, text, fields };
}

const stands = (atMs: number, term: number, reason: string): NodeEvent =>
  event('campaign-started', atMs, { term, kind: 'vote', reason });
const won = (atMs: number, term: number, votes: string): NodeEvent =>
  event('election-won', atMs, { term, votes, voters: 3 });

describe('the story of elections', () => {
  test('of a first one: who, which term, why, by whose votes', () => {
    const story = new ElectionStory();
    expect(
      story.hear('n2', event('campaign-started', 0, { term: 1, kind: 'pre-vote', reason: 'timeout' })),
    ).toEqual([]);
    expect(story.hear('n2', stands(5, 1, 'timeout'))).toEqual([]);
    expect(story.hear('n1', event('vote-cast', 6, { term: 1 }))).toEqual([]);
    expect(story.hear('n2', won(7, 1, 'n2,n3'))).toEqual([
      '★ 12:00:00.007 n2 leads term 1, with 2 of 3 votes (n2, n3); why: no leader was heard from for an election timeout',
    ]);
  });

  test('of a killed leader: that its loss was noticed once, and for how long nobody led', () => {
    const story = new ElectionStory();
    story.hear('n1', won(0, 1, 'n1,n2'));
    const gone = event('leader-gone', 100, { leader: 'n1' }, 'the leader n1 is gone');
    expect(story.hear('n2', gone)).toEqual(['▲ 12:00:00.100 n2 noticed: the leader n1 is gone']);
    expect(story.hear('n3', { ...gone, at: NOON + 101 })).toEqual([]);
    story.hear('n3', stands(110, 2, 'leader-gone'));
    expect(story.hear('n3', won(142, 2, 'n2,n3')).join()).toMatch(
      /n3 leads term 2, .*; why: the process that led was gone; nobody led for 42 ms$/,
    );
  });

  test('of a hand-over: counted from when the old leader stepped down', () => {
    const story = new ElectionStory();
    story.hear('n1', won(0, 4, 'n1,n2'));
    story.hear('n1', event('role-changed', 50, { from: 'leader', to: 'follower', term: 5 }));
    story.hear('n2', stands(51, 5, 'transfer'));
    const [told] = story.hear('n2', won(59, 5, 'n1,n2'));
    expect(told).toMatch(/n2 leads term 5, .*; why: the leader before handed over; nobody led for 9 ms$/);
  });

  test('tells a term once, and knows nothing of a campaign that it did not hear', () => {
    const story = new ElectionStory();
    expect(story.hear('n1', won(0, 2, 'n1,n2'))).toEqual([
      '★ 12:00:00.000 n1 leads term 2, with 2 of 3 votes (n1, n2)',
    ]);
    expect(story.hear('n1', won(1, 2, 'n1,n2'))).toEqual([]);
  });

  test('does not go back to an election of the past that it hears of late', () => {
    const story = new ElectionStory();
    story.hear('n1', won(10, 2, 'n1,n2'));
    expect(story.hear('n3', won(0, 1, 'n2,n3'))).toEqual([]);
    story.hear('n3', event('role-changed', 20, { from: 'leader', to: 'follower', term: 2 }));
    expect(story.hear('n2', won(30, 3, 'n2,n3')).join()).not.toContain('nobody led');
  });

  test('does not let what a node writes move the terminal', () => {
    const [told] = new ElectionStory().hear('n2', event('leader-gone', 0, {}, 'gone\u001b[2J\n★ n9 leads'));
    expect(told).not.toMatch(/\p{Cc}/u);
    expect(told).toContain('\\u001b[2J\\n★ n9 leads');
  });
});
