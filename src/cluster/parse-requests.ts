/** What a pod asks of a node, by the rules of the scheduler (`k8s.io/component-helpers/resource`). Pure. */
import { listAt, recordAt, textAt, type JsonRecord } from './json.ts';
import { cpuMillisOf, memoryBytesOf } from './quantity.ts';
import { noOthers, type Resources } from './resources.ts';

/** An init container that is not waited for, and runs on beside the others. */
export function isSidecar(initContainer: unknown): boolean {
  return textAt(initContainer, 'restartPolicy') === 'Always';
}

/**
 * Containers and sidecars together; or, if that is more, an init container with the sidecars that started before it;
 * plus overhead. Requests of the pod as a whole (KEP-2837) take the place of the sum.
 */
export function parseRequests(spec: unknown): Resources {
  const sum: Amounts = new Map();
  const sidecars: Amounts = new Map();
  const highest: Amounts = new Map();
  for (const container of listAt(spec, 'initContainers')) {
    const asked = requestsOf(container);
    if (isSidecar(container)) {
      addTo(sidecars, asked);
      continue;
    }
    const together: Amounts = new Map(sidecars);
    addTo(together, asked);
    raiseTo(highest, together);
  }
  for (const container of listAt(spec, 'containers')) addTo(sum, requestsOf(container));
  addTo(sum, sidecars);
  raiseTo(sum, highest);
  for (const [name, value] of requestsOf(spec)) sum.set(name, value);
  addTo(sum, amountsOf(recordAt(spec, 'overhead')));
  return resourcesOf(sum);
}

/** What a node has for pods: CPU in millicores, everything else in its own unit. */
export function parseResources(record: JsonRecord): Resources {
  return resourcesOf(amountsOf(record));
}

type Amounts = Map<string, number>;

function amountsOf(record: JsonRecord): Amounts {
  const amounts: Amounts = new Map();
  for (const name of Object.keys(record)) {
    amounts.set(name, name === 'cpu' ? cpuMillisOf(record[name]) : memoryBytesOf(record[name]));
  }
  return amounts;
}

/** A limit without a request is the request; the API fills that in, older objects may not have it. */
function requestsOf(container: unknown): Amounts {
  const resources = recordAt(container, 'resources');
  const amounts = amountsOf(recordAt(resources, 'requests'));
  for (const [name, value] of amountsOf(recordAt(resources, 'limits'))) {
    if (!amounts.has(name)) amounts.set(name, value);
  }
  return amounts;
}

function addTo(sum: Amounts, more: Amounts): void {
  for (const [name, value] of more) sum.set(name, (sum.get(name) ?? 0) + value);
}

function raiseTo(amounts: Amounts, least: Amounts): void {
  for (const [name, value] of least) amounts.set(name, Math.max(amounts.get(name) ?? 0, value));
}

function resourcesOf(amounts: Amounts): Resources {
  const others = [...amounts].filter(([name, value]) => name !== 'cpu' && name !== 'memory' && value > 0);
  return {
    cpuMillis: amounts.get('cpu') ?? 0,
    memoryBytes: amounts.get('memory') ?? 0,
    others: others.length === 0 ? noOthers : Object.fromEntries(others.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}
