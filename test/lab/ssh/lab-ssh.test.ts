/** The lab's SSH servers, worked on by the real adapter with the real playbooks. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { SshShell } from '../../../src/adapters/ssh/ssh-shell.ts';
import { readSecret } from '../../../src/adapters/system/secrets.ts';
import { SystemClock, SystemRandom } from '../../../src/adapters/system/system-clock.ts';
import { startLabSsh, type LabSsh } from '../../../src/lab/ssh/lab-ssh.ts';
import { processesOf } from '../../../src/lab/ssh/processes.ts';
import { Machine, type MachineFaults } from '../../../src/simulator/machine.ts';
import { command, failureOf } from '../../contract/shell.contract.ts';

const forever = new AbortController().signal;
const needs = { readSecret, clock: new SystemClock(), random: new SystemRandom() };

interface RawScript {
  readonly ssh: { readonly run: string };
}

/** The scripts of a playbook with its own defaults, in the order in which they run. */
function scriptsOf(playbook: string, part: 'needed' | 'prepare' | 'service' | 'verify'): string[] {
  const file = new URL(`../../../playbooks/${playbook}.yaml`, import.meta.url);
  const { spec } = parse(readFileSync(file, 'utf8')) as {
    spec: { parameters?: Record<string, { default: string | number | boolean }> } & Record<
      typeof part,
      (RawScript | object)[] | undefined
    >;
  };
  const scripts = (spec[part] ?? []).flatMap((action) => ('ssh' in action ? [action.ssh.run] : []));
  return scripts.map((script) =>
    script.replaceAll(/\$\{(\w+)\}/g, (whole, name: string) => String(spec.parameters?.[name]?.default ?? whole)),
  );
}

async function countOf(root: string | undefined): Promise<number> {
  return (await processesOf(root ?? '')).length;
}

