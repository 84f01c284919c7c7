/**
 * What people who drain nodes know (`kubectl drain`, cluster-api, the eviction API), case by case: every kind of pod with
 * what becomes of it. A line here is a promise; where ours differs from `kubectl drain`, the line says so.
 */
import { assert, constantFrom, property, record, boolean, option, subarray } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BudgetView } from '../../src/cluster/budget.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import { judgePod } from '../../src/evacuation/verdict.ts';
import { defaultEvacuation, type EvacuationPolicy, type EvacuationRule } from '../../src/spec/plan.ts';
import { pod } from '../workflow/fixtures.ts';

const daemonSet = { kind: 'DaemonSet', name: 'agent', uid: 'd' };
const statefulSet = { kind: 'StatefulSet', name: 'db', uid: 's' };
const job = { kind: 'Job', name: 'report', uid: 'j' };
const emptyDir = [{ name: 'tmp', kind: 'emptyDir' as const }];
const hostPath = [{ name: 'host', kind: 'hostPath' as const }];
const everything = [{ operator: 'Exists' }];
const marked = { 'karpenter.sh/do-not-disrupt': 'true' };
const restartsOnly = { prefer: ['surge', 'evict'] } satisfies Partial<EvacuationPolicy>;

function budget(change: Partial<BudgetView> = {}): BudgetView {
  return {
    namespace: 'shop',
    name: 'web',
    selector: {},
    disruptionsAllowed: 0,
    currentHealthy: 3,
    desiredHealthy: 3,
    expectedPods: 3,
    asks: 'minAvailable 3',
    unhealthyPodEvictionPolicy: 'IfHealthyBudget',
    ...change,
  };
}

const rule = (change: Partial<EvacuationRule>): Partial<EvacuationPolicy> => ({ rules: [{ match: {}, ...change }] });

interface Case {
  readonly change?: Partial<PodView>;
  readonly policy?: Partial<EvacuationPolicy>;
  readonly budgets?: readonly BudgetView[];
  readonly livePromise?: string;
}

function judge({ change = {}, policy = {}, budgets = [], livePromise }: Case) {
  return judgePod(pod(change), budgets, { ...defaultEvacuation, ...policy }, () => ({ livePromise }));
}

