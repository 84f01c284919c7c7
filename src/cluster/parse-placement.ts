/**
 * What a pod's spec says about where it may run, into `PlacementRules`. Pure.
 *
 * Pods of one template get one and the same object: the rules are looked up by their text, and parsed once.
 */
import { isRecord, listAt, numberAt, optionalTextAt, recordAt, textAt, textsAt } from './json.ts';
import { anywhere, ownSelector, type NodeRequirement, type NodeTerm, type PlacementRules } from './placement.ts';
import type { PodTerm, SpreadRule } from './placement.ts';
import { nothingSelector, type LabelSelector, type SelectorRequirement, type Toleration } from './scheduling.ts';

/** More different ones than this are not remembered at once; forgetting them costs memory and nothing else. */
const rememberedMax = 20_000;

/** One object for everything that reads the same. */
class Shared<T> {
  readonly #known = new Map<string, T>();

  get(source: unknown, make: () => T): T {
    const key = JSON.stringify(source);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    if (this.#known.size >= rememberedMax) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }
}

const sharedRules = new Shared<PlacementRules>();
const sharedTolerations = new Shared<readonly Toleration[]>();

export function parseTolerations(tolerations: readonly unknown[]): readonly Toleration[] {
  return sharedTolerations.get(tolerations, () =>
    tolerations.map((toleration) => ({
      key: optionalTextAt(toleration, 'key'),
      operator: optionalTextAt(toleration, 'operator'),
      value: optionalTextAt(toleration, 'value'),
      effect: optionalTextAt(toleration, 'effect'),
    })),
  );
}

type Texts = Readonly<Record<string, string>>;

export function parsePlacement(spec: unknown, labels: Texts, wasSent: boolean): PlacementRules {
  const nodeSelector = ownSelector(textsAt(spec, 'nodeSelector'), wasSent);
  const affinity = recordAt(spec, 'affinity');
  const constraints = listAt(spec, 'topologySpreadConstraints').filter(isHard);
  const hostPorts = hostPortsOf(spec);
  const sources = [nodeSelector, affinity];
  if (constraints.length + hostPorts.length + sources.reduce((sum, one) => sum + Object.keys(one).length, 0) === 0) {
    return anywhere;
  }
  const spread = constraints.map((constraint) => withLabelKeys(constraint, labels));
  return sharedRules.get([nodeSelector, affinity, spread, hostPorts], () => {
    const required = 'requiredDuringSchedulingIgnoredDuringExecution';
    const node = recordAt(affinity, 'nodeAffinity')[required];
    return {
      nodeSelector,
      nodeTerms: isRecord(node) ? listAt(node, 'nodeSelectorTerms').map(parseNodeTerm) : undefined,
      together: listAt(recordAt(affinity, 'podAffinity'), required).map(parsePodTerm),
      apart: listAt(recordAt(affinity, 'podAntiAffinity'), required).map(parsePodTerm),
      spread: spread.map(parseSpread),
      hostPorts,
    };
  });
}

/** `DoNotSchedule` is the default of the API, and written out by it. */
function isHard(constraint: unknown): boolean {
  return textAt(constraint, 'whenUnsatisfiable') !== 'ScheduleAnyway';
}

export function parseNodeTerm(term: unknown): NodeTerm {
  return {
    labels: listAt(term, 'matchExpressions').map(parseRequirement),
    fields: listAt(term, 'matchFields').map(parseRequirement),
  };
}

function parseRequirement(requirement: unknown): NodeRequirement {
  return {
    key: textAt(requirement, 'key'),
    operator: textAt(requirement, 'operator') as NodeRequirement['operator'],
    values: listAt(requirement, 'values').filter((value): value is string => typeof value === 'string'),
  };
}

/** A selector that is missing altogether selects nothing, unlike an empty one. */
export function parseSelector(selector: unknown): LabelSelector {
  if (!isRecord(selector)) return nothingSelector;
  return {
    matchLabels: textsAt(selector, 'matchLabels'),
    matchExpressions: listAt(selector, 'matchExpressions') as readonly SelectorRequirement[],
  };
}

function parsePodTerm(term: unknown): PodTerm {
  const namespaceSelector = isRecord(term) ? term['namespaceSelector'] : undefined;
  return {
    topologyKey: textAt(term, 'topologyKey'),
    selector: parseSelector(isRecord(term) ? term['labelSelector'] : undefined),
    namespaces: listAt(term, 'namespaces').filter((name): name is string => typeof name === 'string'),
    namespaceSelector: isRecord(namespaceSelector) ? parseSelector(namespaceSelector) : undefined,
  };
}

function parseSpread(constraint: unknown): SpreadRule {
  return {
    topologyKey: textAt(constraint, 'topologyKey'),
    maxSkew: numberAt(constraint, 'maxSkew', 1),
    minDomains: numberAt(constraint, 'minDomains', 1),
    selector: parseSelector(isRecord(constraint) ? constraint['labelSelector'] : undefined),
    honoursAffinity: textAt(constraint, 'nodeAffinityPolicy') !== 'Ignore',
    honoursTaints: textAt(constraint, 'nodeTaintsPolicy') === 'Honor',
  };
}

/**
 * `matchLabelKeys` means "those with the same value of this label as I have" (KEP-3243). Newer API servers write the
 * values into the selector themselves; saying it twice does no harm.
 */
function withLabelKeys(constraint: unknown, labels: Texts): unknown {
  const keys = listAt(constraint, 'matchLabelKeys').filter((key): key is string => typeof key === 'string');
  const same = keys.flatMap((key) => (key in labels ? [{ key, operator: 'In', values: [labels[key]] }] : []));
  if (!isRecord(constraint) || same.length === 0) return constraint;
  const selector = recordAt(constraint, 'labelSelector');
  const matchExpressions = [...listAt(selector, 'matchExpressions'), ...same];
  return { ...constraint, labelSelector: { ...selector, matchExpressions } };
}

function hostPortsOf(spec: unknown): string[] {
  const ports: string[] = [];
  for (const containers of ['containers', 'initContainers']) {
    for (const container of listAt(spec, containers)) {
      for (const port of listAt(container, 'ports')) {
        const hostPort = numberAt(port, 'hostPort');
        if (hostPort <= 0) continue;
        ports.push(`${textAt(port, 'protocol') || 'TCP'} ${textAt(port, 'hostIP') || '0.0.0.0'} ${hostPort}`);
      }
    }
  }
  return ports.sort();
}
