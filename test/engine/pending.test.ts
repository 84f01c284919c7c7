import { describe, expect, it } from 'vitest';
import { parseNode } from '../../src/cluster/parse.ts';
import { withPending } from '../../src/cluster/pending.ts';
import { pendingChanges } from '../../src/engine/pending.ts';
import { runAfter, runServer } from '../workflow/fixtures.ts';

const effect = 'PreferNoSchedule';
const pending = (value: string): object => ({ key: 'pitcrew.dev/maintenance-pending', value, effect });
const kept = (value: string): object => ({ key: 'pitcrew.dev/keep-room', value, effect });
const node = (name: string, taints: readonly unknown[] = []): ReturnType<typeof parseNode> =>
  parseNode({ metadata: { name }, spec: { taints } });

describe('the marks for later maintenance', () => {
  it('stand on every server that has not ended, and on no other; two on those that keep their room', () => {
    const servers = ['a', 'b', 'c', 'd'].map((name) => ({ ...runServer(name), keepsRoom: name < 'c' }));
    const run = runAfter(
      { servers },
      { kind: 'waveStarted', wave: 0 },
      { kind: 'serverAdmitted', server: 'a' },
      { kind: 'serverEnded', server: 'a', outcome: 'done', reason: '' },
      { kind: 'serverAdmitted', server: 'b' },
    );
    const nodes = [node('a', [pending('r1'), kept('r1')]), node('b'), node('c', [pending('r1')]), node('d')];
    expect(pendingChanges(run, nodes, false)).toEqual([
      { node: 'a', mark: undefined },
      { node: 'b', mark: 'kept' },
      { node: 'd', mark: 'plain' },
    ]);
  });

  it('are taken away everywhere before the run ends, but only the own ones', () => {
    const nodes = [node('a', [pending('r1'), kept('r1')]), node('b', [pending('r2')])];
    expect(pendingChanges(runAfter({}), nodes, true)).toEqual([{ node: 'a', mark: undefined }]);
  });

  it('change nothing where they stand already, and replace those that were left behind', () => {
    expect(withPending([pending('r1')], 'r1', 'plain')).toBeUndefined();
    expect(withPending([kept('r1'), pending('r1')], 'r1', 'kept')).toBeUndefined();
    expect(withPending([pending('r1')], 'r1', 'kept')).toEqual([pending('r1'), kept('r1')]);
    expect(withPending([pending('r1'), kept('r1')], 'r2', 'plain')).toEqual([pending('r2')]);
    expect(withPending([pending('r1'), kept('r1')], 'r2', undefined)).toBeUndefined();
    expect(withPending([pending('r1'), kept('r2')], 'r1', undefined)).toEqual([kept('r2')]);
  });
});
