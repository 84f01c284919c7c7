/**
 * One verdict for every pod on a server, before anything is cordoned: stays, waits, moves, or blocked.
 *
 * It decides who may leave how; it never moves anything. Which ways are installed, it is told.
 */
import { budgetsOf, canNeverBeMet, type BudgetView } from '../cluster/budget.ts';
import { podsOnNode } from '../cluster/groups.ts';
import { podKey, type PodView } from '../cluster/pod.ts';
import { isTolerated } from '../cluster/scheduling.ts';
import type { EvacuationPolicy, EvacuationRule, LiveKeeps, MoveWay } from '../spec/plan.ts';
import { keepsLess, promiseInWords } from './promises.ts';

export type Verdict =
  | { readonly kind: 'stays'; readonly because: string; readonly warnings?: readonly string[] }
  | { readonly kind: 'waits'; readonly because: string }
  | {
      readonly kind: 'moves';
      /** The ways that are allowed, best first; never empty. */
      readonly ways: readonly MoveWay[];
      /** Low numbers move first; equal ones together. */
      readonly order: number;
      readonly warnings: readonly string[];
      /** Why it is not moved alive, where the plan would have it so. */
      readonly notAlive?: string | undefined;
    }
  | { readonly kind: 'blocked'; readonly because: string; readonly owner: string };

/** `spec.unschedulable` shows up as this taint; a pod that tolerates it would come straight back. */
const cordonTaint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Marks by which other tools say "do not disrupt": they mean `restart: never` unless a rule says otherwise. */
const doNotDisrupt: readonly (readonly [annotation: string, value: string])[] = [
  ['karpenter.sh/do-not-disrupt', 'true'],
  ['cluster-autoscaler.kubernetes.io/safe-to-evict', 'false'],
];

function matches(rule: EvacuationRule, pod: PodView): boolean {
  const { namespaces, labels, owners } = rule.match;
  if (namespaces && !namespaces.includes(pod.namespace)) return false;
  if (owners && !owners.includes(pod.owner?.kind ?? '')) return false;
  return Object.entries(labels ?? {}).every(([key, value]) => pod.labels[key] === value);
}

function ruleOf(pod: PodView, policy: EvacuationPolicy): EvacuationRule | undefined {
  return policy.rules.find((candidate) => matches(candidate, pod));
}

/** What a live move of this pod has to keep at least, whoever moves it and wherever to. */
export function liveKeepsOf(pod: PodView, policy: EvacuationPolicy): LiveKeeps {
  return ruleOf(pod, policy)?.liveKeeps ?? policy.liveKeeps ?? 'memory';
}

const allWays: readonly MoveWay[] = ['live', 'surge', 'evict'];

/**
 * Ways that no installed mover can go with a pod, each with the reason; what is not named is open. A way without a mover is
 * none, and that is better known beforehand.
 */
export type ClosedWays = Readonly<Partial<Record<MoveWay, string>>> & {
  /** The most that a live mover here would keep. */
  readonly livePromise?: string | undefined;
};

export function judgePod(
  pod: PodView,
  budgets: readonly BudgetView[],
  policy: EvacuationPolicy,
  closedWays: () => ClosedWays = () => ({}),
): Verdict {
  const rule = ruleOf(pod, policy);
  const stays = reasonToStay(pod, rule);
  if (stays !== undefined) return { kind: 'stays', because: stays };
  if (isTolerated(cordonTaint, pod.tolerations) && protectionOf(pod, rule) === undefined) {
    const because = 'evicted it would come straight back';
    return { kind: 'stays', because, warnings: ['it tolerates the cordon: it stays and goes down with the server'] };
  }
  if (pod.leaving) return { kind: 'waits', because: 'it is on its way out already' };
  if (rule?.action === 'waitCompleted') return { kind: 'waits', because: 'the plan waits until it has completed' };
  const against = reasonsAgainst(pod, budgetsOf(pod, budgets), policy, rule);
  // Movers are asked last, and not at all about pods that stay or go by themselves.
  const closed = closedWays();
  for (const way of allWays) {
    const because = closed[way];
    if (because !== undefined) against.push({ ways: [way], because, owner: ownerOf(pod) });
  }
  const { livePromise } = closed;
  const least = rule?.liveKeeps ?? policy.liveKeeps;
  if (livePromise !== undefined && least !== undefined && keepsLess(livePromise, least)) {
    const because = `moved alive it only ${promiseInWords(livePromise)}; the plan asks for ${least} (liveKeeps)`;
    against.push({ ways: ['live'], because, owner: ownerOf(pod) });
  }
  const verdict = judgeWays(pod, against, policy, rule);
  const isRough = least === undefined && livePromise !== undefined && keepsLess(livePromise, 'in-cluster connections');
  return isRough && verdict.kind === 'moves' ? { ...verdict, ways: surgeFirst(verdict.ways) } : verdict;
}

