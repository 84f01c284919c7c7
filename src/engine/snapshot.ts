/**
 * A snapshot: everything that a plan needs to know of the world, in one file, so that it can be planned and rehearsed
 * without a daemon and without a cluster. Of secrets it holds references alone; the cluster's objects are scrubbed.
 *
 * It is read here as what it may be, a file that somebody gave us: what does not have the form is refused.
 */
import { z } from 'zod';
import { isRecord, recordAt, textAt, type JsonRecord } from '../cluster/json.ts';
import { parseBudget, parseNode, parsePod } from '../cluster/parse.ts';
import { objectKinds, scrub, type ClusterObjects, type ObjectKind } from '../cluster/scrub.ts';
import { parseClaim, parseVolume } from '../cluster/storage.ts';
import { parseNamespace, type ClusterView } from '../cluster/view.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { InventoryServer } from '../spec/inventory.ts';
import type { LearnedTimes } from '../planner/times.ts';
import type { Documents } from '../ports/documents.ts';
import type { MeasuredTimes } from './measured-times.ts';
import type { EngineWorld } from './world.ts';

/** Counted up where a file of before could be misread. */
const format = 1;

export interface Snapshot {
  readonly apiVersion: 'pitcrew.dev/v1';
  readonly kind: 'Snapshot';
  readonly format: typeof format;
  /** When it was taken, in milliseconds since 1970. */
  readonly takenMs: number;
  /** Version of the Kubernetes API. */
  readonly kubernetes: string;
  readonly servers: readonly InventoryServer[];
  readonly objects: ClusterObjects;
  /** What was measured in earlier runs, by playbook. */
  readonly learned: Readonly<Record<string, LearnedTimes>>;
}

const takeMs = 100_000;

export async function takeSnapshot(
  { cluster, clock }: Pick<EngineWorld, 'cluster' | 'clock'>,
  { servers, playbooks }: Pick<Documents, 'servers' | 'playbooks'>,
  times: MeasuredTimes,
): Promise<Snapshot> {
  const signal = AbortSignal.timeout(takeMs);
  const [kubernetes, objects] = [await cluster.version(signal), await cluster.readObjects(signal)];
  const learned: Record<string, LearnedTimes> = {};
  for (const { metadata } of playbooks) learned[metadata.name] = await times.ofPlaybook(metadata.name);
  return {
    apiVersion: 'pitcrew.dev/v1',
    kind: 'Snapshot',
    format,
    takenMs: clock.nowMs(),
    kubernetes,
    servers,
    objects,
    learned,
  };
}

export function viewOfSnapshot({ objects }: Snapshot): ClusterView {
  return {
    nodes: objects.nodes.map(parseNode),
    pods: objects.pods.map(parsePod),
    budgets: objects.budgets.map(parseBudget),
    claims: objects.claims.map(parseClaim),
    volumes: objects.volumes.map(parseVolume),
    namespaces: objects.namespaces.map(parseNamespace),
  };
}

// Looked at and not copied, for there are thousands.
const ApiObject = z.custom<ApiObject>(
  (value) => textAt(recordAt(value, 'metadata'), 'name') !== '',
  'it has no metadata.name',
);
type ApiObject = JsonRecord & { readonly metadata: { readonly name: string } };
const PodSpec = z.custom(isPodSpec, 'containers: not a list in which each has a name');
const WorkloadSpec = z.custom(
  (value) => isRecord(value) && isRecord(value['selector']) && isPodSpec(recordAt(value, 'template')['spec']),
  'not a workload with a selector and the template of a pod',
);

function isPodSpec(value: unknown): boolean {
  const containers = isRecord(value) ? value['containers'] : undefined;
  return Array.isArray(containers) && containers.every((one) => isRecord(one) && typeof one['name'] === 'string');
}

/** What the twin relies on; views read what is missing as empty. */
const specOf: Partial<Record<ObjectKind, z.ZodType>> = {
  pods: PodSpec,
  deployments: WorkloadSpec,
  replicaSets: WorkloadSpec,
  statefulSets: WorkloadSpec,
  daemonSets: WorkloadSpec,
};

const Server = z.looseObject({
  name: z.string().min(1),
  node: z.string().min(1),
  address: z.string(),
  labels: z.record(z.string(), z.string()),
  site: z.string(),
  ssh: z.looseObject({}),
  bmc: z.looseObject({}),
});

const Quantiles = z.object({ p50Ms: z.number(), p95Ms: z.number(), measured: z.number() });
const Learned = z.object({
  groups: z.record(z.string(), Quantiles.extend({ steps: z.record(z.string(), Quantiles) })),
  movers: z.record(z.string(), Quantiles),
});

const File = z.looseObject({
  learned: z.record(z.string(), Learned),
  takenMs: z.number(),
  kubernetes: z.string(),
  servers: z.array(Server),
  objects: z.record(z.enum(objectKinds as [ObjectKind, ...ObjectKind[]]), z.array(ApiObject)),
});

/** @throws `document/invalid` with what is wrong with it; `name` is the file's */
export function parseSnapshot(text: string, name: string): Snapshot {
  const value = parseHead(text, name);
  const parsed = File.safeParse(value);
  if (!parsed.success) throw invalid(name, `it is damaged: ${problemOf(parsed.error)}`);
  for (const kind of objectKinds) {
    for (const object of parsed.data.objects[kind]) {
      const spec = specOf[kind]?.safeParse(object['spec']);
      if (spec?.error) throw invalid(name, `it is damaged: ${kind} ${object.metadata.name}: ${problemOf(spec.error)}`);
    }
  }
  const { takenMs, kubernetes, servers, learned } = parsed.data;
  const objects = Object.fromEntries(
    objectKinds.map((kind) => [kind, parsed.data.objects[kind].map((object) => scrub(kind, object))]),
  ) as unknown as ClusterObjects;
  // Of the servers only what the documents allow was ever written; that they are servers was just looked at.
  const inventory = servers as unknown as readonly InventoryServer[];
  return {
    apiVersion: 'pitcrew.dev/v1',
    kind: 'Snapshot',
    format,
    takenMs,
    kubernetes,
    servers: inventory,
    objects,
    learned,
  };
}

function parseHead(text: string, name: string): unknown {
  const Head = z.looseObject({ apiVersion: z.literal('pitcrew.dev/v1'), kind: z.literal('Snapshot'), format: z.int() });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid(name, 'it is no JSON; `pitcrew snapshot FILE` makes one');
  }
  const head = Head.safeParse(value);
  if (!head.success) throw invalid(name, 'it is no snapshot; `pitcrew snapshot FILE` makes one');
  if (head.data.format !== format) {
    throw invalid(name, `it has format ${head.data.format}, this version reads ${format}; take a new one`);
  }
  return value;
}

function invalid(name: string, what: string): MaintenanceError {
  return new MaintenanceError('document/invalid', 'halt', `${name} cannot be used as a snapshot: ${what}`);
}

function problemOf(error: z.ZodError): string {
  const [issue] = error.issues;
  return issue ? [issue.path.join('.'), issue.message].filter((part) => part !== '').join(': ') : 'it has another form';
}
