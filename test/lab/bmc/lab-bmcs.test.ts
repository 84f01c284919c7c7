/** Real `ipmi_sim` processes: each drives its own machine, and none is left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { IpmitoolBmc } from '../../../src/adapters/ipmitool/ipmitool-bmc.ts';
import { BmcLanes } from '../../../src/adapters/ipmitool/lanes.ts';
import { SystemClock } from '../../../src/adapters/system/system-clock.ts';
import { startLabBmcs, type LabBmcs } from '../../../src/lab/bmc/lab-bmcs.ts';
import { Machine } from '../../../src/simulator/machine.ts';
import { SeededRandom } from '../../../src/simulator/seeded-random.ts';

const never = new AbortController().signal;
const clock = new SystemClock();
let folder = '';
const labs: LabBmcs[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pitcrew-lab-bmc-'));
});
afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.stop();
  await rm(folder, { recursive: true, force: true });
});

function machinesNamed(names: readonly string[]): Machine[] {
  const common = { kernel: 'a', updatedKernel: 'b', bootMs: 50, shutdownMs: 50 };
  return names.map((name) => new Machine({ name, ...common }, clock, new SeededRandom(3)));
}

async function start(machines: readonly Machine[], password = 'lab-password'): Promise<LabBmcs> {
  const lab = await startLabBmcs(machines, { folder, user: 'pitcrew', password });
  labs.push(lab);
  return lab;
}

function bmcOf(lab: LabBmcs, name: string): IpmitoolBmc {
  const endpoint = lab.endpoints.get(name);
  if (!endpoint) throw new Error(`no BMC for ${name}`);
  return new IpmitoolBmc({
    target: { ...endpoint, user: 'pitcrew', privilege: 'administrator' },
    readPassword: async () => 'lab-password',
    lane: new BmcLanes(clock).of(endpoint.address, endpoint.port),
    minCommandIntervalMs: 0,
  });
}

/** Gone, or a zombie that only waits for its parent to look. */
async function isGone(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}

async function untilGone(pids: readonly number[]): Promise<void> {
  for (let round = 0; round < 400; round += 1) {
    const gone = await Promise.all(pids.map(isGone));
    if (gone.every(Boolean)) return;
    await clock.sleep(25);
  }
  throw new Error('still running');
}

test('each BMC drives its own machine', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `node-${index}`);
  const machines = machinesNamed(names);
  const lab = await start(machines);
  expect([...lab.endpoints.keys()].sort()).toEqual([...names].sort());
  expect(new Set([...lab.endpoints.values()].map(({ port }) => port)).size).toBe(12);
  await bmcOf(lab, 'node-5').requestPower('off', never);
  expect(machines.map(({ power }) => power)).toEqual(names.map((name) => (name === 'node-5' ? 'off' : 'on')));
  // Changed behind the BMC's back, as by a power button: it knows at once.
  machines[7]?.setPower('off');
  expect(await bmcOf(lab, 'node-7').readPower(never)).toBe('off');
  expect(await bmcOf(lab, 'node-8').readPower(never)).toBe('on');
});

test('after stop no process is left, and no file', async () => {
  const lab = await start(machinesNamed(['a', 'b', 'c']));
  const pids = [...lab.endpoints.values()].map(({ processId }) => processId);
  expect(await Promise.all(pids.map(isGone))).toEqual([false, false, false]);
  await lab.stop();
  await lab.stop();
  expect(await Promise.all(pids.map(isGone))).toEqual([true, true, true]);
  expect(await readdir(folder)).toEqual(['door.sh']);
});

test('a lab that cannot start one BMC stops the others, and says why', async () => {
  // Its configuration has no way to write a name like this; the others do start.
  await expect(start(machinesNamed(['a', 'b', 'with "quotes"', 'd']))).rejects.toMatchObject({
    code: 'host/missing-program',
    details: { server: 'with "quotes"' },
  });
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const lines = await Promise.all(
    pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  expect(lines.some((line) => line !== '')).toBe(true);
  expect(lines.filter((line) => line.includes(folder))).toEqual([]);
});

test('what a BMC refuses is told apart: cipher suite, user', async () => {
  const lab = await start(machinesNamed(['a']));
  const endpoint = lab.endpoints.get('a') ?? { address: '', port: 0, cipherSuite: 3 };
  const bmcWith = (change: { cipherSuite?: number; user?: string }): IpmitoolBmc =>
    new IpmitoolBmc({
      target: { ...endpoint, user: 'pitcrew', privilege: 'administrator', ...change },
      readPassword: async () => 'lab-password',
      lane: new BmcLanes(clock).of(endpoint.address, endpoint.port),
      minCommandIntervalMs: 0,
    });
  const suite = { code: 'bmc/cipher-suite', disposition: 'halt' };
  await expect(bmcWith({ cipherSuite: 17 }).readPower(never)).rejects.toMatchObject(suite);
  await expect(bmcWith({ cipherSuite: 17 }).readSel(never)).rejects.toMatchObject(suite);
  const user = { code: 'bmc/password', disposition: 'halt' };
  await expect(bmcWith({ user: 'nobody' }).readPower(never)).rejects.toMatchObject(user);
  await expect(bmcWith({ user: 'a-user-name-too-long' }).readPower(never)).rejects.toMatchObject(user);
});

test('the privilege of an operator is enough for all that is asked of a BMC', async () => {
  const machines = machinesNamed(['a']);
  const lab = await start(machines);
  const endpoint = lab.endpoints.get('a') ?? { address: '', port: 0, cipherSuite: 3 };
  const bmc = new IpmitoolBmc({
    target: { ...endpoint, user: 'pitcrew', privilege: 'operator' },
    readPassword: async () => 'lab-password',
    lane: new BmcLanes(clock).of(endpoint.address, endpoint.port),
    minCommandIntervalMs: 0,
  });
  await bmc.setBootDevice('bios', never);
  await bmc.requestPower('off', never);
  expect(await bmc.readPower(never)).toBe('off');
  await bmc.requestPower('on', never);
  expect(machines[0]?.lastBootDevice).toBe('bios');
  expect(await bmc.readSel(never)).toHaveLength(2);
  expect(await bmc.readSensors(never)).toHaveLength(2);
});

test('where the parent is killed outright, the BMCs go with it, silent ones too', async () => {
  const parent = spawn(process.execPath, [join(import.meta.dirname, 'orphan.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(createInterface({ input: parent.stdout }), 'line', {
      signal: AbortSignal.timeout(20_000),
    })) as [string];
    const pids = JSON.parse(line) as number[];
    expect(pids).toHaveLength(3);
    expect(await Promise.all(pids.map(isGone))).toEqual([false, false, false]);
    parent.kill('SIGKILL');
    await untilGone(pids);
  } finally {
    parent.kill('SIGKILL');
  }
});
