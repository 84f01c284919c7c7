/**
 * Puts simulated machines on the wire as SSH servers, one port each, with host keys, a client key and a known_hosts file
 * that fit. Scripts run for real; what they do to packages, kernels and power reaches the machine.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { ParsedKey } from 'ssh2';
import type { Machine } from '../../simulator/machine.ts';
import { listenForCalls, type CallVerb, type Calls } from './calls.ts';
import { makeKey } from './keys.ts';
import { LabServer } from './lab-server.ts';
import { MachineFiles, rewriter } from './machine-files.ts';
import { endProcesses } from './processes.ts';
import { shims } from './shims/shims.ts';

interface LabSshEndpoint {
  readonly address: string;
  readonly port: number;
  /** `SHA256:…` */
  readonly hostKeyFingerprint: string;
  /** Where the machine's file system lies. */
  readonly root: string;
}

export interface LabSsh {
  /** By the name of the machine. */
  readonly endpoints: ReadonlyMap<string, LabSshEndpoint>;
  readonly knownHostsFile: string;
  readonly privateKeyFile: string;
  stop(): Promise<void>;
}

export interface LabSshOptions {
  readonly folder: string;
  /** How long the package managers pause after each line, so that there is something to see. */
  readonly linePauseMs?: number | undefined;
}

export async function startLabSsh(machines: readonly Machine[], options: LabSshOptions): Promise<LabSsh> {
  const { folder } = options;
  const programs = join(folder, 'programs');
  await mkdir(programs, { recursive: true, mode: 0o700 });
  for (const [name, text] of shims) {
    await writeFile(join(programs, name), text);
    await chmod(join(programs, name), 0o755);
  }
  const client = makeKey();
  const privateKeyFile = join(folder, 'id_ed25519');
  await writeFile(privateKeyFile, client.private, { mode: 0o600 });
  const parts: Part[] = [];
  const calls = await listenForCalls(folder, (name, verb) => answerCall(parts, name, verb));
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopAll(parts, calls, join(folder, 'machines')));
  try {
    const clientKey = client.parsed;
    for (const machine of machines) parts.push(await startPart(machine, { options, programs, clientKey, calls }));
    const knownHostsFile = join(folder, 'known_hosts');
    await writeFile(knownHostsFile, parts.map(({ server, hostKey }) => knownHost(server.port, hostKey)).join(''));
    const endpoints = new Map(parts.map((part) => [part.machine.name, endpointOf(part)]));
    return { endpoints, knownHostsFile, privateKeyFile, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function stopAll(parts: readonly Part[], calls: Calls, machinesFolder: string): Promise<void> {
  await Promise.all(parts.map(async ({ server }) => await server.stop()));
  await endProcesses(machinesFolder);
  await calls.stop();
}

interface Part {
  readonly machine: Machine;
  readonly files: MachineFiles;
  readonly server: LabServer;
  readonly hostKey: ParsedKey;
}

async function startPart(
  machine: Machine,
  lab: { options: LabSshOptions; programs: string; clientKey: ParsedKey; calls: Calls },
): Promise<Part> {
  const root = join(lab.options.folder, 'machines', machine.name);
  const files = new MachineFiles(root, machine);
  const key = makeKey();
  const server = new LabServer({
    machine,
    files,
    hostKey: key.private,
    clientKey: lab.clientKey,
    rewrite: rewriter(
      root,
      lab.programs,
      [...shims.keys()].filter((name) => !name.startsWith('.')),
    ),
    shims: lab.programs,
    environment: {
      LAB_PROGRAMS: lab.programs,
      LAB_CALLS: lab.calls.pipe,
      LAB_PAUSE: String((lab.options.linePauseMs ?? 50) / 1_000),
    },
  });
  await server.listen();
  return { machine, files, server, hostKey: key.parsed };
}

function nothing(): void {
  // The answer was all.
}

/** What has to wait until the shim has its answer is what ends the shim. */
function answerCall(parts: readonly Part[], name: string, verb: CallVerb): { taken: boolean; afterwards: () => void } {
  const part = parts.find(({ machine }) => machine.name === name);
  if (part?.machine.system !== 'up') return { taken: false, afterwards: nothing };
  const { machine, files } = part;
  switch (verb) {
    case 'install':
      machine.installUpdatedKernel();
      files.keepInStep();
      if (machine.needsReboot) files.markRebootRequired();
      return { taken: true, afterwards: nothing };
    case 'reboot':
      return { taken: true, afterwards: () => machine.requestReboot() };
    case 'powerOff':
      return { taken: true, afterwards: () => machine.requestSoftOff() };
  }
}

function endpointOf({ server, hostKey, files }: Part): LabSshEndpoint {
  return {
    address: '127.0.0.1',
    port: server.port,
    hostKeyFingerprint: fingerprintOf(hostKey),
    root: files.root,
  };
}

function knownHost(port: number, key: ParsedKey): string {
  return `[127.0.0.1]:${port} ${key.type} ${key.getPublicSSH().toString('base64')}\n`;
}

function fingerprintOf(key: ParsedKey): string {
  return `SHA256:${hash('sha256', key.getPublicSSH(), 'base64').replace(/=+$/, '')}`;
}
