/**
 * One real `ipmi_sim` process, which drives one chassis.
 *
 * The chassis script that `ipmi_sim` runs for every power question inherits a socket to us (file descriptor 3): it asks,
 * waits, and prints our answer. So the machine alone knows its power, and an answer is never older than the question.
 * Our end of its standard input is both its console, where events and sensor values go in, and its watchdog: `ipmi_sim`
 * ends when that closes, however we die.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Duplex, type Readable, type Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { BootDevice, SelEntry, SensorReading } from '../../ports/bmc.ts';
import type { Chassis } from './chassis.ts';
import { emulatorConfiguration, selAddCommand, sensorCommands } from './emulation.ts';

const startMs = 15_000;
const stopMs = 5_000;

/** Builtins only: it is started for every question. */
const doorScript = `#!/bin/sh
printf '%s\\n' "$*" >&3 && read -r answer <&3 && [ "$answer" != failed ] && printf '%s\\n' "$answer"
`;

/** `ipmi_sim` has a name for each of the few devices that it can be told. */
const bootNames: Readonly<Record<BootDevice, string>> = { pxe: 'pxe', disk: 'default', bios: 'bios' };

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Written once for all BMCs of a lab. */
export async function writeDoor(folder: string): Promise<string> {
  const path = join(folder, 'door.sh');
  await writeFile(path, doorScript, { mode: 0o700 });
  return path;
}

export class IpmiSim {
  readonly #chassis: Chassis;
  readonly #child: ChildProcess;
  readonly #console: Writable;
  readonly #folder: string;
  /** What it was set up with; kind and step of a sensor do not change any more. */
  readonly #setUpWith: readonly SensorReading[];
  #selSent = 0;
  #sensorsSent: readonly SensorReading[];
  /** Where it listens, on 127.0.0.1. */
  port = 0;

  private constructor(chassis: Chassis, child: ChildProcess, folder: string) {
    this.#chassis = chassis;
    this.#child = child;
    this.#folder = folder;
    this.#setUpWith = chassis.sensors.map((sensor) => ({ ...sensor }));
    this.#sensorsSent = this.#setUpWith;
    const [stdin, , , door] = child.stdio;
    if (!stdin || !(door instanceof Duplex)) throw startFailure(chassis.name, 'no connection to it');
    this.#console = stdin;
    // A BMC that is being stopped closes these at any moment.
    stdin.on('error', () => undefined);
    door.on('error', () => undefined);
    createInterface({ input: door }).on('line', (question) => {
      door.write(`${answerFor(chassis, question)}\n`);
    });
  }

