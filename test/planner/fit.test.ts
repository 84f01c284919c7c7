import { describe, expect, it } from 'vitest';
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import type { ClusterView } from '../../src/cluster/view.ts';
import { Fit, type Emptied } from '../../src/planner/fit.ts';
import { apartFrom, fleetNode, fleetPod, fleetView, spreadOver, togetherWith } from './fleet.ts';

const zoneKey = 'topology.kubernetes.io/zone';

function fitOf(nodes: NodeView[], pods: PodView[], more: Partial<ClusterView> = {}, later: string[] = []): Fit {
  const leaves = (pod: PodView): boolean => pod.owner?.kind !== 'DaemonSet';
  return new Fit({
    view: fleetView(nodes, pods, more),
    leaves,
    pending: new Map(later.map((name) => [name, 'plain'])),
  });
}

function empty(nodes: NodeView[], pods: PodView[], more: Partial<ClusterView> = {}): Emptied {
  return fitOf(nodes, pods, more).empty('a');
}

/** `web→b`, or why not. */
function told(emptied: Emptied): string {
  if (emptied.kind === 'stuck') return emptied.because;
  return emptied.moves.map(({ pod, to }) => `${pod.name}→${to}`).join(' ');
}

const [a, b, c] = ['a', 'b', 'c'].map((name) => fleetNode(name));
if (!a || !b || !c) throw new Error('three nodes');

describe('a pod finds a place', () => {
  it('on the emptiest node that has room', () => {
    const pods = [fleetPod('web', 'a'), fleetPod('other', 'b', { memoryGib: 8 })];
    expect(told(empty([a, b, c], pods))).toBe('web→c');
  });

  it('never on a node that is cordoned or not Ready', () => {
    const nodes = [a, fleetNode('b', { cordonedBy: '' }), fleetNode('c', { ready: false })];
    expect(told(empty(nodes, [fleetPod('web', 'a')]))).toBe(
      'shop/web (100m CPU, 1 GiB memory) fits nowhere: no other server is open',
    );
  });

  it('where nobody comes later, if there is such a place', () => {
    const pods = [fleetPod('web', 'a'), fleetPod('other', 'c', { memoryGib: 8 })];
    expect(told(fitOf([a, b, c], pods, {}, ['a', 'b']).empty('a'))).toBe('web→c');
    const big = [fleetPod('web', 'a', { memoryGib: 10 }), fleetPod('other', 'c', { memoryGib: 8 })];
    expect(told(fitOf([a, b, c], big, {}, ['a', 'b']).empty('a'))).toBe('web→b');
  });

  it('where room is kept for large pods, only if nothing else takes it', () => {
    const nodes = [a, b, c];
    const pending = new Map([
      ['b', 'kept' as const],
      ['c', 'plain' as const],
    ]);
    const fitWith = (memoryGib: number): Fit => {
      const pods = [fleetPod('web', 'a', { memoryGib }), fleetPod('other', 'c', { memoryGib: 8 })];
      return new Fit({ view: fleetView(nodes, pods), leaves: () => true, pending });
    };
    expect(told(fitWith(8).empty('a'))).toBe('web→c');
    expect(told(fitWith(9).empty('a'))).toBe('web→b');
  });

  it('after those that wait for a place already', () => {
    const pods = [fleetPod('web', 'a', { memoryGib: 10 }), fleetPod('waits', '', { memoryGib: 10 })];
    expect(told(empty([a, b], pods))).toContain('1 lack memory');
    expect(told(empty([a, b, c], pods))).toBe('web→c');
  });

  it('and daemons need none', () => {
    expect(empty([a], [fleetPod('agent', 'a', { owner: 'DaemonSet' })])).toEqual({ kind: 'fits', moves: [] });
  });
});

