/**
 * Pods that are alike for the scheduler, as one class: what it asks for, where it may run, and which counts it changes
 * or depends on. 150,000 pods come from some hundred templates; everything costly is done once for a class.
 */
import { isWantedNode, matchesNodeTerms, matchesPodTerm } from '../cluster/placement.ts';
import type { NodeTerm, PlacementRules, PodTerm, SpreadRule } from '../cluster/placement.ts';
import type { PodView } from '../cluster/pod.ts';
import { isTolerated, matchesSelector, type LabelSelector } from '../cluster/scheduling.ts';
import type { ClusterView } from '../cluster/view.ts';
import { FitClaims } from './fit-claims.ts';
import { DomainCount, SpreadCount, type Count } from './fit-counts.ts';
import { claimKeysOf, keyOfPod, numberOf, ruleKey } from './fit-keys.ts';
import { isWall, type FitNodes } from './fit-nodes.ts';

/** Other pods that have to be near; where there are none at all, the first of them may be anywhere. */
interface Together {
  readonly count: DomainCount;
  readonly countsItself: boolean;
}

interface Spread {
  readonly rule: SpreadRule;
  readonly count: SpreadCount;
  readonly countsItself: boolean;
}

export interface PodClass {
  readonly sample: PodView;
  readonly others: readonly { readonly name: string; readonly free: Float64Array; readonly amount: number }[];
  readonly where: Where;
  /** Nodes from which its volumes can be reached. */
  readonly reach: Reach | undefined;
  readonly hostPorts: readonly string[];
  readonly apart: readonly { readonly term: PodTerm; readonly count: DomainCount }[];
  /** Pods whose anti-affinity speaks of this class. */
  readonly repelledBy: readonly { readonly term: PodTerm; readonly count: DomainCount }[];
  readonly together: readonly Together[];
  readonly spread: readonly Spread[];
  /** One more or less with every pod that comes or goes. */
  readonly counted: readonly Count[];
}

/** Taints, selector and node affinity: what one node allows regardless of what runs there. Looked at once per node. */
export class Where {
  readonly #nodes: FitNodes;
  readonly #pod: PodView;
  /** 0: not looked yet; 1: allowed; 2: kept off by a taint; 3: not wanted by the pod. */
  readonly #known: Uint8Array;

  constructor(nodes: FitNodes, pod: PodView) {
    this.#nodes = nodes;
    this.#pod = pod;
    this.#known = new Uint8Array(nodes.count);
  }

  isAllowed(node: number): boolean {
    return this.#look(node) === 1;
  }

  isTaintedAway(node: number): boolean {
    return this.#look(node) === 2;
  }

  isWanted(node: number): boolean {
    return isWantedNode(this.#pod.placement, this.#nodes.at(node));
  }

  isTolerated(node: number): boolean {
    return !this.#nodes.at(node).taints.some((taint) => isWall(taint) && !isTolerated(taint, this.#pod.tolerations));
  }

  #look(node: number): number {
    const known = this.#known[node] ?? 0;
    if (known !== 0) return known;
    const seen = !this.isWanted(node) ? 3 : this.isTolerated(node) ? 1 : 2;
    this.#known[node] = seen;
    return seen;
  }
}

/** Nodes from which all volumes of a class can be reached; found out when it is first needed. */
export class Reach {
  readonly #nodes: FitNodes;
  readonly #volumes: readonly (readonly NodeTerm[])[];
  #reached: Uint8Array | undefined;

  constructor(nodes: FitNodes, volumes: readonly (readonly NodeTerm[])[]) {
    this.#nodes = nodes;
    this.#volumes = volumes;
  }

  isReached(node: number): boolean {
    this.#reached ??= Uint8Array.from(this.#nodes.views, (view) =>
      this.#volumes.every((terms) => matchesNodeTerms(terms, view)) ? 1 : 0,
    );
    return this.#reached[node] === 1;
  }
}

/** A term with the namespaces that it means, and who is counted for it. */
interface KnownTerm {
  readonly term: PodTerm;
  readonly namespace: string;
  /** Pods that the term speaks of. */
  readonly meant: DomainCount;
  /** Pods that have it as anti-affinity; left out: nobody has. */
  holders: DomainCount | undefined;
}

interface KnownSpread {
  readonly rule: SpreadRule;
  readonly count: SpreadCount;
}

/** Templates come and go; a model that has seen so many is better made anew. */
const classesMax = 20_000;

