import { describe, expect, it } from 'vitest';
import { withPending } from '../../src/cluster/pending.ts';
import { parseNode } from '../../src/cluster/parse.ts';
import { pendingChanges } from '../../src/engine/pending.ts';
import { runAfter } from '../workflow/fixtures.ts';

const mark = (value: string): object => ({
  key: 'pitcrew.dev/maintenance-pending',
  value,
  effect: 'PreferNoSchedule',
});
const node = (name: string, taints: readonly unknown[] = []): ReturnType<typeof parseNode> =>
  parseNode({ metadata: { name }, spec: { taints } });

describe('the mark for later maintenance', () => {
  it('stands on every server that has not ended, and on no other', () => {
    const run = runAfter(
      {},
      { kind: 'waveStarted', wave: 0 },
      { kind: 'serverAdmitted', server: 'a' },
      { kind: 'serverEnded', server: 'a', outcome: 'done', reason: '' },
      { kind: 'serverAdmitted', server: 'b' },
    );
    const nodes = [node('a', [mark('r1')]), node('b'), node('c', [mark('r1')]), node('d')];
    expect(pendingChanges(run, nodes, false)).toEqual([
      { node: 'a', pending: false },
      { node: 'b', pending: true },
      { node: 'd', pending: true },
    ]);
  });

  it('is taken away everywhere before the run ends, but only the own one', () => {
    const nodes = [node('a', [mark('r1')]), node('b', [mark('r2')])];
    expect(pendingChanges(runAfter({}), nodes, true)).toEqual([{ node: 'a', pending: false }]);
  });

  it('changes nothing where it stands already, and replaces one that was left behind', () => {
    expect(withPending([mark('r1')], 'r1', true)).toBeUndefined();
    expect(withPending([mark('r1')], 'r2', true)).toEqual([mark('r2')]);
    expect(withPending([mark('r1')], 'r2', false)).toBeUndefined();
  });
});