  static async start(chassis: Chassis, credentials: Credentials, door: string, parent: string): Promise<IpmiSim> {
    const folder = join(parent, chassis.name);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const [lan, emulator] = [join(folder, 'lan.conf'), join(folder, 'emulator.conf')];
    await writeFile(lan, lanConfiguration(chassis.name, credentials, door), { mode: 0o600 });
    await writeFile(emulator, emulatorConfiguration(chassis.sensors));
    const child = spawn('ipmi_sim', ['-c', lan, '-f', emulator, '-s', folder, '-p'], {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    try {
      await untilReady(chassis.name, child);
      const sim = new IpmiSim(chassis, child, folder);
      sim.port = await udpPortOf(chassis.name, child.pid ?? 0);
      return sim;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  /** For the checkers: is it still there, and under which id. */
  get processId(): number {
    return this.#child.pid ?? 0;
  }

  /** Brings log and sensors of the BMC to those of the chassis. Called before a session opens. */
  update(): void {
    const commands = this.#chassis.sel.slice(this.#selSent).map((entry: SelEntry) => selAddCommand(entry));
    this.#selSent = this.#chassis.sel.length;
    const sensors = this.#chassis.sensors.map((sensor) => ({ ...sensor }));
    for (const [index, first] of this.#setUpWith.entries()) {
      const now = sensors.find(({ name }) => name === first.name) ?? { ...first, status: 'unavailable' as const };
      const before = this.#sensorsSent.find(({ name }) => name === first.name);
      if (before?.value !== now.value || before.status !== now.status) {
        commands.push(...sensorCommands(first, now, index + 1));
      }
    }
    this.#sensorsSent = sensors;
    if (commands.length > 0) this.#console.write(`${commands.join('\n')}\n`);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit', { signal: AbortSignal.timeout(stopMs) });
      this.#child.kill('SIGKILL');
      await ended;
    }
    for (const stream of this.#child.stdio) stream?.destroy();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** What the chassis does, and says. `ipmi_sim` reads nothing into the answer to a `set`. */
function answerFor(chassis: Chassis, question: string): string {
  switch (question) {
    case 'get power':
      return `power:${chassis.power === 'on' ? 1 : 0}`;
    case 'get boot':
      return `boot:${chassis.nextBootDevice ? bootNames[chassis.nextBootDevice] : 'none'}`;
    case 'set power 0':
      chassis.setPower('off');
      return 'done';
    case 'set power 1':
      chassis.setPower('on');
      return 'done';
    case 'set shutdown 1':
      chassis.requestSoftOff();
      return 'done';
    default:
      break;
  }
  const device = (Object.keys(bootNames) as BootDevice[]).find((key) => question === `set boot ${bootNames[key]}`);
  if (!device && question !== 'set boot none') return 'failed';
  chassis.nextBootDevice = device;
  return 'done';
}

function lanConfiguration(name: string, { user, password }: Credentials, door: string): string {
  // Its file format has no way to write a quotation mark inside a word.
  for (const word of [name, user, password, door]) {
    if (!/^[^"\\\s]+$/.test(word)) throw startFailure(name, 'a name or password that its configuration cannot hold');
  }
  const methods = ['callback', 'user', 'operator', 'admin'].map((level) => `    allowed_auths_${level} none md2 md5`);
  return [
    `name "${name}"`,
    'set_working_mc 0x20',
    '  startlan 1',
    // Port 0: the kernel picks a free one, so that many can start at once.
    '    addr 127.0.0.1 0',
    '    priv_limit admin',
    ...methods,
    '    guid a123456789abcdefa123456789abcdef',
    '  endlan',
    `  chassis_control "${door}"`,
    '  startnow false',
    '  user 1 false "" "none" user 10 none md2 md5',
    `  user 2 true "${user}" "${password}" admin 10 none md2 md5`,
    '',
  ].join('\n');
}

/** Its prompt comes when it listens. */
async function untilReady(name: string, child: ChildProcess): Promise<void> {
  let said = '';
  const ready = Promise.withResolvers<void>();
  const listen = (stream: Readable | null): void => {
    stream?.on('data', (chunk: Buffer) => {
      if (said.length < 4096) said += chunk.toString();
      if (/^> /m.test(said)) ready.resolve();
    });
  };
  listen(child.stdout);
  listen(child.stderr);
  child.once('error', (error) => ready.reject(startFailure(name, error.message)));
  child.once('exit', () => ready.reject(startFailure(name, said.slice(-300))));
  const timer = setTimeout(() => ready.reject(startFailure(name, 'it took too long')), startMs);
  try {
    await ready.promise;
  } finally {
    clearTimeout(timer);
  }
}

/** `ipmi_sim` does not say which port it was given; the kernel does. */
async function udpPortOf(name: string, pid: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const descriptors = await readdir(`/proc/${pid}/fd`);
    const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
    const inodes = new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]).filter((inode) => inode));
    for (const line of (await readFile(`/proc/${pid}/net/udp`, 'utf8')).split('\n').slice(1)) {
      const [, local = '', , , , , , , , inode = ''] = line.trim().split(/\s+/);
      if (inodes.has(inode)) return Number.parseInt(local.slice(local.indexOf(':') + 1), 16);
    }
    await wait(20);
  }
  throw startFailure(name, 'it opened no UDP port');
}

function startFailure(name: string, reason: string): MaintenanceError {
  const message = `ipmi_sim for ${name} did not start: ${reason}`;
  return new MaintenanceError('host/missing-program', 'halt', message, { details: { server: name } });
}
