/**
 * What a pod's specification becomes in the words of the container runtime: sandbox and container configurations as a kubelet
 * writes them. Pure.
 */
import {
  flagAt,
  isRecord,
  listAt,
  numberAt,
  recordAt,
  textAt,
  textsAt,
  type JsonRecord,
} from '../../../cluster/json.ts';
import type { PodObject } from '../../../simulator/kubernetes/objects.ts';

export const podsFolder = '/var/lib/kubelet/pods';

/** The one kind of device of the lab's servers, which each of them has some of. */
export const deviceResource = 'lab.pitcrew.dev/device';

export interface Mount {
  readonly container_path: string;
  readonly host_path: string;
  readonly readonly: boolean;
}

/** What a container's environment may refer to. */
export interface References {
  readonly configMap: (name: string) => Readonly<Record<string, string>>;
  readonly secret: (name: string) => Readonly<Record<string, string>>;
  /** Where the local volume of a claim lies on its server. */
  readonly claimedPath: (claim: string) => string;
}

export function podFolder(pod: PodObject): string {
  return `${podsFolder}/${pod.metadata.uid}`;
}

function namespaceOptions(pod: PodObject): JsonRecord {
  const isShared = flagAt(pod.spec, 'shareProcessNamespace');
  return {
    network: flagAt(pod.spec, 'hostNetwork') ? 'NODE' : 'POD',
    pid: flagAt(pod.spec, 'hostPID') ? 'NODE' : isShared ? 'POD' : 'CONTAINER',
    ipc: flagAt(pod.spec, 'hostIPC') ? 'NODE' : 'POD',
  };
}

function podLabels(pod: PodObject): Record<string, string> {
  const { name, namespace = '', uid } = pod.metadata;
  return {
    ...pod.metadata.labels,
    'io.kubernetes.pod.name': name,
    'io.kubernetes.pod.namespace': namespace,
    'io.kubernetes.pod.uid': uid,
  };
}

export function cgroupOf(pod: PodObject): string {
  return `/kubepods/pod${pod.metadata.uid}`;
}

export function logFolder(pod: PodObject): string {
  const { name, namespace = '', uid } = pod.metadata;
  return `/var/log/pods/${namespace}_${name}_${uid}`;
}

export function sandboxConfig(pod: PodObject, attempt: number): JsonRecord {
  const { name, namespace = '', uid, annotations = {} } = pod.metadata;
  return {
    metadata: { name, namespace, uid, attempt },
    hostname: flagAt(pod.spec, 'hostNetwork') ? '' : textAt(pod.spec, 'hostname') || name,
    log_directory: logFolder(pod),
    dns_config: { servers: [], searches: [], options: [] },
    labels: podLabels(pod),
    annotations,
    linux: {
      cgroup_parent: cgroupOf(pod),
      security_context: {
        namespace_options: namespaceOptions(pod),
        privileged: listAt(pod.spec, 'containers').some((each) =>
          flagAt(recordAt(each, 'securityContext'), 'privileged'),
        ),
        seccomp: { profile_type: 'RuntimeDefault' },
      },
    },
  };
}

const maskedPaths = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
].concat(['/proc/timer_stats', '/proc/sched_debug', '/proc/scsi', '/sys/firmware']);
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export function containerConfig(
  pod: PodObject,
  container: unknown,
  more: { attempt: number; mounts: readonly Mount[]; references: References },
): JsonRecord {
  const name = textAt(container, 'name');
  const security = { ...recordAt(pod.spec, 'securityContext'), ...recordAt(container, 'securityContext') };
  const isPrivileged = flagAt(security, 'privileged');
  return {
    metadata: { name, attempt: more.attempt },
    image: { image: textAt(container, 'image') },
    command: listAt(container, 'command'),
    args: listAt(container, 'args'),
    working_dir: textAt(container, 'workingDir'),
    envs: environmentOf(pod, container, more.references),
    mounts: more.mounts,
    labels: { ...podLabels(pod), 'io.kubernetes.container.name': name },
    annotations: {
      'io.kubernetes.container.restartCount': String(more.attempt),
      'io.kubernetes.container.terminationMessagePath': '/dev/termination-log',
      'io.kubernetes.container.terminationMessagePolicy': 'File',
      'io.kubernetes.pod.terminationGracePeriod': String(numberAt(pod.spec, 'terminationGracePeriodSeconds', 30)),
    },
    log_path: `${name}/${more.attempt}.log`,
    stdin: flagAt(container, 'stdin'),
    stdin_once: flagAt(container, 'stdinOnce'),
    tty: flagAt(container, 'tty'),
    devices: devicesOf(container),
    linux: {
      resources: resourcesOf(container),
      security_context: {
        privileged: isPrivileged,
        namespace_options: namespaceOptions(pod),
        ...idAt(security, 'runAsUser', 'run_as_user'),
        ...idAt(security, 'runAsGroup', 'run_as_group'),
        readonly_rootfs: flagAt(security, 'readOnlyRootFilesystem'),
        no_new_privs: security['allowPrivilegeEscalation'] === false,
        masked_paths: isPrivileged ? [] : maskedPaths,
        readonly_paths: isPrivileged ? [] : readonlyPaths,
        seccomp: { profile_type: 'Unconfined' },
      },
    },
  };
}