/** Who can be replaced before he goes loses no connection by it: better than a live move that closes them. */
function surgeFirst(ways: readonly MoveWay[]): readonly MoveWay[] {
  const [live, surge] = [ways.indexOf('live'), ways.indexOf('surge')];
  if (live < 0 || surge < live) return ways;
  return ways.flatMap((way) => (way === 'live' ? [] : way === 'surge' ? ['surge', 'live'] : [way]));
}

function reasonToStay(pod: PodView, rule: EvacuationRule | undefined): string | undefined {
  if ('kubernetes.io/config.mirror' in pod.annotations) return 'static pod of the kubelet';
  if (pod.phase === 'Succeeded' || pod.phase === 'Failed') return 'it has finished';
  if (pod.owner?.kind === 'DaemonSet') return 'of a DaemonSet: it belongs to its server';
  if (pod.owner?.kind === 'Node') return 'static pod of the kubelet';
  if (rule?.action === 'leave') return 'the plan leaves it';
  return undefined;
}

/** Why the pod may not be restarted, and so may not be on the server when it reboots either. */
function protectionOf(pod: PodView, rule: EvacuationRule | undefined): string | undefined {
  if (rule?.restart !== undefined) return rule.restart === 'never' ? 'the plan never restarts it' : undefined;
  const mark = doNotDisrupt.find(([annotation, value]) => pod.annotations[annotation] === value);
  return mark && `never restarted, for it is marked ${mark[0]}: ${mark[1]}`;
}

/** The ways that remain; where none does, the first reason against a way that was wanted is the one shown. */
function judgeWays(
  pod: PodView,
  against: readonly Reason[],
  policy: EvacuationPolicy,
  rule: EvacuationRule | undefined,
): Verdict {
  const prefer = rule?.prefer ?? policy.prefer;
  const ways = prefer.filter((way) => !against.some((reason) => reason.ways.includes(way)));
  if (ways.length === 0) {
    // The first reason against each way, each reason once: all of them together are what is in the way.
    const firsts = prefer.flatMap((way) => against.find((reason) => reason.ways.includes(way)) ?? []);
    const first = against.find((reason) => firsts.includes(reason));
    const reasons = against.filter((reason) => firsts.includes(reason)).map((reason) => reason.because);
    return {
      kind: 'blocked',
      because: [...new Set(reasons)].join('; ') || 'the plan allows no way to move it',
      owner: first?.owner ?? ownerOf(pod),
    };
  }
  const warnings = pod.volumes.some((volume) => volume.kind === 'hostPath')
    ? ['it uses a hostPath volume: what lies there stays on this server']
    : [];
  const isPassedOver = prefer.includes('live') && !ways.includes('live');
  const notAlive = isPassedOver ? against.find((reason) => reason.ways.includes('live'))?.because : undefined;
  return { kind: 'moves', ways, order: rule?.order ?? 0, warnings, notAlive };
}

interface Reason {
  readonly ways: readonly MoveWay[];
  readonly because: string;
  readonly owner: string;
}

