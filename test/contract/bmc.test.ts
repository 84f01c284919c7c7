/** The BMC contract, for the simulator in virtual time and for ipmitool against real `ipmi_sim` processes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IpmitoolBmc } from '../../src/adapters/ipmitool/ipmitool-bmc.ts';
import { BmcLanes } from '../../src/adapters/ipmitool/lanes.ts';
import { writeShortVendorList } from '../../src/adapters/ipmitool/vendor-list.ts';
import { SystemClock } from '../../src/adapters/system/system-clock.ts';
import { startLabBmcs } from '../../src/lab/bmc/lab-bmcs.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { SimulatedBmc } from '../../src/simulator/bmc.ts';
import { Machine } from '../../src/simulator/machine.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { bmcContract, type BmcWorld } from './bmc.contract.ts';

function machineOn(clock: Clock): Machine {
  const options = { name: 'rack1-01', kernel: '6.12.1', updatedKernel: '6.12.2', bootMs: 100, shutdownMs: 100 };
  return new Machine(options, clock, new SeededRandom(7));
}

bmcContract('simulated', async () => {
  const clock = new VirtualClock(Date.UTC(2026, 6, 1));
  const machine = machineOn(clock);
  const refusing = machineOn(clock);
  refusing.faults.bmcRefusesPassword = true;
  return {
    machine,
    bmc: new SimulatedBmc(machine, clock),
    intruder: new SimulatedBmc(refusing, clock),
    withPause: (minCommandIntervalMs) => new SimulatedBmc(machine, clock, { minCommandIntervalMs }),
    nowMs: () => clock.nowMs(),
    drive: async (promise) => {
      let settled = false;
      const noticed = promise.finally(() => {
        settled = true;
      });
      noticed.catch(() => undefined);
      await clock.run(() => settled);
      return await noticed;
    },
    sleep: async (durationMs) => await clock.sleep(durationMs),
    stop: async () => undefined,
  } satisfies BmcWorld;
});

bmcContract('ipmitool and ipmi_sim', async () => {
  const clock = new SystemClock();
  const machine = machineOn(clock);
  const folder = await mkdtemp(join(tmpdir(), 'pitcrew-bmc-'));
  const lab = await startLabBmcs([machine], { folder, user: 'pitcrew', password: 'right-password' });
  const endpoint = lab.endpoints.get(machine.name);
  if (!endpoint) throw new Error('the lab started no BMC');
  const lanes = new BmcLanes(clock);
  // As the daemon does: what the BMC says must not depend on it.
  const home = join(folder, 'home');
  await writeShortVendorList(home);
  const bmcWith = (password: string, minCommandIntervalMs: number): IpmitoolBmc =>
    new IpmitoolBmc({
      target: { ...endpoint, user: 'pitcrew', privilege: 'administrator' },
      readPassword: async () => password,
      lane: lanes.of(endpoint.address, endpoint.port),
      minCommandIntervalMs,
      timing: { answerSeconds: 1, tries: 1 },
      home,
    });
  return {
    machine,
    bmc: bmcWith('right-password', 0),
    intruder: bmcWith('wrong-password', 0),
    withPause: (pauseMs) => bmcWith('right-password', pauseMs),
    nowMs: () => clock.nowMs(),
    drive: async (promise) => await promise,
    sleep: async (durationMs) => await clock.sleep(durationMs),
    stop: async () => {
      await lab.stop();
      await rm(folder, { recursive: true, force: true });
    },
  } satisfies BmcWorld;
});