function idAt(security: JsonRecord, field: string, name: string): JsonRecord {
  const value = security[field];
  return typeof value === 'number' ? { [name]: { value: String(value) } } : {};
}

/** What a device plugin would hand out for the resource by which a pod asks for it. */
function devicesOf(container: unknown): JsonRecord[] {
  const isAsked = deviceResource in recordAt(recordAt(container, 'resources'), 'limits');
  return isAsked ? [{ container_path: '/dev/lab', host_path: '/dev/null', permissions: 'rw' }] : [];
}

/** Shares and limits; nothing here limits processor time, because the lab shares two cores. */
function resourcesOf(container: unknown): JsonRecord {
  const { requests, limits } = {
    requests: recordAt(recordAt(container, 'resources'), 'requests'),
    limits: recordAt(recordAt(container, 'resources'), 'limits'),
  };
  const shares = Math.max(2, Math.floor(coresOf(textAt(requests, 'cpu')) * 1024));
  const memory = bytesOf(textAt(limits, 'memory'));
  return {
    cpu_shares: String(shares),
    ...(memory > 0 && { memory_limit_in_bytes: String(memory) }),
    oom_score_adj: '1000',
  };
}

function coresOf(quantity: string): number {
  return quantity.endsWith('m') ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity || '0');
}

const units: Readonly<Record<string, number>> = {
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  '': 1,
};

export function bytesOf(quantity: string): number {
  const match = /^(\d+)(Ki|Mi|Gi|k|M|G|)$/.exec(quantity);
  return match ? Number(match[1]) * (units[match[2] ?? ''] ?? 1) : 0;
}

function environmentOf(pod: PodObject, container: unknown, references: References): { key: string; value: string }[] {
  const all = new Map<string, string>();
  for (const source of listAt(container, 'envFrom')) {
    const [map, secret] = [
      textAt(recordAt(source, 'configMapRef'), 'name'),
      textAt(recordAt(source, 'secretRef'), 'name'),
    ];
    const entries = map === '' ? references.secret(secret) : references.configMap(map);
    for (const [key, value] of Object.entries(entries)) all.set(`${textAt(source, 'prefix')}${key}`, value);
  }
  for (const entry of listAt(container, 'env')) all.set(textAt(entry, 'name'), valueOf(pod, entry, references));
  return [...all].map(([key, value]) => ({ key, value }));
}

function valueOf(pod: PodObject, entry: unknown, references: References): string {
  const from = isRecord(entry) ? entry['valueFrom'] : undefined;
  if (!isRecord(from)) return textAt(entry, 'value');
  const [map, secret] = [recordAt(from, 'configMapKeyRef'), recordAt(from, 'secretKeyRef')];
  const field = textAt(recordAt(from, 'fieldRef'), 'fieldPath');
  if (textAt(map, 'name') !== '') return references.configMap(textAt(map, 'name'))[textAt(map, 'key')] ?? '';
  if (textAt(secret, 'name') !== '') return references.secret(textAt(secret, 'name'))[textAt(secret, 'key')] ?? '';
  return textAt(fieldAt(pod, field.split('.').slice(0, -1)), field.split('.').at(-1) ?? '');
}

function fieldAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => recordAt(at, key), value);
}

/** Labels that select nothing here, only texts are let through. */
export function dataOf(object: unknown, isBase64: boolean): Record<string, string> {
  const data = textsAt(object, 'data');
  if (!isBase64) return { ...data };
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}
