/** Which mover is taken where several could, and what they keep of the pod differs. */
import { describe, expect, it } from 'vitest';
import { closedWays, moveOptions, type ReadyMover } from '../../src/steps/ways.ts';
import type { Assessment, MoverName, MovePromise, PodMover } from '../../src/ports/movers.ts';
import { pod } from '../workflow/fixtures.ts';

const view = { nodes: [], pods: [], budgets: [] } as never;

function mover(name: MoverName, assessment: Assessment): [MoverName, ReadyMover] {
  const unused = (): never => expect.unreachable();
  const found: PodMover = { name, detect: unused, assess: () => assessment, advance: unused, cancel: unused };
  return [name, { mover: found, detection: { kind: 'ready', text: '' } }];
}

function able(promise: MovePromise): Assessment {
  return { kind: 'able', promise, predictedMs: 1, timeoutMs: 1 };
}

const closing = new Map([
  mover('castai', able('memory')),
  mover('criu', able('everything')),
  mover('surge', able('nothing: restart')),
]);

describe('of several live movers', () => {
  it('the first that keeps enough is taken', () => {
    const { choose } = moveOptions(closing, view);
    expect(choose(pod({}), ['live', 'surge'], 'memory')).toMatchObject({ mover: 'castai', promise: 'memory' });
    expect(choose(pod({}), ['live', 'surge'], 'everything')).toMatchObject({ mover: 'criu', promise: 'everything' });
  });

  it('where none keeps enough the next way is taken', () => {
    const { choose } = moveOptions(
      new Map([mover('criu', able('memory')), mover('surge', able('nothing: restart'))]),
      view,
    );
    expect(choose(pod({}), ['live', 'surge'], 'everything')).toMatchObject({ way: 'surge' });
  });

  it('the best promise is what a plan is told, and nothing where none is able', () => {
    expect(closedWays(closing, view)(pod({}))).toMatchObject({ livePromise: 'everything' });
    const unable = new Map([mover('criu', { kind: 'unable', blockers: ['host network'] })]);
    expect(closedWays(unable, view)(pod({}))).toMatchObject({ live: 'criu: host network', livePromise: undefined });
  });
});
