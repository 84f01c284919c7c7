import { describe, expect, it } from 'vitest';
import type { BudgetView } from '../../src/cluster/budget.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import { judgePod, judgeServer } from '../../src/evacuation/verdict.ts';
import { defaultEvacuation, type EvacuationPolicy } from '../../src/spec/plan.ts';
import { pod } from '../workflow/fixtures.ts';

const policy = defaultEvacuation;
const statefulSet = { kind: 'StatefulSet', name: 'db', uid: 's' };
const emptyDir = [{ name: 'tmp', kind: 'emptyDir' as const }];
const budget = (change: Partial<BudgetView> = {}): BudgetView => ({
  namespace: 'shop',
  name: 'web',
  selector: { matchLabels: { app: 'web' } },
  disruptionsAllowed: 1,
  currentHealthy: 3,
  desiredHealthy: 2,
  expectedPods: 3,
  asks: 'minAvailable 2',
  unhealthyPodEvictionPolicy: 'IfHealthyBudget',
  ...change,
});

function verdict(change: Partial<PodView>, change2: Partial<EvacuationPolicy> = {}, budgets: BudgetView[] = []) {
  return judgePod(pod(change), budgets, { ...policy, ...change2 });
}

describe('a pod stays', () => {
  it.each<[string, Partial<PodView>]>([
    ['of a DaemonSet', { owner: { kind: 'DaemonSet', name: 'd', uid: 'd' } }],
    ['static', { annotations: { 'kubernetes.io/config.mirror': 'x' } }],
    ['owned by the node', { owner: { kind: 'Node', name: 'a', uid: 'n' } }],
    ['finished', { phase: 'Succeeded' }],
    ['failed', { phase: 'Failed' }],
    ['that tolerates the cordon', { tolerations: [{ operator: 'Exists' }] }],
  ])('%s', (_, change) => {
    expect(verdict(change).kind).toBe('stays');
  });

  it('where a rule leaves it', () => {
    const rules = [{ match: { labels: { app: 'web' } }, action: 'leave' as const }];
    expect(verdict({}, { rules })).toEqual({ kind: 'stays', because: 'the plan leaves it' });
  });
});

describe('a pod waits', () => {
  it('when it is leaving already', () => {
    expect(verdict({ leaving: true }).kind).toBe('waits');
  });

  it('when a rule waits for its completion', () => {
    const rules = [{ match: { namespaces: ['shop'] }, action: 'waitCompleted' as const }];
    expect(verdict({}, { rules }).kind).toBe('waits');
  });
});

describe('the ways that are left', () => {
  it.each<[string, Partial<PodView>, Partial<EvacuationPolicy>, readonly string[]]>([
    ['a replica: all of them', {}, {}, ['live', 'surge', 'evict']],
    ['in the order the plan prefers', {}, { prefer: ['evict', 'live'] }, ['evict', 'live']],
    ['a StatefulSet pod: no surge', { owner: statefulSet }, {}, ['live', 'evict']],
    [
      'a replica with a claimed volume: no surge',
      { volumes: [{ name: 'v', kind: 'persistentVolumeClaim' }] },
      {},
      ['live', 'evict'],
    ],
    ['emptyDir data that is kept: only alive', { volumes: emptyDir }, {}, ['live']],
    ['emptyDir data that may be lost: all', { volumes: emptyDir }, { localData: 'lose' }, ['live', 'surge', 'evict']],
    ['a bare pod: only alive', { owner: undefined }, {}, ['live']],
    ['a bare pod that may be lost: evicted too', { owner: undefined }, { barePods: 'lose' }, ['live', 'evict']],
    ['hostPath: not alive', { volumes: [{ name: 'h', kind: 'hostPath' }] }, {}, ['surge', 'evict']],
    ['host network: not alive', { hostNetwork: true }, {}, ['surge', 'evict']],
    ['marked by Karpenter: only alive', { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } }, {}, ['live']],
    [
      'marked unsafe to evict: only alive',
      { annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' } },
      {},
      ['live'],
    ],
  ])('%s', (_, change, change2, ways) => {
    expect(verdict(change, change2)).toMatchObject({ kind: 'moves', ways });
  });

  it('a mark of another tool gives way to a rule that allows the restart', () => {
    const rules = [{ match: { labels: { app: 'web' } }, restart: 'allowed' as const }];
    const marked = { annotations: { 'karpenter.sh/do-not-disrupt': 'true' } };
    expect(verdict(marked, { rules })).toMatchObject({ kind: 'moves', ways: ['live', 'surge', 'evict'] });
  });

  it('a budget that can never be met leaves a surge, for it brings one more healthy pod', () => {
    const never = budget({ desiredHealthy: 3 });
    expect(verdict({}, {}, [never])).toMatchObject({ kind: 'moves', ways: ['live', 'surge'] });
  });
});