export class FitClasses {
  readonly #nodes: FitNodes;
  readonly #byKey = new Map<string, PodClass>();
  readonly #wheres = new Map<string, Where>();
  readonly #terms = new Map<string, KnownTerm>();
  /** By the namespace that they speak of; those that ask for labels of namespaces under the empty name. */
  readonly #termsOn = new Map<string, KnownTerm[]>();
  readonly #spreads = new Map<string, KnownSpread>();
  readonly #spreadsIn = new Map<string, KnownSpread[]>();
  /** Spreads for which a node that is closed is none. */
  readonly #honouring: SpreadCount[] = [];
  /** Labels that any selector asks for: all others make no difference. */
  readonly #labels: readonly string[];
  /** Every rule that any pod had in the beginning, by its key. */
  readonly #rules: ReadonlySet<string>;
  readonly #volumes: ReadonlyMap<string, readonly NodeTerm[]>;
  readonly #claims: FitClaims;
  readonly #namespaceLabels: ReadonlyMap<string, Readonly<Record<string, string>>>;

  /** `pods`: those that have to be placed, so that every rule is known before the first pod is counted. */
  constructor(nodes: FitNodes, view: Omit<ClusterView, 'budgets' | 'nodes'>) {
    this.#nodes = nodes;
    this.#namespaceLabels = new Map(view.namespaces.map(({ name, labels }) => [name, labels]));
    this.#volumes = new Map(view.volumes.flatMap(({ name, nodeTerms }) => (nodeTerms ? [[name, nodeTerms]] : [])));
    this.#claims = new FitClaims(nodes, view.claims);
    const firsts = new Map<string, PodView>();
    for (const pod of view.pods) {
      this.#claims.add(pod);
      if (hasRules(pod)) firsts.set(ruleKey(pod), pod);
    }
    this.#rules = new Set(firsts.keys());
    this.#labels = labelsOf([...firsts.values()].map(({ placement }) => placement));
    for (const pod of firsts.values()) for (const term of pod.placement.apart) this.#apartOf(term, pod.namespace);
    for (const pod of firsts.values()) {
      for (const term of pod.placement.together) this.#termOf(term, pod.namespace);
      for (const rule of pod.placement.spread) this.#spreadOf(rule, pod);
    }
  }

  classOf(pod: PodView): PodClass {
    const key = this.#keyOf(pod);
    const known = this.#byKey.get(key);
    if (known) return known;
    const made = this.#make(pod);
    this.#byKey.set(key, made);
    return made;
  }

  /** One more pod; `false`: it brings a rule that the classes were not made for. */
  admit(pod: PodView): boolean {
    const isKnown = !hasRules(pod) || this.#rules.has(ruleKey(pod));
    return isKnown && this.#byKey.size <= classesMax && this.#claims.add(pod);
  }

  /** One pod less; `false`: the classes of others are not what they were. */
  dismiss(pod: PodView): boolean {
    return this.#claims.remove(pod);
  }

