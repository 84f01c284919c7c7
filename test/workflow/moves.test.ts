import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src/errors/maintenance-error.ts';
import { ServerEvent } from '../../src/workflow/events.ts';
import { triesWith } from '../../src/workflow/move-state.ts';
import { movedPod as pod, moveStarted, serverAfter, until } from './fixtures.ts';

const evacuating: ServerEvent[] = [...until('evacuate'), { kind: 'stepStarted', step: 'evacuate', attempt: 1 }];
const moveAfter = (...events: ServerEvent[]) => serverAfter(...evacuating, ...events).moves['u'];
const rolledBack: ServerEvent = { kind: 'moveFinished', pod, result: 'rolledBack', because: 'no room' };

describe('the moves of a server', () => {
  it('remember the order that was given, so that a restarted daemon gives the same again', () => {
    expect(moveAfter(moveStarted())).toMatchObject({ id: 'pitcrew-p-1', target: 'b', timeoutMs: 300_000 });
  });

  it('of an older journal, which says less, are read all the same', () => {
    const old = ServerEvent.parse({ kind: 'moveStarted', pod, mover: 'evict', promise: 'nothing: restart' });
    expect(moveAfter(old)).toMatchObject({ target: '', timeoutMs: 0, budgets: [], isCommitted: false });
  });

  it('keep only the latest word on how far they are, and none once they are over', () => {
    const copying = (doneBytes: number): ServerEvent => ({
      kind: 'moveProgressed',
      pod,
      phase: 'copying',
      note: 'round 1',
      doneBytes,
    });
    expect(moveAfter(moveStarted(), copying(1), copying(2))?.stage).toMatchObject({ doneBytes: 2 });
    expect(moveAfter(moveStarted(), copying(1), rolledBack)?.stage).toBeUndefined();
  });

  it('stay committed once they are', () => {
    const committed: ServerEvent = { kind: 'moveCommitted', pod };
    expect(moveAfter(moveStarted(), committed)?.isCommitted).toBe(true);
    expect(moveAfter(moveStarted())?.isCommitted).toBe(false);
  });

  it('remember every try that did not work out, and begin the next one afresh', () => {
    const again = moveAfter(moveStarted(), { kind: 'moveCommitted', pod }, rolledBack, moveStarted({ target: 'c' }));
    expect(again).toMatchObject({ target: 'c', isCommitted: false });
    expect(again).not.toHaveProperty('result');
    expect(again?.tries).toEqual([{ mover: 'criu', target: 'b', result: 'rolledBack' }]);
  });

  it('go with a pod that had to be made anew on its server: the tries with it count on', () => {
    const evidence = { kept: 'everything', uid: 'u2', node: 'a' };
    const back: ServerEvent = { kind: 'moveFinished', pod, result: 'rolledBack', because: 'no room', evidence };
    const anew = { ...moveStarted({ target: 'c' }), pod: { ...pod, uid: 'u2' } };
    const { moves } = serverAfter(...evacuating, moveStarted(), back);
    expect(triesWith(moves, 'u2')).toEqual([{ mover: 'criu', target: 'b', result: 'rolledBack' }]);
    expect(triesWith(moves, 'u3')).toEqual([]);
    expect(serverAfter(...evacuating, moveStarted(), back, anew).moves['u2']?.tries).toHaveLength(1);
  });

  it('say what the pod has kept and where it is', () => {
    const evidence = { kept: 'memory', uid: 'u2', node: 'b', freezeMs: 410 };
    const done = moveAfter(moveStarted(), { kind: 'moveFinished', pod, result: 'done', because: '', evidence });
    expect(done).toMatchObject({ result: 'done', kept: 'memory', node: 'b', freezeMs: 410 });
  });

  it.each<[string, ServerEvent[]]>([
    ['progress of a move that never began', [{ kind: 'moveCommitted', pod }]],
    ['progress after the end', [moveStarted(), rolledBack, { kind: 'moveCommitted', pod }]],
    ['a second end', [moveStarted(), rolledBack, rolledBack]],
  ])('refuse %s', (_, events) => {
    expect(() => moveAfter(...events)).toThrow(InvariantError);
  });
});
