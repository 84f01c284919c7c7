/**
 * The scheduler's filters that look beyond one node: with whom a pod has to be, from whom apart, how evenly spread; and
 * those about one node that are more than room: selectors, taints, volumes, host ports.
 *
 * Written apart from the planner's model of the same rules, and simply: looked up anew for every pod, so that each of the
 * two can find the other wrong.
 */
import { parsePod } from '../../../cluster/parse.ts';
import { doPortsCollide, isWantedNode, matchesNodeTerms, matchesPodTerm } from '../../../cluster/placement.ts';
import type { PodTerm, SpreadRule } from '../../../cluster/placement.ts';
import type { PodView } from '../../../cluster/pod.ts';
import { isTolerated, matchesSelector } from '../../../cluster/scheduling.ts';
import { parseClaim, parseVolume } from '../../../cluster/storage.ts';
import { kinds } from '../kinds.ts';
import { isFinished, type NodeObject, type PodObject } from '../objects.ts';
import type { Context } from './context.ts';

/** Objects are values, so what was read from one stays true. */
const views = new WeakMap<PodObject, PodView>();

function viewOf(pod: PodObject): PodView {
  const known = views.get(pod);
  if (known) return known;
  const view = parsePod(pod);
  views.set(pod, view);
  return view;
}

type Bound = Pick<PodView, 'namespace' | 'labels' | 'node' | 'leaving'>;

const unschedulableTaint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

function isTaintTolerated(pod: PodView, { spec }: NodeObject): boolean {
  if (spec.unschedulable === true && !isTolerated(unschedulableTaint, pod.tolerations)) return false;
  return (spec.taints ?? []).every(
    (taint) => taint.effect === 'PreferNoSchedule' || isTolerated(taint, pod.tolerations),
  );
}

function placeOf({ metadata }: NodeObject): { name: string; labels: Readonly<Record<string, string>> } {
  return { name: metadata.name, labels: metadata.labels ?? {} };
}

/** Everything that keeps one pod from some nodes, as the cluster is at this moment. */
export class Rules {
  readonly #context: Context;
  readonly #pod: PodView;
  /** One for each rule about other pods: whether it lets the pod onto a node. */
  readonly #company: readonly ((node: NodeObject) => boolean)[];