/** Whose owner to ask about this pod. */
function ownerOf(pod: PodView): string {
  return pod.owner ? `${pod.owner.kind} ${pod.namespace}/${pod.owner.name}` : `pod ${podKey(pod)}`;
}

const restarts: readonly MoveWay[] = ['surge', 'evict'];

function reasonsAgainst(
  pod: PodView,
  budgets: readonly BudgetView[],
  policy: EvacuationPolicy,
  rule: EvacuationRule | undefined,
): Reason[] {
  const owner = ownerOf(pod);
  const reasons: Reason[] = [];
  const against = (ways: readonly MoveWay[], because: string, whom = owner): void => {
    reasons.push({ ways, because, owner: whom });
  };
  const protection = protectionOf(pod, rule);
  if (protection !== undefined) against(restarts, protection);
  if (!pod.owner && policy.barePods === 'block')
    against(restarts, 'bare pod: nobody would make it anew (evacuation.barePods: block)');
  if (pod.volumes.some((volume) => volume.kind === 'emptyDir') && policy.localData === 'keep') {
    against(restarts, 'emptyDir data would be lost (evacuation.localData: keep)');
  }
  // What a virtual machine's own pod mounts is KubeVirt's business, and so is whether the machine can move.
  if (pod.owner?.kind !== 'VirtualMachineInstance') {
    if (pod.volumes.some((volume) => volume.kind === 'hostPath')) {
      against(['live'], 'its hostPath volume does not move along');
    }
    if (pod.hostNetwork) against(['live'], 'its host network does not move along');
  }
  // A pod that has not begun to run disrupts nobody: the API does not even look for its budgets.
  if (budgets.length > 1 && pod.phase !== 'Pending') {
    const names = budgets.map(({ name }) => name).sort();
    const whom = `budgets ${names.map((name) => `${pod.namespace}/${name}`).join(' and ')}`;
    against(restarts, `it has more than one budget (${names.join(' and ')}): Kubernetes refuses every eviction`, whom);
  }
  const never = budgets.find(canNeverBeMet);
  // A surge brings one more healthy pod, which such a budget does allow; a plain eviction it never will.
  if (never && isCharged(pod, never)) {
    const numbers = `${never.asks}, ${never.expectedPods} expected`;
    against(['evict'], `budget ${never.name} can never be met (${numbers})`, `budget ${never.namespace}/${never.name}`);
  }
  // Only replicas of a Deployment can be replaced before they go.
  if (pod.owner?.kind !== 'ReplicaSet' || pod.labels['pod-template-hash'] === undefined) {
    against(['surge'], 'not a replica of a Deployment, so nothing can take its place beforehand');
  } else if (pod.volumes.some((volume) => volume.kind === 'persistentVolumeClaim')) {
    against(['surge'], 'its volume may be for one pod at a time, so nothing can take its place beforehand');
  }
  return reasons;
}

/** Whether the eviction of this pod is charged to its budget, or refused because of it (policy/v1, pods/eviction). */
function isCharged(pod: PodView, budget: BudgetView): boolean {
  if (pod.phase === 'Pending') return false;
  if (pod.ready) return true;
  // One that is not Ready may go, always or only while enough others are.
  return budget.unhealthyPodEvictionPolicy === 'IfHealthyBudget' && budget.currentHealthy < budget.desiredHealthy;
}

/** Sorted, so that two looks at the same pods give the same order and messages do not flap. */
export function judgeServer(
  node: string,
  view: { readonly pods: readonly PodView[]; readonly budgets: readonly BudgetView[] },
  policy: EvacuationPolicy,
  closedFor: (pod: PodView) => ClosedWays = () => ({}),
): { readonly pod: PodView; readonly verdict: Verdict }[] {
  return podsOnNode(view.pods, node)
    .map((pod) => ({ pod, key: podKey(pod) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ pod }) => ({ pod, verdict: judgePod(pod, view.budgets, policy, () => closedFor(pod)) }));
}
