/** What a kubelet writes into the status of its pods. Pure. */
import { listAt, recordAt, textAt } from '../../../cluster/json.ts';
import {
  withCondition,
  type Condition,
  type ContainerStatus,
  type PodObject,
} from '../../../simulator/kubernetes/objects.ts';

export type ContainerState =
  | { readonly kind: 'waiting'; readonly reason: string; readonly message?: string | undefined }
  | { readonly kind: 'running'; readonly startedAt: string }
  | {
      readonly kind: 'terminated';
      readonly exitCode: number;
      readonly reason: string;
      readonly startedAt: string;
      readonly finishedAt: string;
    };

export interface ContainerReport {
  readonly name: string;
  readonly image: string;
  readonly imageRef: string;
  /** Empty before the first was made. */
  readonly containerId: string;
  readonly state: ContainerState;
  readonly last: ContainerState | undefined;
  readonly restartCount: number;
  readonly isStarted: boolean;
  readonly isReady: boolean;
}

export interface PodReport {
  readonly podIp: string;
  readonly hostIp: string;
  readonly hasSandbox: boolean;
  readonly startTime: string;
  readonly init: readonly ContainerReport[];
  readonly containers: readonly ContainerReport[];
}

export function podStatus(pod: PodObject, report: PodReport, now: string): PodObject['status'] {
  const isInitialized = report.init.every(({ state }) => state.kind === 'terminated' && state.exitCode === 0);
  const phase = phaseOf(pod, report, isInitialized);
  const isReady = phase === 'Running' && report.containers.every((container) => container.isReady);
  const conditions = (
    [
      ['PodReadyToStartContainers', report.hasSandbox],
      ['Initialized', isInitialized],
      ['ContainersReady', isReady],
      ['Ready', isReady],
      ['PodScheduled', true],
    ] as const
  ).reduce<readonly Condition[]>(
    (list, [type, isTrue]) => withCondition(list, conditionOf(type, isTrue, now)),
    pod.status.conditions ?? [],
  );
  return {
    ...pod.status,
    phase,
    conditions,
    hostIP: report.hostIp,
    hostIPs: [{ ip: report.hostIp }],
    ...(report.podIp !== '' && { podIP: report.podIp, podIPs: [{ ip: report.podIp }] }),
    startTime: report.startTime,
    ...(report.init.length > 0 && { initContainerStatuses: report.init.map(statusOf) }),
    containerStatuses: report.containers.map(statusOf),
  };
}

function phaseOf(pod: PodObject, { containers }: PodReport, isInitialized: boolean): string {
  const policy = textAt(pod.spec, 'restartPolicy');
  const ends = containers.flatMap(({ state }) => (state.kind === 'terminated' ? [state.exitCode] : []));
  if (ends.length === containers.length && policy !== 'Always') {
    if (ends.every((code) => code === 0)) return 'Succeeded';
    if (policy === 'Never') return 'Failed';
  }
  const hasRun = containers.some(({ state, last }) => state.kind !== 'waiting' || last !== undefined);
  return isInitialized && hasRun ? 'Running' : 'Pending';
}

function conditionOf(type: string, isTrue: boolean, now: string): Condition {
  return { type, status: isTrue ? 'True' : 'False', lastProbeTime: null, lastTransitionTime: now };
}

function statusOf(report: ContainerReport): ContainerStatus {
  return {
    name: report.name,
    state: stateOf(report.state),
    lastState: report.last ? stateOf(report.last) : {},
    ready: report.isReady,
    restartCount: report.restartCount,
    image: report.image,
    imageID: report.imageRef,
    ...(report.containerId !== '' && { containerID: `containerd://${report.containerId}` }),
    started: report.isStarted,
  };
}

function stateOf(state: ContainerState): unknown {
  switch (state.kind) {
    case 'waiting':
      return { waiting: { reason: state.reason, ...(state.message !== undefined && { message: state.message }) } };
    case 'running':
      return { running: { startedAt: state.startedAt } };
    case 'terminated': {
      const { kind: _kind, ...rest } = state;
      return { terminated: rest };
    }
  }
}

/** The containers of one list of the specification. */
export function containersOf(pod: PodObject, list: 'initContainers' | 'containers'): readonly unknown[] {
  return listAt(pod.spec, list);
}

export function hookOf(container: unknown, hook: 'preStop' | 'postStart'): readonly string[] {
  return listAt(recordAt(recordAt(recordAt(container, 'lifecycle'), hook), 'exec'), 'command').map(String);
}
