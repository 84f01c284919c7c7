import { CastAiMover } from '../../src/movers/castai/castai-mover.ts';
import { EvictMover } from '../../src/movers/evict.ts';
import { KubeVirtMover } from '../../src/movers/kubevirt/kubevirt-mover.ts';
import { PaguroMover } from '../../src/movers/paguro/paguro-mover.ts';
import { SurgeMover } from '../../src/movers/surge.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { SimulatedCastAi } from '../../src/simulator/migrators/castai.ts';
import { SimulatedKubeVirt } from '../../src/simulator/migrators/kubevirt.ts';
import { SimulatedPaguro } from '../../src/simulator/migrators/paguro.ts';
import type { WorldWorkload } from '../../src/simulator/workloads.ts';
import type { MoverKind, MoverTools } from './movers-bench.ts';
import { moverContract } from './movers.contract.ts';

/** The pod of this workload that runs on server `a`. */
function podOn(tools: MoverTools, prefix: string): () => { namespace: string; name: string } {
  let name = '';
  return () => {
    const found = tools.world.api.store
      .list(kinds.pods)
      .find((pod) => pod.spec.nodeName === 'a' && pod.metadata.name.startsWith(prefix));
    name ||= found?.metadata.name ?? '';
    return { namespace: 'shop', name };
  };
}

function unfinished(tools: MoverTools, group: string): () => number {
  const kind = tools.world.api.kinds
    .all()
    .find((found) => found.group === group && found.resource.endsWith('migrations'));
  return () =>
    kind === undefined
      ? 0
      : tools.world.api.store.list(kind).filter(({ status }) => {
          const { phase = '', state = '' } = (status ?? {}) as { phase?: string; state?: string };
          return !/^(Succeeded|Failed|RolledBack|Completed)$/.test(phase || state);
        }).length;
}

const deployment: WorldWorkload = {
  kind: 'deployment',
  name: 'web',
  namespace: 'shop',
  replicas: 3,
  labels: { 'paguro.dev/migratable': 'true', 'live.cast.ai/migration-enabled': 'true' },
  spreadOverNodes: false,
};
const statefulSet: WorldWorkload = { ...deployment, kind: 'statefulSet', name: 'db' };

function paguro(workload: WorldWorkload, prefix: string): MoverKind {
  return {
    name: `paguro (${workload.kind})`,
    isLive: true,
    promise: 'everything',
    workloads: [workload],
    faults: [
      'staysPending',
      'refuses',
      'targetUnschedulable',
      'copyFails',
      'copyStalls',
      'coldStart',
      'failsAfterCommit',
    ],
    cancelsCopying: true,
    install(tools, faultOf) {
      const { memories } = new SimulatedPaguro(tools.world, { faultOf });
      const pod = podOn(tools, prefix);
      return { mover: () => new PaguroMover(tools), pod, memories, unfinished: unfinished(tools, 'paguro.dev') };
    },
    bare: (tools) => new PaguroMover(tools),
  };
}

const castai: MoverKind = {
  name: 'castai',
  isLive: true,
  promise: 'memory',
  workloads: [deployment],
  faults: ['staysPending', 'refuses', 'targetUnschedulable', 'copyFails', 'copyStalls', 'failsAfterCommit'],
  cancelsCopying: false,
  install(tools, faultOf) {
    const { memories } = new SimulatedCastAi(tools.world, { faultOf });
    const pod = podOn(tools, 'web');
    return { mover: () => new CastAiMover(tools), pod, memories, unfinished: unfinished(tools, 'live.cast.ai') };
  },
  bare: (tools) => new CastAiMover(tools),
};

function kubevirt(binding: 'bridge' | 'masquerade', allowPostCopy: boolean): MoverKind {
  return {
    name: `kubevirt (${binding}${allowPostCopy ? ', post-copy' : ''})`,
    isLive: true,
    promise: binding === 'bridge' ? 'everything' : 'memory',
    workloads: [],
    faults: ['staysPending', 'refuses', 'targetUnschedulable', 'copyFails', 'copyStalls', 'failsAfterCommit'],
    cancelsCopying: true,
    install(tools, faultOf) {
      const lab = new SimulatedKubeVirt(tools.world, { faultOf, allowPostCopy });
      const machine = { name: 'vm1', namespace: 'shop', node: 'a', strategy: 'LiveMigrate', binding } as const;
      const { name } = lab.addMachine(machine).metadata;
      const pod = (): { namespace: string; name: string } => ({ namespace: 'shop', name });
      return {
        mover: () => new KubeVirtMover(tools),
        pod,
        memories: lab.memories,
        unfinished: unfinished(tools, 'kubevirt.io'),
      };
    },
    bare: (tools) => new KubeVirtMover(tools),
  };
}

const surge: MoverKind = {
  name: 'surge',
  isLive: false,
  promise: 'nothing: restart',
  workloads: [deployment],
  faults: [],
  cancelsCopying: true,
  install: (tools) => ({ mover: () => new SurgeMover(tools.cluster), pod: podOn(tools, 'web') }),
};
const evict: MoverKind = {
  ...surge,
  name: 'evict',
  install: (tools) => ({ mover: () => new EvictMover(tools.cluster), pod: podOn(tools, 'web') }),
};

for (const kind of [
  evict,
  surge,
  paguro(deployment, 'web'),
  paguro(statefulSet, 'db'),
  castai,
  kubevirt('bridge', false),
  kubevirt('masquerade', true),
]) {
  moverContract(kind);
}