const cases: readonly [title: string, given: Case, expected: string][] = [
  // kubectl drain stops at these without --ignore-daemonsets; they would be put back at once, so they stay.
  ['DaemonSet, running', { change: { owner: daemonSet } }, 'stays: of a DaemonSet: it belongs to its server'],
  [
    'DaemonSet, with local data',
    { change: { owner: daemonSet, volumes: emptyDir } },
    'stays: of a DaemonSet: it belongs to its server',
  ],
  ['DaemonSet, failed', { change: { owner: daemonSet, phase: 'Failed' } }, 'stays: it has finished'],
  [
    'DaemonSet, marked by another tool',
    { change: { owner: daemonSet, annotations: marked } },
    'stays: of a DaemonSet: it belongs to its server',
  ],
  // Deleted with --cascade=orphan: the garbage collector takes the reference away, and nobody makes it anew.
  ['orphan of a DaemonSet', { change: { owner: undefined }, policy: restartsOnly }, 'blocked'],
  ['static', { change: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }, 'stays: static pod of the kubelet'],
  ['finished, with local data', { change: { phase: 'Succeeded', volumes: emptyDir } }, 'stays: it has finished'],
  ['finished, of nobody', { change: { phase: 'Failed', owner: undefined } }, 'stays: it has finished'],
  ['finished, marked by another tool', { change: { phase: 'Failed', annotations: marked } }, 'stays: it has finished'],
  ['leaving', { change: { leaving: true } }, 'waits'],
  ['leaving, of nobody', { change: { leaving: true, owner: undefined } }, 'waits'],
  ['leaving, with a budget that is never met', { change: { leaving: true }, budgets: [budget()] }, 'waits'],
  ['of nobody', { change: { owner: undefined }, policy: restartsOnly }, 'blocked'],
  [
    'of nobody, that may be lost',
    { change: { owner: undefined }, policy: { barePods: 'lose', ...restartsOnly } },
    'moves: evict',
  ],
  ['with local data', { change: { volumes: emptyDir }, policy: restartsOnly }, 'blocked'],
  [
    'with local data that may be lost',
    { change: { volumes: emptyDir }, policy: { localData: 'lose', ...restartsOnly } },
    'moves: surge evict',
  ],
  ['with local data, alive', { change: { volumes: emptyDir } }, 'moves: live'],
  ['with a host path', { change: { volumes: hostPath } }, 'moves: surge evict'],
  ['on the host network', { change: { hostNetwork: true } }, 'moves: surge evict'],
  ['of a StatefulSet', { change: { owner: statefulSet } }, 'moves: live evict'],
  ['of a Job', { change: { owner: job } }, 'moves: live evict'],
  ['of a Job that is waited for', { change: { owner: job }, policy: rule({ action: 'waitCompleted' }) }, 'waits'],
  [
    'waited for, and completed',
    { change: { owner: job, phase: 'Succeeded' }, policy: rule({ action: 'waitCompleted' }) },
    'stays: it has finished',
  ],
  ['pending on this node', { change: { phase: 'Pending', ready: false } }, 'moves: live surge evict'],
  ['left by a rule', { policy: rule({ action: 'leave' }) }, 'stays: the plan leaves it'],
  [
    'left by a rule, although bare',
    { change: { owner: undefined }, policy: rule({ action: 'leave' }) },
    'stays: the plan leaves it',
  ],
  // Evicted it would come straight back; kubectl drain evicts it all the same.
  ['tolerating the cordon', { change: { tolerations: everything } }, 'stays: evicted it would come straight back'],
  [
    'tolerating the cordon, never to be restarted',
    { change: { tolerations: everything }, policy: rule({ restart: 'never' }) },
    'moves: live',
  ],
  [
    'tolerating the cordon, never to be restarted, nor alive',
    { change: { tolerations: everything, hostNetwork: true }, policy: rule({ restart: 'never' }) },
    'blocked',
  ],
  [
    'tolerating the cordon, marked by another tool',
    { change: { tolerations: everything, annotations: marked }, policy: restartsOnly },
    'blocked',
  ],
  ['marked by another tool', { change: { annotations: marked } }, 'moves: live'],
  [
    'marked, with a rule that allows it',
    { change: { annotations: marked }, policy: rule({ restart: 'allowed' }) },
    'moves: live surge evict',
  ],
  [
    'marked with another value',
    { change: { annotations: { 'karpenter.sh/do-not-disrupt': 'false' } } },
    'moves: live surge evict',
  ],
  ['never to be restarted', { policy: rule({ restart: 'never' }) }, 'moves: live'],
  ['never to be restarted, not preferred alive', { policy: rule({ restart: 'never', prefer: ['evict'] }) }, 'blocked'],
  // What is replaced beforehand has time to end its connections; a live move to another address closes them.
  ['alive with its connections', { livePromise: 'in-cluster connections' }, 'moves: live surge evict'],
  ['alive with its memory alone', { livePromise: 'memory' }, 'moves: surge live evict'],
  [
    'alive with its memory alone, nothing can take its place',
    { change: { owner: statefulSet }, livePromise: 'memory' },
    'moves: live evict',
  ],
  [
    'alive with its memory alone, which is enough',
    { policy: { liveKeeps: 'memory' }, livePromise: 'memory' },
    'moves: live surge evict',
  ],
  [
    'alive with its memory alone, which is not enough',
    { policy: { liveKeeps: 'in-cluster connections' }, livePromise: 'memory' },
    'moves: surge evict',
  ],
  [
    'alive with its memory alone, which a rule takes for enough',
    { policy: { liveKeeps: 'everything', ...rule({ liveKeeps: 'memory' }) }, livePromise: 'memory' },
    'moves: live surge evict',
  ],
  [
    'never to be restarted, alive with less than is asked for',
    { policy: rule({ restart: 'never', liveKeeps: 'everything' }), livePromise: 'in-cluster connections' },
    'blocked',
  ],
  [
    'alive with its memory alone, restarts first',
    { policy: { prefer: ['evict', 'live', 'surge'] }, livePromise: 'memory' },
    'moves: evict surge live',
  ],
  // The API answers 500 to these for ever.
  ['of two budgets', { policy: restartsOnly, budgets: [budget(), budget({ name: 'all' })] }, 'blocked'],
  ['of two budgets, alive', { budgets: [budget(), budget({ name: 'all' })] }, 'moves: live'],
  [
    'of two budgets, one of another namespace',
    { policy: restartsOnly, budgets: [budget({ desiredHealthy: 2 }), budget({ namespace: 'x' })] },
    'moves: surge evict',
  ],
  [
    'of two budgets, pending',
    { change: { phase: 'Pending', ready: false }, policy: restartsOnly, budgets: [budget(), budget({ name: 'all' })] },
    'moves: surge evict',
  ],
  [
    'of a budget without room just now',
    { policy: { prefer: ['evict'] }, budgets: [budget({ desiredHealthy: 2 })] },
    'moves: evict',
  ],
  ['of a budget that is never met', { policy: { prefer: ['evict'] }, budgets: [budget()] }, 'blocked'],
  ['of a budget that is never met, by surge', { policy: restartsOnly, budgets: [budget()] }, 'moves: surge'],
  [
    'pending, of a budget that is never met',
    { change: { phase: 'Pending', ready: false }, policy: { prefer: ['evict'] }, budgets: [budget()] },
    'moves: evict',
  ],
  // unhealthyPodEvictionPolicy: what is not Ready goes always, or only while enough others are.
  [
    'not Ready, of a budget that always allows it',
    {
      change: { ready: false },
      policy: { prefer: ['evict'] },
      budgets: [budget({ currentHealthy: 2, unhealthyPodEvictionPolicy: 'AlwaysAllow' })],
    },
    'moves: evict',
  ],
  [
    'not Ready, of a budget that is not healthy',
    { change: { ready: false }, policy: { prefer: ['evict'] }, budgets: [budget({ currentHealthy: 2 })] },
    'blocked',
  ],
  [
    'not Ready, of a budget that is healthy',
    { change: { ready: false }, policy: { prefer: ['evict'] }, budgets: [budget({ currentHealthy: 3 })] },
    'moves: evict',
  ],
];

