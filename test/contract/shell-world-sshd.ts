/** A real OpenSSH server, whose "reboot" ends its processes, cuts its connections and changes the boot id. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { SshShell, type SshShellOptions } from '../../src/adapters/ssh/ssh-shell.ts';
import { SystemClock, SystemRandom } from '../../src/adapters/system/system-clock.ts';
import { readSecret } from '../../src/adapters/system/secrets.ts';
import { freePort, pause, secretFile, startSshd, type Sshd } from '../adapters/ssh/sshd.ts';
import type { ShellWire, ShellWorld } from './shell.contract.ts';
import { makeKey } from '../../src/lab/ssh/keys.ts';

export async function makeSshdWorld(): Promise<ShellWorld> {
  const sshd = await startSshd();
  const bootIdFile = join(sshd.folder, 'boot_id');
  const rebootLog = join(sshd.folder, 'reboots');
  await writeFile(bootIdFile, `${randomUUID()}\n`);
  await writeFile(rebootLog, '');
  await mkdir(join(sshd.folder, 'marks'));
  await mkdir(join(sshd.folder, 'tests'));
  await writeFile(join(sshd.programs, 'systemctl'), `#!/bin/sh\n[ "$1" = reboot ] && echo "$*" >>'${rebootLog}'\n:\n`);
  await chmod(join(sshd.programs, 'systemctl'), 0o755);
  const nobodyPort = await freePort();
  const shells: SshShell[] = [];
  const shell = (more: Partial<SshShellOptions> & { ssh?: object } = {}): SshShell => {
    const { ssh, ...rest } = more;
    const made = new SshShell({ ...optionsFor(sshd, bootIdFile, ssh), ...rest }, realNeeds);
    shells.push(made);
    return made;
  };
  const reboot = async (): Promise<void> => {
    while ((await sshd.endProcesses()) > 0) await pause(20);
    sshd.wire.cut();
    await writeFile(bootIdFile, `${randomUUID()}\n`);
  };
  const rebootsAsked = async (): Promise<number> => (await readFile(rebootLog, 'utf8')).split('\n').length - 1;
  const traces = async (mark: string): Promise<string> => readFile(join(sshd.folder, 'marks', mark), 'utf8');
  return {
    shell: shell(),
    another: () => shell(),
    nobody: () => shell({ ssh: { port: nobodyPort }, reconnectMs: 2_000 }),
    drive: (work) => work,
    counting: (mark, rest) => `echo x >>'${join(sshd.folder, 'marks', mark)}'\n${rest}`,
    executions: async (mark) => (await traces(mark)).split('\n').length - 1,
    reboot,
    untilRebooted: async () => {
      while ((await rebootsAsked()) === 0) await pause(50);
      await reboot();
    },
    rebootsAsked,
    close: async () => {
      for (const each of shells) each.close();
      await sshd.stop();
    },
    wire: await wireOf(sshd, shell),
  };
}

type MakeShell = (more: Partial<SshShellOptions> & { ssh?: object }) => SshShell;

/** What a daemon hands to the adapter. */
const realNeeds = { readSecret, clock: new SystemClock(), random: new SystemRandom() };

async function wireOf(sshd: Sshd, shell: MakeShell): Promise<ShellWire> {
  const otherKey = makeKey();
  const otherKeyFile = await secretFile(join(sshd.folder, 'other'), otherKey.private);
  return {
    cut: () => sshd.wire.cut(),
    silence: (silent) => sshd.wire.silence(silent),
    wrongHostKey: () => shell({ ssh: { hostKey: `SHA256:${'A'.repeat(43)}` } }),
    unknownHostKey: () => shell({ knownHostsFile: join(sshd.folder, 'nobody_known') }),
    wrongKey: () => shell({ ssh: { privateKey: { file: otherKeyFile } } }),
    folder: join(sshd.folder, 'tests'),
    readFile: (path) => readFile(path, 'utf8'),
    processes: async () => (await sshd.processes()).map((each) => each.command),
  };
}

function optionsFor(sshd: Sshd, bootIdFile: string, ssh: object = {}): SshShellOptions {
  return {
    server: {
      name: 'rack1-01',
      address: '127.0.0.1',
      ssh: {
        user: sshd.user,
        port: sshd.port,
        privateKey: { file: sshd.privateKeyFile },
        hostKey: 'known_hosts',
        ...ssh,
      },
    },
    knownHostsFile: sshd.knownHostsFile,
    jobsFolder: join(sshd.folder, 'jobs'),
    bootIdFile,
    elevate: 'none',
    watchSeconds: 2,
    keepAliveMs: 500,
    connectTimeoutMs: 4_000,
  };
}
