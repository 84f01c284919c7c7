/**
 * The rights that live movers need, each only where its API group is served. `deploy/kubernetes/rbac-movers.yaml` grants
 * exactly these (a test compares); `doctor` asks for those of the groups that are there.
 */
import type { NeededRight } from './rights.ts';

const begin = ['get', 'list', 'create', 'delete'] as const;

const lines = [
  { verbs: ['list'], group: 'kubevirt.io', resource: 'kubevirts', reason: 'KubeVirt: its version and limits' },
  {
    verbs: ['get', 'list'],
    group: 'kubevirt.io',
    resource: 'virtualmachineinstances',
    reason: 'KubeVirt: which machines can move, and where they are',
  },
  {
    verbs: begin,
    group: 'kubevirt.io',
    resource: 'virtualmachineinstancemigrations',
    reason: 'KubeVirt: move a machine, and call it back',
  },
  { verbs: begin, group: 'paguro.dev', resource: 'migrations', reason: 'Paguro: move a pod, and call it back' },
  { verbs: begin, group: 'live.cast.ai', resource: 'migrations', reason: 'Cast AI: move a pod, and call it back' },
] as const;

export const moverRights: readonly NeededRight[] = lines.flatMap(({ verbs, ...right }) =>
  verbs.map((verb) => ({ ...right, verb })),
);