describe('SSH servers of the lab', () => {
  let folder: string;
  let lab: LabSsh;
  const shells: SshShell[] = [];
  let machines: Machine[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pitcrew-lab-'));
  });
  afterEach(async () => {
    for (const shell of shells.splice(0)) shell.close();
    await lab.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function start(count: number, faults: Partial<MachineFaults> = {}): Promise<SshShell[]> {
    machines = Array.from({ length: count }, (_, index) => {
      const kernels = { kernel: '6.1.0-30-amd64', updatedKernel: '6.1.0-31-amd64' };
      const name = `rack1-${index + 1}`;
      return new Machine({ name, ...kernels, bootMs: 200, shutdownMs: 50, faults }, needs.clock, needs.random);
    });
    lab = await startLabSsh(machines, { folder, linePauseMs: 0 });
    return machines.map(({ name }) => shellOf(name));
  }

  function shellOf(name: string): SshShell {
    const { address = '', port = 0 } = lab.endpoints.get(name) ?? {};
    const login = { user: 'root', port, privateKey: { file: lab.privateKeyFile }, hostKey: 'known_hosts' };
    const server = { name, address, ssh: login };
    const patience = { connectTimeoutMs: 2_000, keepAliveMs: 500, reconnectMs: 5_000 };
    const shell = new SshShell({ server, knownHostsFile: lab.knownHostsFile, ...patience }, needs);
    shells.push(shell);
    return shell;
  }

  let count = 0;
  async function runAll(shell: SshShell, scripts: readonly string[]): Promise<{ exitCodes: number[]; text: string }> {
    const exitCodes: number[] = [];
    let text = '';
    for (const script of scripts) {
      const outcome = await shell.run(command(`t.${(count += 1)}`, script), forever);
      text += outcome.tail;
      exitCodes.push(outcome.kind === 'exited' ? outcome.exitCode : -1);
    }
    return { exitCodes, text };
  }

  async function rebootedBy(shell: SshShell): Promise<void> {
    const [machine] = machines;
    if (!machine) throw new Error('no machine');
    const { boots } = machine;
    await shell.requestReboot(`t.${(count += 1)}`, forever);
    await expect.poll(() => machine.boots > boots && machine.system === 'up', { timeout: 10_000 }).toBe(true);
  }

  it.each(['kernel-update', 'kernel-update-rhel'])(
    '%s: needed, installed, rebooted, and then not needed',
    async (name) => {
      const [shell] = await start(1);
      if (!shell) throw new Error('no shell');
      const needed = await runAll(shell, scriptsOf(name, 'needed'));
      expect(needed).toMatchObject({ exitCodes: [0] });
      const prepared = await runAll(shell, scriptsOf(name, 'prepare'));
      expect(prepared).toMatchObject({ exitCodes: [0, 0, 0] });
      expect(machines[0]?.needsReboot).toBe(false);
      const serviced = await runAll(shell, scriptsOf(name, 'service'));
      expect(serviced.exitCodes.filter((code) => code !== 0)).toEqual([]);
      expect(serviced.exitCodes.length).toBeGreaterThan(0);
      expect(machines[0]?.needsReboot).toBe(true);
      const before = await shell.readFacts(forever);
      expect(before).toMatchObject({ kernel: '6.1.0-30-amd64', newestKernel: '6.1.0-31-amd64', failedUnits: [] });
      // Installed, and yet needed: the new kernel does not run.
      expect(await runAll(shell, scriptsOf(name, 'needed'))).toMatchObject({ exitCodes: [0] });
      await rebootedBy(shell);
      const after = await shell.readFacts(forever);
      expect(after).toMatchObject({ kernel: '6.1.0-31-amd64', newestKernel: '6.1.0-31-amd64' });
      expect(after.bootId).not.toBe(before.bootId);
      expect(await runAll(shell, scriptsOf(name, 'needed'))).toMatchObject({ exitCodes: [1] });
    },
  );

  it('firmware-update: staged, and written by the reboot', async () => {
    const [shell] = await start(1);
    if (!shell) throw new Error('no shell');
    expect(await runAll(shell, scriptsOf('firmware-update', 'needed'))).toMatchObject({ exitCodes: [0] });
    const parts = [...scriptsOf('firmware-update', 'prepare'), ...scriptsOf('firmware-update', 'service')];
    expect(await runAll(shell, parts)).toMatchObject({ exitCodes: [0, 0] });
    await rebootedBy(shell);
    expect(await runAll(shell, scriptsOf('firmware-update', 'verify'))).toMatchObject({ exitCodes: [0] });
    expect(await runAll(shell, scriptsOf('firmware-update', 'needed'))).toMatchObject({ exitCodes: [1] });
  });

  it('reboot-only: looks at the processes of this machine alone', async () => {
    const [shell] = await start(1);
    if (!shell) throw new Error('no shell');
    expect(await runAll(shell, scriptsOf('reboot-only', 'prepare'))).toMatchObject({ exitCodes: [0] });
  });

  it('sees failed units as soon as the machine has them', async () => {
    const [shell] = await start(1);
    if (!shell) throw new Error('no shell');
    machines[0]?.failedUnits.push('kubelet.service');
    expect((await shell.readFacts(forever)).failedUnits).toEqual(['kubelet.service']);
    const { exitCodes } = await runAll(shell, ['systemctl is-active kubelet', 'systemctl is-active containerd']);
    expect(exitCodes).toEqual([3, 0]);
  });

  it('answers as the real programs do to what they do not know', async () => {
    const [shell] = await start(1);
    if (!shell) throw new Error('no shell');
    const unknown = {
      'apt-get frobnicate': 100,
      'apt-get -y install no-such-package': 100,
      'apt-get --frobnicate update': 100,
      'dnf frobnicate': 1,
      'systemctl frobnicate': 1,
      'dpkg --frobnicate': 2,
      'dpkg-query -W no-such-package': 1,
      'fwupdmgr frobnicate': 1,
      'uname --frobnicate': 1,
      'kexec -l /boot/vmlinuz': 1,
    };
    const { exitCodes } = await runAll(shell, Object.keys(unknown));
    expect(exitCodes).toEqual(Object.values(unknown));
  });

  it('tells versions as dpkg and linux-version do', async () => {
    const [shell] = await start(1);
    if (!shell) throw new Error('no shell');
    const script = `dpkg --compare-versions 6.1.0-9 lt 6.1.0-10 && linux-version list && uname -sr
      dpkg-query -W -f='\${Package}=\${Version}\\n' linux-image-amd64; needrestart -b -k; hostname; id -un`;
    expect((await runAll(shell, [script])).text.split('\n')).toEqual([
      '6.1.0-30-amd64',
      'Linux 6.1.0-30-amd64',
      'linux-image-amd64=6.1.0-30-1',
      'NEEDRESTART-VER: 3.6',
      'NEEDRESTART-KCUR: 6.1.0-30-amd64',
      'NEEDRESTART-KEXP: 6.1.0-30-amd64',
      'NEEDRESTART-KSTA: 1',
      'rack1-1',
      'root',
      '',
    ]);
  });

  it('leads scripts to its folder, also those that name a program by its whole path', async () => {
    const [shell] = await start(1);
    if (!shell) throw new Error('no shell');
    const { root = '' } = lab.endpoints.get('rack1-1') ?? {};
    const script = `echo setting >/etc/example.conf; /usr/bin/uname -r; ls /boot; echo gone >/run/volatile`;
    expect((await runAll(shell, [script])).text).toBe(
      '6.1.0-30-amd64\ninitrd.img-6.1.0-30-amd64\nvmlinuz-6.1.0-30-amd64\n',
    );
    expect(readFileSync(join(root, 'etc/example.conf'), 'utf8')).toBe('setting\n');
    // The machine goes down in the middle of it, or just after it.
    const { exitCodes } = await runAll(shell, ['/sbin/reboot']);
    expect([-1, 0]).toContain(exitCodes[0]);
    await expect.poll(() => machines[0]?.boots).toBe(1);
    expect(existsSync(join(root, 'etc/example.conf'))).toBe(true);
    expect(existsSync(join(root, 'run/volatile'))).toBe(false);
  });

  it('lets nobody in while the machine is down, and says nothing while it hangs', async () => {
    const [shell] = await start(1);
    const [machine] = machines;
    if (!shell || !machine) throw new Error('no shell');
    await shell.readFacts(forever);
    machine.setPower('off');
    await expect
      .poll(async () => (await failureOf(shell.readFacts(forever))).code, { timeout: 10_000 })
      .toBe('ssh/unreachable');
    machine.setPower('on');
    await expect.poll(() => machine.system, { timeout: 10_000 }).toBe('up');
    machine.faults.sshHangs = true;
    const error = await failureOf(shellOf('rack1-1').readFacts(forever));
    expect(error).toMatchObject({ code: 'ssh/timeout', disposition: 'retry' });
  });

  it('ends every process of a machine when it goes down, and all of them when the lab stops', async () => {
    const [shell, other] = await start(2);
    if (!shell || !other) throw new Error('no shell');
    const roots = machines.map(({ name }) => lab.endpoints.get(name)?.root ?? '');
    const stop = new AbortController();
    const work = [shell, other].map((each) =>
      each.run(command('long', '(setsid sleep 600 &) ; sleep 601'), stop.signal).catch(() => undefined),
    );
    for (const root of roots) await expect.poll(() => countOf(root), { timeout: 10_000 }).toBeGreaterThan(3);
    machines[0]?.setPower('off');
    await expect.poll(() => countOf(roots[0]), { timeout: 10_000 }).toBe(0);
    // Whoever follows a command starts a short process now and then, so one look may miss it.
    await expect.poll(() => countOf(roots[1]), { timeout: 10_000 }).toBeGreaterThan(3);
    stop.abort();
    await Promise.all(work);
    await lab.stop();
    expect(await countOf(roots[1])).toBe(0);
  });

  it('comes back with the old kernel where the boot loader does not know the new one', async () => {
    const [shell] = await start(1, { bootsOldKernel: true });
    if (!shell) throw new Error('no shell');
    await runAll(shell, ['apt-get -y install linux-image-amd64']);
    await rebootedBy(shell);
    expect(await shell.readFacts(forever)).toMatchObject({ kernel: '6.1.0-30-amd64', newestKernel: '6.1.0-31-amd64' });
  });

  it('holds a hundred machines in one process', async () => {
    const all = await start(100);
    const facts: string[] = [];
    // Ten at a time: what is asked is whether they are there, not how many shells two cores can start at once.
    for (let at = 0; at < all.length; at += 10) {
      const some = await Promise.all(all.slice(at, at + 10).map((shell) => shell.readFacts(forever)));
      facts.push(...some.map(({ bootId }) => bootId));
    }
    expect(new Set(facts).size).toBe(100);
  }, 120_000);
});