describe('another node would take a pod', () => {
  const couldRun = (pods: PodView[], isGone: boolean, nodes = [a, b, c]): boolean => {
    const [first] = pods;
    return first !== undefined && fitOf(nodes, pods).couldRun(first, 'b', isGone);
  };

  it('that is open and has room, and nothing is changed by asking', () => {
    const pods = [fleetPod('web', 'a', { memoryGib: 10 }), fleetPod('other', 'b', { memoryGib: 6 })];
    const fit = fitOf([a, b], pods);
    expect(pods.map((one) => fit.couldRun(one, 'b', true))).toEqual([true, true]);
    expect(told(fit.empty('a'))).toBe('web→b');
    expect(couldRun([fleetPod('web', 'a', { memoryGib: 11 }), fleetPod('other', 'b', { memoryGib: 6 })], true)).toBe(
      false,
    );
    expect(couldRun([fleetPod('web', 'a')], true, [a, fleetNode('b', { cordonedBy: '' })])).toBe(false);
    expect(couldRun([fleetPod('web', 'a')], true, [a, c])).toBe(false);
  });

  it('once it has left its own, where it must be apart from others of its kind in the whole zone', () => {
    const nodes = ['a', 'b', 'c'].map((name) => fleetNode(name, { zone: 'z' }));
    const pods = [fleetPod('web', 'a', { spec: apartFrom('web', zoneKey) })];
    expect([true, false].map((isGone) => couldRun(pods, isGone, nodes))).toEqual([true, false]);
  });
});

describe('a pod fits nowhere', () => {
  it.each<[string, NodeView, object, string]>([
    ['memory', fleetNode('b', { memoryGib: 1 }), { memoryGib: 2 }, '1 lack memory'],
    ['pods', fleetNode('b', { pods: 0 }), {}, '1 have as many pods as they may'],
    ['GPUs', fleetNode('b', { gpus: 1 }), { gpus: 2 }, '1 lack nvidia.com/gpu'],
    ['a taint', fleetNode('b', { taints: [{ key: 'gpu', effect: 'NoSchedule' }] }), {}, '1 have a taint'],
    ['a selector', b, { spec: { nodeSelector: { disk: 'ssd' } } }, '1 are not what its node affinity asks for'],
  ])('for want of %s', (_, other, more, because) => {
    const answer = empty([a, other], [fleetPod('web', 'a', more)]);
    expect(told(answer)).toContain(`fits nowhere: of 1 open servers ${because}`);
  });

  it('when its port is taken', () => {
    const spec = { containers: [{ ports: [{ hostPort: 80 }] }] };
    const pods = [fleetPod('web', 'a', { spec }), fleetPod('other', 'b', { spec })];
    expect(told(empty([a, b], pods))).toContain('1 have its host port taken');
    expect(told(empty([a, b, c], pods))).toBe('web→c');
  });

  it('when it may not be with its like, whoever of them says so', () => {
    const asked = fleetPod('db-0', 'a', { app: 'db', spec: apartFrom('db') });
    const there = fleetPod('db-1', 'b', { app: 'db' });
    expect(told(empty([a, b], [asked, there]))).toContain(
      '1 are forbidden by its anti-affinity over kubernetes.io/hostname',
    );
    const silent = fleetPod('db-0', 'a', { app: 'db' });
    const asking = fleetPod('db-1', 'b', { app: 'db', spec: apartFrom('db') });
    expect(told(empty([a, b], [silent, asking]))).toContain('1 are forbidden by the anti-affinity of others');
    expect(told(empty([a, b, c], [silent, asking]))).toBe('db-0→c');
  });

  it('when the others that it has to be with are elsewhere', () => {
    const pods = [
      fleetPod('web', 'a', { spec: togetherWith('cache') }),
      fleetPod('cache', 'a', { app: 'cache', owner: 'DaemonSet' }),
    ];
    expect(told(empty([a, b], pods))).toContain('1 are away from the pods that it has to be with');
    expect(told(empty([a, b, c], [...pods, fleetPod('more', 'c', { app: 'cache' })]))).toBe('web→c');
  });

  it('when its spread forbids, for a cordoned node is a domain like any other', () => {
    const spec = spreadOver('kubernetes.io/hostname');
    const pods = [fleetPod('web-0', 'a', { spec }), fleetPod('web-1', 'b', { spec })];
    expect(told(empty([a, b], pods))).toContain('1 are forbidden by its spread over kubernetes.io/hostname');
    const honours = spreadOver('kubernetes.io/hostname', 'web', { nodeTaintsPolicy: 'Honor' });
    const honouring = [fleetPod('web-0', 'a', { spec: honours }), fleetPod('web-1', 'b', { spec: honours })];
    expect(told(empty([a, b], honouring))).toBe('web-0→b');
  });

  it('when its volume cannot be reached from anywhere else', () => {
    const spec = { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] };
    const claims = [{ namespace: 'shop', name: 'data', volume: 'pv', isOnOneNode: true }];
    const on = (...values: string[]) => [
      {
        name: 'pv',
        nodeTerms: [{ labels: [{ key: 'kubernetes.io/hostname', operator: 'In' as const, values }], fields: [] }],
      },
    ];
    const pods = [fleetPod('db', 'a', { spec })];
    expect(told(empty([a, b, c], pods, { claims, volumes: on('a') }))).toContain('2 cannot reach its volume');
    expect(told(empty([a, b, c], pods, { claims, volumes: on('a', 'c') }))).toBe('db→c');
  });
});