  /** `repelling`: all bound pods that have anti-affinity of their own. */
  constructor(context: Context, pod: PodObject, repelling: Iterable<PodObject>) {
    this.#context = context;
    this.#pod = viewOf(pod);
    const { apart, together, spread } = this.#pod.placement;
    const isAlone = apart.length + together.length + spread.length === 0;
    const bound = isAlone ? [] : this.#bound();
    this.#company = [
      ...apart.map((term) => this.#apart(term, bound)),
      ...together.map((term) => this.#together(term, bound)),
      ...spread.map((rule) => this.#spread(rule, bound)),
      ...[...repelling].flatMap((other) => this.#repelled(viewOf(other))),
    ];
  }

  allows(node: NodeObject): boolean {
    return (
      isTaintTolerated(this.#pod, node) &&
      isWantedNode(this.#pod.placement, placeOf(node)) &&
      this.#areVolumesReached(node) &&
      this.#arePortsFree(node) &&
      this.#company.every((lets) => lets(node))
    );
  }

  /** No more of each than is asked for: there may be thousands. */
  #bound(): Bound[] {
    return this.#context.store.list(kinds.pods).flatMap((pod) => {
      const node = pod.spec.nodeName;
      if (node === undefined || isFinished(pod)) return [];
      const { namespace = '', labels = {}, deletionTimestamp } = pod.metadata;
      return [{ namespace, labels, node, leaving: deletionTimestamp !== undefined }];
    });
  }

  #domainOf(node: string, key: string): string | undefined {
    return this.#context.store.get(kinds.nodes, undefined, node)?.metadata.labels?.[key];
  }

  /** The domains where pods are that the term of a pod in `namespace` speaks of. */
  #domains(term: PodTerm, bound: readonly Bound[]): Set<string> {
    const labelsOf = (name: string) =>
      this.#context.store.get(kinds.namespaces, undefined, name)?.metadata.labels ?? {};
    const meant = bound.filter((other) => matchesPodTerm(term, this.#pod.namespace, other, labelsOf));
    return new Set(meant.flatMap(({ node }) => this.#domainOf(node, term.topologyKey) ?? []));
  }

  #apart(term: PodTerm, bound: readonly Bound[]): (node: NodeObject) => boolean {
    const taken = this.#domains(term, bound);
    return ({ metadata }) => !taken.has(metadata.labels?.[term.topologyKey] ?? '');
  }

  #together(term: PodTerm, bound: readonly Bound[]): (node: NodeObject) => boolean {
    const near = this.#domains(term, bound);
    const isFirst = near.size === 0 && matchesPodTerm(term, this.#pod.namespace, this.#pod, () => ({}));
    return ({ metadata }) => isFirst || near.has(metadata.labels?.[term.topologyKey] ?? '');
  }

  #repelled(other: PodView): ((node: NodeObject) => boolean)[] {
    const labelsOf = (name: string) =>
      this.#context.store.get(kinds.namespaces, undefined, name)?.metadata.labels ?? {};
    const against = other.placement.apart.filter((term) => matchesPodTerm(term, other.namespace, this.#pod, labelsOf));
    return against.map(({ topologyKey }) => {
      const domain = this.#domainOf(other.node, topologyKey);
      return ({ metadata }) => domain === undefined || metadata.labels?.[topologyKey] !== domain;
    });
  }

  #spread(rule: SpreadRule, bound: readonly Bound[]): (node: NodeObject) => boolean {
    const { topologyKey, selector, maxSkew, minDomains, honoursAffinity, honoursTaints } = rule;
    const nodes = this.#context.store.list(kinds.nodes).filter((node) => {
      const isIn = !honoursAffinity || isWantedNode(this.#pod.placement, placeOf(node));
      return isIn && (!honoursTaints || isTaintTolerated(this.#pod, node));
    });
    const counts = new Map<string, number>();
    const eligible = new Set(nodes.map(({ metadata }) => metadata.name));
    for (const { metadata } of nodes) {
      const domain = metadata.labels?.[topologyKey];
      if (domain !== undefined) counts.set(domain, 0);
    }
    for (const other of bound) {
      const domain = this.#domainOf(other.node, topologyKey);
      const isCounted = !other.leaving && other.namespace === this.#pod.namespace && eligible.has(other.node);
      if (domain === undefined || !isCounted || !matchesSelector(selector, other.labels)) continue;
      counts.set(domain, (counts.get(domain) ?? 0) + 1);
    }
    const lowest = counts.size < minDomains ? 0 : Math.min(...counts.values());
    const own = matchesSelector(selector, this.#pod.labels) ? 1 : 0;
    return ({ metadata }) => {
      const domain = metadata.labels?.[topologyKey];
      return domain !== undefined && (counts.get(domain) ?? 0) + own - lowest <= maxSkew;
    };
  }

  #areVolumesReached(node: NodeObject): boolean {
    const { store } = this.#context;
    return this.#pod.volumes.every(({ claim }) => {
      const object =
        claim === undefined ? undefined : store.get(kinds.persistentVolumeClaims, this.#pod.namespace, claim);
      const volume = object && store.get(kinds.persistentVolumes, undefined, parseClaim(object).volume);
      const terms = volume && parseVolume(volume).nodeTerms;
      return !terms || matchesNodeTerms(terms, placeOf(node));
    });
  }

  #arePortsFree(node: NodeObject): boolean {
    const { hostPorts } = this.#pod.placement;
    if (hostPorts.length === 0) return true;
    const others = [...this.#context.pods.onNode(node.metadata.name).values()].filter((other) => !isFinished(other));
    const taken = others.flatMap((other) => viewOf(other).placement.hostPorts);
    return !hostPorts.some((port) => taken.some((other) => doPortsCollide(port, other)));
  }
}
