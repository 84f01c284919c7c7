/** Fleets of which a benchmark plans the maintenance: nodes and pods as an API server shows them, always the same ones. */
import { parseNode, parsePod } from '../../src/cluster/parse.ts';
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import type { ClusterView } from '../../src/cluster/view.ts';

const gib = 2 ** 30;

export interface Fleet {
  readonly title: string;
  readonly view: ClusterView;
  /** How many may be out of service by the plan. */
  readonly maxUnavailable: number;
}

interface Template {
  readonly app: string;
  readonly replicas: number;
  readonly memoryGib: number;
  readonly rule?: 'apart' | 'spread' | undefined;
}

function node(index: number, memoryGib: number): NodeView {
  const name = `server-${String(index).padStart(4, '0')}`;
  const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${index % 3}` };
  return parseNode({
    metadata: { name, labels },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      allocatable: { cpu: '32', memory: memoryGib * gib, pods: '110' },
    },
  });
}

function pod({ app, memoryGib, rule }: Template, replica: number, nodeName: string): PodView {
  const labelSelector = { matchLabels: { app } };
  const apart = { topologyKey: 'kubernetes.io/hostname', labelSelector };
  const spread = { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 2, labelSelector };
  return parsePod({
    metadata: {
      namespace: `team-${app.length % 7}-${Number(app.slice(4)) % 40}`,
      name: `${app}-${replica}`,
      uid: `${app}-${replica}`,
      labels: { app, 'pod-template-hash': 'x' },
      ownerReferences: [{ kind: 'ReplicaSet', name: app, uid: app, controller: true }],
    },
    spec: {
      nodeName,
      containers: [{ resources: { requests: { cpu: '500m', memory: memoryGib * gib } } }],
      tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }],
      ...(rule === 'apart' && {
        affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [apart] } },
      }),
      ...(rule === 'spread' && { topologySpreadConstraints: [{ ...spread, whenUnsatisfiable: 'DoNotSchedule' }] }),
    },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  });
}

/** Each replica on the emptiest server that has room and, where they keep apart, none of its like. */
function placed(nodes: readonly NodeView[], templates: readonly Template[]): PodView[] {
  const free = nodes.map(({ allocatable }) => allocatable.memoryBytes / gib);
  return templates.flatMap((template) => {
    const taken = new Set<number>();
    return Array.from({ length: template.replicas }, (_, replica) => {
      let best = -1;
      for (let index = 0; index < nodes.length; index += 1) {
        const isBetter = best < 0 || (free[index] ?? 0) > (free[best] ?? 0);
        if (isBetter && !(template.rule && taken.has(index))) best = index;
      }
      const chosen = nodes[best];
      if (!chosen || (free[best] ?? 0) < template.memoryGib)
        throw new Error(`${template.app} has no place to begin with`);
      free[best] = (free[best] ?? 0) - template.memoryGib;
      taken.add(best);
      return pod(template, replica, chosen.name);
    });
  });
}

function fleet(title: string, nodes: NodeView[], templates: readonly Template[], maxUnavailable: number): Fleet {
  const pods = placed(nodes, templates);
  return { title, maxUnavailable, view: { nodes, pods, budgets: [], claims: [], volumes: [], namespaces: [] } };
}

/** 36 pods of a fortieth each: nine tenths of every server, and a tenth to spare. */
export function spareFleet(): Fleet {
  const nodes = Array.from({ length: 100 }, (_, index) => node(index, 120));
  const templates = Array.from({ length: 90 }, (_, index) => ({ app: `app-${index}`, replicas: 40, memoryGib: 3 }));
  return fleet('100 servers, 10 % spare', nodes, templates, 10);
}

/** The same load in pods of 1 to 12 GiB, which pack less well. */
export function mixedFleet(): Fleet {
  const nodes = Array.from({ length: 100 }, (_, index) => node(index, 120));
  const sizes = [12, 8, 6, 4, 3, 2, 1];
  const templates = Array.from({ length: 105 }, (_, index) => ({
    app: `app-${index}`,
    replicas: 20,
    memoryGib: sizes[Math.floor(index / 15)] ?? 1,
  }));
  return fleet('100 servers, 10 % spare, mixed sizes', nodes, templates, 10);
}

/** Little memory left, and most of it taken by pods of which no two may be on one server. */
export function tightFleet(): Fleet {
  const nodes = Array.from({ length: 40 }, (_, index) => node(index, 64));
  const databases = Array.from({ length: 30 }, (_, index): Template => ({
    app: `app-${index}`,
    replicas: 3 + (index % 5) * 2,
    memoryGib: 5 + (index % 3) * 2,
    rule: 'apart',
  }));
  const small = Array.from({ length: 40 }, (_, index): Template => ({
    app: `app-${100 + index}`,
    replicas: 12,
    memoryGib: 1 + (index % 2),
    rule: index % 4 === 0 ? 'spread' : undefined,
  }));
  return fleet('40 servers, tight memory, anti-affinity', nodes, [...databases, ...small], 10);
}

/** 30 pods on each server, 82 % of its memory; every fifth application is spread, every fifth keeps apart. */
export function largeFleet(size: number): Fleet {
  const nodes = Array.from({ length: size }, (_, index) => node(index, 128));
  const templates = Array.from({ length: Math.ceil((size * 30) / 40) }, (_, index): Template => ({
    app: `app-${index}`,
    replicas: 40,
    memoryGib: 2 + (index % 4),
    rule: index % 5 === 0 ? 'apart' : index % 5 === 1 ? 'spread' : undefined,
  }));
  // Looking for the emptiest server for each of 150,000 pods would take longer than all that is measured.
  const pods = templates.flatMap((template, index) =>
    Array.from({ length: template.replicas }, (_, replica) =>
      pod(template, replica, nodes[(index * 40 + replica) % size]?.name ?? ''),
    ),
  );
  const view = { nodes, pods, budgets: [], claims: [], volumes: [], namespaces: [] };
  return { title: `${size.toLocaleString('en')} servers, 30 pods each`, view, maxUnavailable: size / 10 };
}