describe('pods that go together', () => {
  it('that must be on one node are not kept apart by those that have yet to go', () => {
    const spec = togetherWith('web');
    const pods = [fleetPod('web-0', 'a', { spec }), fleetPod('web-1', 'a', { spec })];
    const answer = empty([a, b, c], pods);
    expect(new Set(answer.kind === 'fits' ? answer.moves.map(({ to }) => to) : []).size).toBe(1);
  });

  it('share a volume that one node may have at a time', () => {
    const spec = { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] };
    const claims = [{ namespace: 'shop', name: 'data', volume: 'pv', isOnOneNode: true }];
    const pods = [
      fleetPod('one', 'a', { spec }),
      fleetPod('two', 'a', { spec }),
      fleetPod('big', 'b', { memoryGib: 15 }),
    ];
    expect(told(empty([a, b, c], pods, { claims }))).toBe('one→c two→c');
    expect(told(empty([a, b], pods, { claims }))).toContain('lack memory');
  });

  it('are placed by priority, then the large before the small', () => {
    const pods = [
      fleetPod('small', 'a', { memoryGib: 1 }),
      fleetPod('large', 'a', { memoryGib: 8 }),
      fleetPod('urgent', 'a', { spec: { priority: 1000 } }),
    ];
    expect(told(empty([a, b], pods))).toBe('urgent→b large→b small→b');
  });
});

describe('what cannot be done', () => {
  it('is taken back to the last byte', () => {
    const nodes = [a, b, fleetNode('c', { memoryGib: 1 })];
    const spec = spreadOver(zoneKey, 'web', { nodeTaintsPolicy: 'Honor' });
    const pods = [fleetPod('one', 'a', { memoryGib: 10 }), fleetPod('two', 'a', { memoryGib: 10, spec })];
    const fit = fitOf(nodes, pods);
    const before = [...fit.nodes.memoryFree, ...fit.nodes.cpuFree, ...fit.nodes.podsFree, ...fit.nodes.open];
    expect(fit.empty('a').kind).toBe('stuck');
    expect([...fit.nodes.memoryFree, ...fit.nodes.cpuFree, ...fit.nodes.podsFree, ...fit.nodes.open]).toEqual(before);
    expect(fit.empty('a')).toEqual(fitOf(nodes, pods).empty('a'));
  });

  it('may be done once another has come back empty', () => {
    const pods = [fleetPod('on-a', 'a', { memoryGib: 10 }), fleetPod('on-b', 'b', { memoryGib: 10 })];
    const fit = fitOf([a, b, c], pods);
    expect(told(fit.empty('a'))).toBe('on-a→c');
    expect(told(fit.empty('b'))).toContain('1 lack memory');
    fit.reopen('a');
    expect(told(fit.empty('b'))).toBe('on-b→a');
  });
});
