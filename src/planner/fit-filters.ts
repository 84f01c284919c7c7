/**
 * The filters of the capacity model: may this pod run on that node now, and if not, why not. One function decides both
 * the placing and the explaining, so that no reason is given that was not the reason.
 */
import { podKey } from '../cluster/pod.ts';
import { doPortsCollide } from '../cluster/placement.ts';
import type { PodClass } from './fit-classes.ts';
import type { FitNodes } from './fit-nodes.ts';

/** Host ports taken, by node. */
export type PortsTaken = ReadonlyMap<number, readonly string[]>;

/**
 * What keeps a pod off an open node, `undefined` for nothing. In the words of "12 of 40 servers …"; what holds whatever
 * else runs there comes first, so that "lacks memory" is only said of nodes that it could run on.
 */
export function hindrance(nodes: FitNodes, one: PodClass, node: number, ports: PortsTaken): string | undefined {
  if (!one.where.isAllowed(node)) {
    return one.where.isTaintedAway(node)
      ? 'have a taint that it does not tolerate'
      : 'are not what its node affinity asks for';
  }
  if (one.reach && !one.reach.isReached(node)) return 'cannot reach its volume';
  return shortage(nodes, one, node) ?? clash(one, node, ports) ?? company(one, node);
}

function shortage(nodes: FitNodes, { sample, others }: PodClass, node: number): string | undefined {
  const { cpuMillis, memoryBytes } = sample.requests;
  if ((nodes.podsFree[node] ?? 0) < 1) return 'have as many pods as they may';
  // What a pod does not ask for it does not lack, however overbooked the node is.
  if (memoryBytes > 0 && (nodes.memoryFree[node] ?? 0) < memoryBytes) return 'lack memory';
  if (cpuMillis > 0 && (nodes.cpuFree[node] ?? 0) < cpuMillis) return 'lack CPU';
  for (const { name, free, amount } of others) {
    if ((free[node] ?? 0) < amount) return `lack ${name}`;
  }
  return undefined;
}

function clash({ hostPorts }: PodClass, node: number, ports: PortsTaken): string | undefined {
  if (hostPorts.length === 0) return undefined;
  const taken = ports.get(node) ?? [];
  const doCollide = hostPorts.some((one) => taken.some((other) => doPortsCollide(one, other)));
  return doCollide ? 'have its host port taken' : undefined;
}

/** What the pods that are there, or near, have to say. */
function company({ apart, repelledBy, together, spread }: PodClass, node: number): string | undefined {
  for (const { term, count } of apart) {
    if (count.near(node) > 0) return `are forbidden by its anti-affinity over ${term.topologyKey}`;
  }
  for (const { term, count } of repelledBy) {
    if (count.near(node) > 0) return `are forbidden by the anti-affinity of others over ${term.topologyKey}`;
  }
  for (const { count, countsItself } of together) {
    const isFirst = count.total === 0 && countsItself;
    if (!isFirst && count.near(node) === 0) return 'are away from the pods that it has to be with';
  }
  for (const { rule, count, countsItself } of spread) {
    if (count.isTooMany(node, countsItself)) return `are forbidden by its spread over ${rule.topologyKey}`;
  }
  return undefined;
}

/** `shop/web-3 (250m CPU, 4 GiB) fits nowhere: of 14 open servers 12 lack memory, 2 are …`. */
export function explainNowhere(nodes: FitNodes, one: PodClass, pod: PodClass['sample'], ports: PortsTaken): string {
  const causes = new Map<string, number>();
  let open = 0;
  for (let node = 0; node < nodes.count; node += 1) {
    if (nodes.open[node] !== 1) continue;
    open += 1;
    const cause = hindrance(nodes, one, node, ports) ?? 'would take it';
    causes.set(cause, (causes.get(cause) ?? 0) + 1);
  }
  const who = `${podKey(pod)} (${sizeText(pod)})`;
  if (open === 0) return `${who} fits nowhere: no other server is open`;
  const counted = [...causes].sort(([a, some], [b, more]) => more - some || (a < b ? -1 : 1));
  const texts = counted.map(([cause, count]) => `${count} ${cause}`);
  return `${who} fits nowhere: of ${open} open servers ${texts.join(', ')}`;
}

function sizeText({ requests: { cpuMillis, memoryBytes, others } }: PodClass['sample']): string {
  const cpu = cpuMillis % 1_000 === 0 ? `${cpuMillis / 1_000}` : `${cpuMillis}m`;
  const more = Object.entries(others).map(([name, amount]) => `, ${amount} ${name}`);
  return `${cpu} CPU, ${bytesText(memoryBytes)} memory${more.join('')}`;
}

function bytesText(bytes: number): string {
  if (bytes === 0) return 'no';
  if (bytes < 2 ** 30) return `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return `${Number((bytes / 2 ** 30).toFixed(1))} GiB`;
}