describe('a pod is blocked, with a reason and somebody to ask', () => {
  it('by a budget that can never be met', () => {
    const never = budget({ desiredHealthy: 1, expectedPods: 1, asks: 'minAvailable 1' });
    expect(verdict({ owner: statefulSet }, { prefer: ['evict'] }, [never])).toEqual({
      kind: 'blocked',
      because: 'budget web can never be met (minAvailable 1, 1 expected)',
      owner: 'budget shop/web',
    });
  });

  it('by two budgets on one pod', () => {
    const blocked = verdict({}, { prefer: ['surge', 'evict'] }, [budget(), budget({ name: 'all' })]);
    expect(blocked).toMatchObject({ kind: 'blocked', owner: 'budgets shop/all and shop/web' });
  });

  it('by a rule that never restarts it, where it cannot move alive', () => {
    const rules = [{ match: { namespaces: ['shop'] }, restart: 'never' as const }];
    expect(verdict({ hostNetwork: true }, { rules })).toMatchObject({
      kind: 'blocked',
      because: 'the plan never restarts it; its host network does not move along',
    });
  });

  it('where no mover is installed for the only ways that are left, before anybody finds out by trying', () => {
    const closed = { live: 'no live mover is installed' };
    const rules = [{ match: { namespaces: ['shop'] }, prefer: ['live' as const], restart: 'never' as const }];
    const live = {
      kind: 'blocked',
      because: 'no live mover is installed',
      owner: expect.stringMatching(/^ReplicaSet shop[/]/) as string,
    };
    expect(judgePod(pod({ name: 'web-1' }), [], { ...policy, rules }, () => closed)).toEqual(live);
    // Local data keeps it from being restarted, and nothing can move it alive.
    expect(judgePod(pod({ volumes: emptyDir }), [], policy, () => closed)).toMatchObject({
      kind: 'blocked',
      because: 'emptyDir data would be lost (evacuation.localData: keep); no live mover is installed',
    });
    expect(judgePod(pod({}), [], policy, () => closed)).toMatchObject({ kind: 'moves', ways: ['surge', 'evict'] });
    expect(judgePod(pod({}), [], policy)).toMatchObject({ kind: 'moves', ways: ['live', 'surge', 'evict'] });
  });

  it('as a bare pod, where only restarts are preferred', () => {
    expect(verdict({ owner: undefined }, { prefer: ['surge', 'evict'] })).toMatchObject({
      kind: 'blocked',
      because: 'bare pod: nobody would make it anew (evacuation.barePods: block)',
    });
  });
});

describe('a server', () => {
  it('gets one verdict per pod of its own, sorted, whatever the order of the input', () => {
    const pods = [
      pod({ name: 'b', uid: 'b' }),
      pod({ name: 'a', uid: 'a' }),
      pod({ name: 'c', uid: 'c', node: 'other' }),
    ];
    expect(names(pods)).toEqual(['a', 'b']);
    expect(names([...pods].reverse())).toEqual(['a', 'b']);
  });
});

function names(pods: PodView[]): string[] {
  return judgeServer('a', { pods, budgets: [] }, policy).map((judged) => judged.pod.name);
}