describe('a pod', () => {
  it.each(cases)('%s', (_, given, expected) => {
    const verdict = judge(given);
    const said =
      verdict.kind === 'moves'
        ? `moves: ${verdict.ways.join(' ')}`
        : verdict.kind === 'stays'
          ? `stays: ${verdict.because}`
          : verdict.kind;
    expect(said).toBe(expected);
  });

  it('goes in its order: the first rule that matches decides, and 0 where none says', () => {
    const rules = [
      { match: { owners: ['StatefulSet'] }, order: 20 },
      { match: { labels: { app: 'web' } }, order: -5 },
    ];
    expect(judge({ policy: { rules } })).toMatchObject({ order: -5 });
    expect(judge({ change: { owner: statefulSet }, policy: { rules } })).toMatchObject({ order: 20 });
    expect(judge({})).toMatchObject({ order: 0 });
  });

  it('that goes down with its server is warned of', () => {
    expect(judge({ change: { tolerations: everything } })).toMatchObject({
      warnings: [expect.stringContaining('stays')],
    });
    expect(judge({ change: { volumes: hostPath } })).toMatchObject({ warnings: [expect.stringContaining('hostPath')] });
  });
});

describe('for any pod', () => {
  const pods = record({
    owner: option(constantFrom(daemonSet, statefulSet, job), { nil: undefined }),
    phase: constantFrom<PodView['phase']>('Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'),
    ready: boolean(),
    leaving: boolean(),
    hostNetwork: boolean(),
    volumes: subarray([...emptyDir, ...hostPath]),
    annotations: constantFrom({}, marked),
    tolerations: constantFrom([], everything),
  });
  const rules = option(
    record({ action: constantFrom('drain', 'waitCompleted'), restart: constantFrom('allowed', 'never') } as const),
    { nil: undefined },
  );

  it('there is one verdict: a blocker has a reason and somebody to ask, and who may not restart never does', () => {
    let blocked = 0;
    let alive = 0;
    assert(
      property(pods, rules, boolean(), (change, drawn, isTwice) => {
        const policy = drawn ? rule(drawn) : {};
        const verdict = judge({ change, policy, budgets: isTwice ? [budget(), budget({ name: 'b' })] : [] });
        if (verdict.kind === 'blocked') {
          blocked += 1;
          expect([verdict.because, verdict.owner]).not.toContain('');
        }
        if (verdict.kind !== 'moves') return;
        expect(verdict.ways.length).toBeGreaterThan(0);
        if (drawn?.restart !== 'never') return;
        alive += 1;
        expect(verdict.ways).toEqual(['live']);
      }),
      { numRuns: 2_000 },
    );
    expect(Math.min(blocked, alive)).toBeGreaterThan(0);
  });
});