  /** After a node was opened or closed. */
  noteStates(): void {
    for (const count of this.#honouring) count.refresh();
  }

  #keyOf(pod: PodView): string {
    let key = keyOfPod(pod);
    for (const label of this.#labels) key += `\u0000${pod.labels[label] ?? '\u0001'}`;
    for (const claim of claimKeysOf(pod)) {
      const known = this.#claims.get(claim);
      if (known?.shared || this.#volumes.has(known?.volume ?? '')) key += `\u0002${claim}`;
    }
    return key;
  }

  #make(pod: PodView): PodClass {
    const { placement, requests, namespace } = pod;
    const near = [...(this.#termsOn.get(namespace) ?? []), ...(this.#termsOn.get('') ?? [])];
    const meaning = [...new Set(near)].filter((one) => this.#isMeant(one, pod));
    const own = placement.apart.map((term) => this.#apartOf(term, namespace));
    const claims = claimKeysOf(pod).flatMap((claim) => this.#claims.get(claim) ?? []);
    const shared = claims.flatMap((claim) => claim.shared ?? []);
    const reached = claims.flatMap(({ volume }) =>
      [this.#volumes.get(volume) ?? []].filter(({ length }) => length > 0),
    );
    const together = placement.together.map((term): Together => {
      const one = this.#termOf(term, namespace);
      return { count: one.meant, countsItself: this.#isMeant(one, pod) };
    });
    const spread = placement.spread.map((rule): Spread => {
      const { count } = this.#spreadOf(rule, pod);
      return { rule, count, countsItself: matchesSelector(rule.selector, pod.labels) };
    });
    const spreading = (this.#spreadsIn.get(namespace) ?? []).filter(({ rule }) =>
      matchesSelector(rule.selector, pod.labels),
    );
    return {
      sample: pod,
      others: Object.entries(requests.others).map(([name, amount]) => ({
        name,
        amount,
        free: this.#nodes.othersFree(name),
      })),
      where: this.#whereOf(pod),
      reach: reached.length > 0 ? new Reach(this.#nodes, reached) : undefined,
      hostPorts: placement.hostPorts,
      apart: own.map(({ term, meant }) => ({ term, count: meant })),
      repelledBy: meaning
        .flatMap(({ term, holders }) => (holders ? [{ term, count: holders }] : []))
        .sort((a, b) => (a.term.topologyKey < b.term.topologyKey ? -1 : 1)),
      together: [...together, ...shared.map((count) => ({ count, countsItself: true }))],
      spread,
      counted: [
        ...meaning.map(({ meant }) => meant),
        ...own.flatMap(({ holders }) => holders ?? []),
        ...spreading.map(({ count }) => count),
        ...shared,
      ],
    };
  }

  #isMeant({ term, namespace }: KnownTerm, pod: PodView): boolean {
    return matchesPodTerm(term, namespace, pod, (name) => this.#namespaceLabels.get(name) ?? {});
  }

  #whereOf(pod: PodView): Where {
    const { nodeSelector, nodeTerms } = pod.placement;
    // Most pods say nothing about nodes, whatever else they say: one look at every node is enough for all of them.
    const wanted = nodeTerms || Object.keys(nodeSelector).length > 0 ? JSON.stringify([nodeSelector, nodeTerms]) : '';
    const key = `${numberOf(pod.tolerations)} ${wanted}`;
    const known = this.#wheres.get(key);
    if (known) return known;
    const made = new Where(this.#nodes, pod);
    this.#wheres.set(key, made);
    return made;
  }

  #termOf(term: PodTerm, namespace: string): KnownTerm {
    const isOwn = term.namespaces.length === 0 && term.namespaceSelector === undefined;
    const key = JSON.stringify([isOwn ? namespace : '', term]);
    const known = this.#terms.get(key);
    if (known) return known;
    const topology = this.#nodes.topology(term.topologyKey);
    const made: KnownTerm = { term, namespace, meant: new DomainCount(topology), holders: undefined };
    this.#terms.set(key, made);
    const names = isOwn ? [namespace] : [...term.namespaces, ...(term.namespaceSelector ? [''] : [])];
    for (const name of names) addTo(this.#termsOn, name, made);
    return made;
  }

  #apartOf(term: PodTerm, namespace: string): KnownTerm {
    const one = this.#termOf(term, namespace);
    one.holders ??= new DomainCount(one.meant.topology);
    return one;
  }

  #spreadOf(rule: SpreadRule, pod: PodView): KnownSpread {
    const where = this.#whereOf(pod);
    const key = `${pod.namespace} ${numberOf(where)} ${JSON.stringify(rule)}`;
    const known = this.#spreads.get(key);
    if (known) return known;
    const { open } = this.#nodes;
    const count = new SpreadCount(this.#nodes, this.#nodes.topology(rule.topologyKey), {
      maxSkew: rule.maxSkew,
      minDomains: rule.minDomains,
      isEligible: (node) =>
        (!rule.honoursAffinity || where.isWanted(node)) &&
        (!rule.honoursTaints || (open[node] === 1 && where.isTolerated(node))),
    });
    if (rule.honoursTaints) this.#honouring.push(count);
    const made = { rule, count };
    this.#spreads.set(key, made);
    addTo(this.#spreadsIn, pod.namespace, made);
    return made;
  }
}

function hasRules({ placement: { apart, together, spread } }: PodView): boolean {
  return apart.length + together.length + spread.length > 0;
}

function addTo<T>(lists: Map<string, T[]>, name: string, item: T): void {
  const list = lists.get(name);
  if (list) list.push(item);
  else lists.set(name, [item]);
}

function labelsOf(rules: readonly PlacementRules[]): string[] {
  const labels = new Set<string>();
  const note = ({ matchLabels, matchExpressions }: LabelSelector): void => {
    for (const key of Object.keys(matchLabels ?? {})) labels.add(key);
    for (const { key } of matchExpressions ?? []) labels.add(key);
  };
  for (const { apart, together, spread } of rules) {
    for (const { selector } of [...apart, ...together, ...spread]) note(selector);
  }
  return [...labels].sort();
}
