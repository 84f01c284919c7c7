/**
 * What a server says about itself, and what that means for moving a pod alive between two of them. Pure.
 *
 * It decides nothing about pods in general (the verdict does); it names what stands in the way here, all of it at once.
 */
import type { PodView } from '../../cluster/pod.ts';
import type { MovePromise } from '../../ports/movers.ts';
import { factsOf } from './scripts.ts';
import { keepsAddress } from './steering.ts';

const traits = [
  'tty',
  'device',
  'sharedProcesses',
  'hostProcesses',
  'userNamespace',
  'otherRunc',
  'hiddenLimits',
  'fetching',
  'ownRules',
  'ownGroups',
] as const;
type Trait = (typeof traits)[number];

export interface ContainerFacts {
  readonly podUid: string;
  readonly name: string;
  readonly bytes: number;
  readonly traits: readonly Trait[];
}

export interface ServerFacts {
  readonly arch: string;
  readonly kernel: string;
  /** The version of the control groups, `1` where any of the old kind is in use. Empty: it did not say. */
  readonly cgroups: string;
  readonly criu: string;
  readonly runc: string;
  readonly missing: readonly string[];
  /** Empty where CRIU itself says that it works here. */
  readonly criuComplaint: string;
  readonly tracksWrites: boolean;
  readonly fetchesLater: boolean;
  readonly wrapper: 'same' | 'other' | 'none';
  readonly passesAnnotations: boolean;
  readonly pipePages: boolean;
  readonly memoryKib: number;
  readonly cpuFlags: ReadonlySet<string>;
  readonly network: string;
  readonly containers: readonly ContainerFacts[];
  /** That go by their pod's own address: by the pod's uid, as `tcp 10.1.2.3:7000`. */
  readonly ownSockets: ReadonlyMap<string, readonly string[]>;
  /** Ids of the moves that have something lying there. */
  readonly moves: readonly string[];
}

export function serverFactsOf(output: string): ServerFacts {
  const facts = factsOf(output);
  const one = (key: string): string => facts.get(key)?.[0] ?? '';
  const features = facts.get('feature') ?? [];
  const wrapper = one('wrapper');
  return {
    arch: one('arch'),
    kernel: one('kernel'),
    cgroups: one('cgroups'),
    criu: one('criu'),
    runc: one('runc'),
    missing: facts.get('missing') ?? [],
    criuComplaint: one('criuCheck') === 'ok' ? '' : one('criuCheck') || 'it does not answer',
    tracksWrites: features.includes('mem_dirty_track'),
    fetchesLater: features.includes('uffd-noncoop'),
    wrapper: wrapper === 'same' || wrapper === 'other' ? wrapper : 'none',
    passesAnnotations: one('annotations') === 'passed',
    // 1 MiB and 16384 pages are the kernel's defaults, and too few for a process of some hundred MB.
    pipePages: Number(one('pipeMax')) >= 16 * 1_048_576 && one('pipeSoft') === '0',
    memoryKib: Number(one('memoryKib')) || 0,
    cpuFlags: new Set(one('cpu').split(' ').filter(Boolean)),
    network: one('network'),
    containers: containersOf(facts.get('container') ?? []),
    ownSockets: ownSocketsOf(facts.get('socket') ?? []),
    moves: [...new Set(facts.get('move'))],
  };
}

function containersOf(lines: readonly string[]): ContainerFacts[] {
  const found = new Map<string, { podUid: string; name: string; bytes: number; traits: Trait[] }>();
  for (const line of lines) {
    const [podUid = '', name = '', what = '', value = ''] = line.split(' ');
    const key = `${podUid} ${name}`;
    const container = found.get(key) ?? { podUid, name, bytes: 0, traits: [] };
    found.set(key, container);
    if (what === 'bytes') container.bytes = Number(value) || 0;
    const trait = traits.find((candidate) => candidate === what);
    if (trait !== undefined) container.traits.push(trait);
  }
  return [...found.values()];
}

function ownSocketsOf(lines: readonly string[]): Map<string, string[]> {
  const pairs = lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
  const byPod = Map.groupBy(pairs, ([podUid]) => podUid);
  return new Map([...byPod].map(([podUid, sockets]) => [podUid, sockets.map(([, socket]) => socket)]));
}

