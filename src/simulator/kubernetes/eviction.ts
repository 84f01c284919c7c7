/**
 * The eviction subresource of a pod, in the order in which a real server does it, because the order shows: the budget is
 * charged **before** the uid is compared, so an eviction that is refused for its uid has used up a place in the budget.
 */
import { numberAt, recordAt, textAt } from '../../cluster/json.ts';
import { matchesSelector } from '../../cluster/scheduling.ts';
import { kinds, type Draft } from './kinds.ts';
import { isFinished, isPodReady, withCondition, type BudgetObject, type PodObject } from './objects.ts';
import * as refusal from './refusal.ts';
import type { DeleteOptions, Registry } from './registry.ts';

/** A webhook that takes evictions over, as live migrators do: it refuses, or lets through by returning nothing. */
export type EvictionWebhook = (pod: PodObject, isDryRun: boolean) => refusal.Refusal | undefined;

export class Evictions {
  readonly #registry: Registry;
  readonly webhooks: EvictionWebhook[] = [];
  /** How often an eviction of this pod was accepted and took effect, by uid: for the checkers. */
  readonly acceptedByUid = new Map<string, number>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  evict(namespace: string, name: string, body: Draft, isDryRunAsked: boolean): refusal.StatusBody {
    this.#registry.checkNamespace(kinds.pods, namespace, name);
    const asked = textAt(body.metadata, 'name');
    if (asked !== '' && asked !== name) throw refusal.badRequest('name in URL does not match name in Eviction object');
    const options = readDeleteOptions(recordAt(body, 'deleteOptions'), isDryRunAsked);
    const pod = this.#registry.store.get(kinds.pods, namespace, name);
    if (!pod) throw refusal.notFound(kinds.pods, name);
    for (const webhook of this.webhooks) {
      const refused = webhook(pod, options.dryRun === true);
      if (refused) throw refused;
    }
    if (!this.#needsNoBudget(pod)) this.#chargeBudget(pod, options.dryRun === true);
    this.#remove(pod, options);
    return refusal.success(201);
  }

  /** A pod that serves nobody, or is going anyway, is disrupted no further. */
  #needsNoBudget(pod: PodObject): boolean {
    return isFinished(pod) || pod.status.phase === 'Pending' || pod.metadata.deletionTimestamp !== undefined;
  }

  #chargeBudget(pod: PodObject, isDryRun: boolean): void {
    const { store } = this.#registry;
    const budgets = store
      .inNamespace(kinds.budgets, pod.metadata.namespace ?? '')
      .filter(({ spec }) => spec.selector && matchesSelector(spec.selector, pod.metadata.labels ?? {}));
    if (budgets.length > 1) throw refusal.twoBudgets();
    const [budget] = budgets;
    if (!budget || isExemptAsUnready(pod, budget)) return;
    const { status } = budget;
    if ((status.observedGeneration ?? 0) < (budget.metadata.generation ?? 0)) {
      const message = `The disruption budget ${budget.metadata.name} is still being processed by the server.`;
      throw refusal.budgetViolated(message, 10);
    }
    if (status.disruptionsAllowed <= 0) {
      const { desiredHealthy, currentHealthy } = status;
      throw refusal.budgetViolated(
        `The disruption budget ${budget.metadata.name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
      );
    }
    if (isDryRun) return;
    const allowed = status.disruptionsAllowed - 1;
    store.replace(kinds.budgets, budget, {
      ...budget,
      status: {
        ...status,
        disruptedPods: { ...status.disruptedPods, [pod.metadata.name]: this.#registry.now() },
        disruptionsAllowed: allowed,
        ...(allowed === 0 && {
          conditions: withCondition(status.conditions, {
            type: 'DisruptionAllowed',
            status: 'False',
            observedGeneration: status.observedGeneration ?? 0,
            lastTransitionTime: this.#registry.now(),
            reason: 'InsufficientPods',
            message: '',
          }),
        }),
      },
    });
  }

  #remove(pod: PodObject, options: DeleteOptions): void {
    const { uid, name } = pod.metadata;
    if (options.uid !== undefined && options.uid !== uid) {
      throw refusal.failedPrecondition(kinds.pods, name, options.uid, uid);
    }
    if (options.dryRun === true) return;
    const isNew = pod.metadata.deletionTimestamp === undefined;
    const marked = this.#registry.setStatus(kinds.pods, pod, {
      ...pod.status,
      conditions: withCondition(pod.status.conditions, {
        type: 'DisruptionTarget',
        status: 'True',
        lastProbeTime: null,
        lastTransitionTime: this.#registry.now(),
        reason: 'EvictionByEvictionAPI',
        message: 'Eviction API: evicting',
      }),
    });
    if (isNew) this.acceptedByUid.set(uid, (this.acceptedByUid.get(uid) ?? 0) + 1);
    this.#registry.delete(kinds.pods, marked, { gracePeriodSeconds: options.gracePeriodSeconds });
  }
}

/** An unready pod may always go if its budget says so; by default only while the budget itself is healthy. */
function isExemptAsUnready(pod: PodObject, budget: BudgetObject): boolean {
  if (isPodReady(pod)) return false;
  if (budget.spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const { currentHealthy, desiredHealthy } = budget.status;
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy;
}

export function readDeleteOptions(body: unknown, isDryRun: boolean): DeleteOptions {
  const preconditions = recordAt(body, 'preconditions');
  const grace = numberAt(body, 'gracePeriodSeconds', -1);
  const dryRun = recordAt({ body }, 'body')['dryRun'];
  return {
    gracePeriodSeconds: grace < 0 ? undefined : grace,
    uid: textAt(preconditions, 'uid') || undefined,
    resourceVersion: textAt(preconditions, 'resourceVersion') || undefined,
    dryRun: isDryRun || (Array.isArray(dryRun) && dryRun.includes('All')),
  };
}
