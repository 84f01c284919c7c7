/** A machine of the lab, behind a wire that can be cut. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SshShell, type SshShellOptions } from '../../src/adapters/ssh/ssh-shell.ts';
import { readSecret } from '../../src/adapters/system/secrets.ts';
import { SystemClock, SystemRandom } from '../../src/adapters/system/system-clock.ts';
import { startLabSsh } from '../../src/lab/ssh/lab-ssh.ts';
import { processesOf } from '../../src/lab/ssh/processes.ts';
import { Machine } from '../../src/simulator/machine.ts';
import { freePort, pause, secretFile, Wire } from '../adapters/ssh/sshd.ts';
import type { ShellWorld } from './shell.contract.ts';
import { makeKey } from '../../src/lab/ssh/keys.ts';

/** What a daemon hands to the adapter. */
const needs = { readSecret, clock: new SystemClock(), random: new SystemRandom() };

export async function makeLabWorld(): Promise<ShellWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'pitcrew-lab-'));
  const machine = makeMachine('rack1-01');
  let rebootsAsked = 0;
  machine.onChange(() => {
    if (machine.system === 'shuttingDown') rebootsAsked += 1;
  });
  const lab = await startLabSsh([machine], { folder, linePauseMs: 0 });
  const { root, port: innerPort = 0 } = lab.endpoints.get(machine.name) ?? {};
  if (root === undefined) throw new Error('the lab has no such machine');
  const wire = new Wire(() => innerPort);
  const port = await wire.listen();
  const knownHostsFile = join(folder, 'known_hosts_of_wire');
  await writeFile(knownHostsFile, (await readFile(lab.knownHostsFile, 'utf8')).replace(`:${innerPort} `, `:${port} `));
  await mkdir(join(root, 'var/marks'));
  const otherKey = await secretFile(join(folder, 'other'), makeKey().private);
  const nobodyPort = await freePort();
  const shells: SshShell[] = [];
  const shell = (ssh: object = {}, more: Partial<SshShellOptions> = {}): SshShell => {
    const login = { user: 'ops', port, privateKey: { file: lab.privateKeyFile }, hostKey: 'known_hosts', ...ssh };
    const server = { name: machine.name, address: '127.0.0.1', ssh: login };
    const patience = { watchSeconds: 2, keepAliveMs: 500, connectTimeoutMs: 4_000 };
    const made = new SshShell({ server, knownHostsFile, ...patience, ...more }, needs);
    shells.push(made);
    return made;
  };
  const untilBoots = async (boots: number): Promise<void> => {
    while (machine.boots < boots || machine.system !== 'up') await pause(20);
  };
  return {
    shell: shell(),
    another: () => shell(),
    nobody: () => shell({ port: nobodyPort }, { reconnectMs: 2_000 }),
    drive: (work) => work,
    counting: (mark, rest) => `echo x >>/var/marks/${mark}\n${rest}`,
    executions: async (mark) => (await readFile(join(root, 'var/marks', mark), 'utf8')).split('\n').length - 1,
    reboot: async () => {
      const { boots } = machine;
      machine.requestReboot();
      await untilBoots(boots + 1);
      rebootsAsked -= 1;
    },
    untilRebooted: () => untilBoots(1),
    rebootsAsked: () => Promise.resolve(rebootsAsked),
    close: async () => {
      for (const each of shells) each.close();
      await wire.close();
      await lab.stop();
      await rm(folder, { recursive: true, force: true });
    },
    wire: {
      cut: () => wire.cut(),
      silence: (silent) => wire.silence(silent),
      wrongHostKey: () => shell({ hostKey: `SHA256:${'A'.repeat(43)}` }),
      unknownHostKey: () => shell({}, { knownHostsFile: join(folder, 'nobody_known') }),
      wrongKey: () => shell({ privateKey: { file: otherKey } }),
      folder: '/var/tests',
      readFile: (path) => readFile(join(root, path), 'utf8'),
      processes: async () => await commandLines(await processesOf(root)),
    },
  };
}

function makeMachine(name: string): Machine {
  const kernels = { kernel: '6.1.0-1-amd64', updatedKernel: '6.1.0-2-amd64' };
  return new Machine({ name, ...kernels, bootMs: 300, shutdownMs: 100 }, needs.clock, needs.random);
}

async function commandLines(pids: readonly number[]): Promise<string[]> {
  const lines = pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
  return (await Promise.all(lines)).map((line) => line.replaceAll('\0', ' ').trim());
}