/** CRIU 4 restores TCP sockets of current kernels; runc 1.2 joins the sandbox's namespaces on restore. */
const criuMin = [4, 0] as const;
const runcMin = [1, 2] as const;

function isOlder(version: string, least: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return major < least[0] || (major === least[0] && minor < least[1]);
}

/** Why this server takes no part in live moves, for any pod. Empty: it is ready. */
export function serverBlockers(server: string, facts: ServerFacts): string[] {
  const blockers: string[] = [];
  const missing = facts.missing.filter((program) => program !== 'criu' && program !== 'runc');
  if (facts.criu === '') blockers.push(`${server} has no CRIU`);
  else if (isOlder(facts.criu, criuMin))
    blockers.push(`${server} has CRIU ${facts.criu}, and 4.0 is the oldest that does`);
  else if (facts.criuComplaint !== '') blockers.push(`CRIU does not work on ${server}: ${facts.criuComplaint}`);
  if (facts.runc === '') blockers.push(`${server} has no runc`);
  else if (isOlder(facts.runc, runcMin))
    blockers.push(`${server} has runc ${facts.runc}, and 1.2 is the oldest that does`);
  if (missing.length > 0) blockers.push(`${server} lacks ${missing.join(', ')}`);
  if (facts.wrapper === 'none') blockers.push(`containerd on ${server} does not use pitcrew-runc`);
  if (facts.wrapper === 'other') blockers.push(`${server} has another version of pitcrew-runc`);
  if (!facts.passesAnnotations) blockers.push(`containerd on ${server} does not pass pitcrew.dev/* annotations on`);
  return blockers;
}

const traitTexts: Readonly<Record<Trait, string>> = {
  tty: 'has a TTY',
  device: 'has a device',
  sharedProcesses: 'has a process namespace shared by its containers',
  hostProcesses: 'has the process namespace of its server',
  userNamespace: 'has a user namespace of its own',
  otherRunc: 'runs since before its server was made ready, and has to be restarted once',
  hiddenLimits: 'has processes of another user, and root of its server lacks CAP_SYS_RESOURCE',
  fetching: 'is still fetching its memory from where it came from',
  ownRules: 'has a network with rules of its own (nft, iptables), which do not go along',
  ownGroups: 'has processes in control groups of its own making',
};

/** What about this pod itself cannot be moved. */
export function podBlockers(pod: PodView, facts: ServerFacts): string[] {
  const blockers: string[] = [];
  if (pod.hostNetwork) blockers.push('host network');
  for (const volume of pod.volumes) {
    if (volume.kind === 'hostPath') blockers.push(`hostPath volume ${volume.name}`);
    if (volume.kind === 'persistentVolumeClaim')
      blockers.push(`volume ${volume.name} that has to be attached elsewhere`);
  }
  if (!pod.ready) blockers.push('it is not ready');
  if (pod.owner && pod.owner.kind !== 'ReplicaSet' && pod.owner.kind !== 'StatefulSet') {
    blockers.push(`its owner is a ${pod.owner.kind}, which may not make it anew`);
  }
  for (const name of pod.sidecars) blockers.push(`sidecar ${name} among its init containers`);
  const own = facts.containers.filter((container) => container.podUid === pod.uid);
  if (own.length === 0) blockers.push('its server has not been asked about its containers yet');
  for (const container of own) {
    for (const trait of container.traits) blockers.push(`container ${container.name} ${traitTexts[trait]}`);
  }
  return blockers;
}

/** By which a pod asks for an address that it cannot get while it has it itself. */
const fixedAddresses = [
  'cni.projectcalico.org/ipAddrs',
  'cni.projectcalico.org/ipAddrsNoIpam',
  'ovn.kubernetes.io/ip_address',
  'ovn.kubernetes.io/ip_pool',
];
/** These give a pod of the same name the same address: for a while two servers would have it. */
const addressOfName: ReadonlySet<string> = new Set(['kube-ovn', 'whereabouts']);

/**
 * What about this pod stands in the way of another address. That connections are closed does not: it is what the promise
 * says. What its processes know of their address by other means (a cluster that was told it once) nobody can see.
 */
export function addressBlockers(pod: PodView, facts: ServerFacts): string[] {
  const blockers: string[] = [];
  for (const socket of facts.ownSockets.get(pod.uid) ?? []) {
    blockers.push(`it would get another address, and has a socket on its own: ${socket}`);
  }
  if (pod.addressVariables.length > 0) {
    const names = pod.addressVariables.join(', ');
    blockers.push(`it would get another address, and goes by the one that it was told: ${names}`);
  }
  const fixed = fixedAddresses.find((annotation) => annotation in pod.annotations);
  if (fixed !== undefined)
    blockers.push(`it asks for an address of its own (${fixed}), which it has until it has moved`);
  if (addressOfName.has(facts.network) && pod.owner?.kind !== 'ReplicaSet') {
    blockers.push(`its network (${facts.network}) gives its address to its name, which two would have for a while`);
  }
  return blockers;
}

/** Flags that come and go with microcode and hypervisor and that no program is compiled for. */
const idleFlags =
  /^(?:arat|aperfmperf|cpuid|constant_tsc|nonstop_tsc|tsc_|rep_good|nopl|pti|ibrs|ibpb|stibp|ssbd|amd_|.*_l1d|md_clear|dtherm|ida|pln|pts|hwp|acc_power|hypervisor|xtopology|bugs|lbrv|npt|svm|vmx|ept|vpid|tpr_shadow|flexpriority|virt_|v_)/;

/** What about these two servers does not fit together. */
export function pairBlockers(
  [sourceName, source]: readonly [string, ServerFacts],
  [targetName, target]: readonly [string, ServerFacts],
  bytes: number,
): string[] {
  const blockers: string[] = [];
  if (source.arch !== target.arch) blockers.push(`${targetName} is ${target.arch}, ${sourceName} is ${source.arch}`);
  const lacking = [...source.cpuFlags].filter((flag) => !target.cpuFlags.has(flag) && !idleFlags.test(flag)).sort();
  if (lacking.length > 0) {
    const shown = lacking.slice(0, 5).join(', ');
    blockers.push(`the processor of ${targetName} lacks ${shown}${lacking.length > 5 ? ' and more' : ''}`);
  }
  if (kernelOf(source) > kernelOf(target)) {
    blockers.push(`${targetName} runs kernel ${target.kernel}, older than ${source.kernel} of ${sourceName}`);
  }
  if (source.cgroups !== target.cgroups) {
    blockers.push(
      `${targetName} has control groups of version ${target.cgroups}, ${sourceName} of version ${source.cgroups}`,
    );
  }
  const neededKib = neededKibOf(bytes);
  if (target.memoryKib < neededKib) {
    blockers.push(`too little memory on ${targetName}: ${mib(target.memoryKib)} of ${mib(neededKib)}`);
  }
  if (source.network !== target.network) blockers.push(`${targetName} has another pod network than ${sourceName}`);
  return blockers;
}

/** Major and minor: an older kernel may not know what a newer one wrote down. */
function kernelOf({ kernel }: ServerFacts): number {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return major * 1_000 + minor;
}

function mib(kib: number): string {
  return `${Math.round(kib / 1_024)} MiB`;
}

const spareKib = 524_288;

/** Images and the memory that is made of them lie side by side for a moment. */
function neededKibOf(bytes: number): number {
  return 2 * Math.ceil(bytes / 1_024) + spareKib;
}

export function promiseOf(facts: ServerFacts): MovePromise {
  return keepsAddress(facts.network) ? 'everything' : 'memory';
}

export function bytesOf(pod: { readonly uid: string }, facts: ServerFacts): number {
  return facts.containers.filter(({ podUid }) => podUid === pod.uid).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Fixed work, then what the wire and two processors get through. */
export function predictedMsOf(bytes: number): number {
  return Math.round(6_000 + bytes / 200_000);
}

/** A link that is shared by others, several times over. */
export function timeoutMsOf(bytes: number): number {
  return Math.round(300_000 + bytes / 10_000);
}
