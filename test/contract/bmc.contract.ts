/** What every `Bmc` keeps, whether it is simulated or a real BMC over the wire. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { Bmc, PowerState } from '../../src/ports/bmc.ts';
import type { Machine } from '../../src/simulator/machine.ts';

export interface BmcWorld {
  readonly machine: Machine;
  readonly bmc: Bmc;
  /** The same BMC, asked with a password that it does not take. */
  readonly intruder: Bmc;
  /** The same BMC, with this pause between two commands. */
  withPause(pauseMs: number): Bmc;
  nowMs(): number;
  /** Lets time pass, real or virtual, until the promise has settled. */
  drive<T>(promise: Promise<T>): Promise<T>;
  sleep(durationMs: number): Promise<void>;
  stop(): Promise<void>;
}

const never = new AbortController().signal;

export function bmcContract(name: string, start: () => Promise<BmcWorld>): void {
  describe(`a BMC, ${name}`, () => {
    let world: BmcWorld;
    beforeEach(async () => {
      world = await start();
    });
    afterEach(async () => {
      await world.stop();
    });

    const power = async (): Promise<PowerState> => await world.drive(world.bmc.readPower(never));
    const request = async (what: 'on' | 'off' | 'soft'): Promise<void> =>
      await world.drive(world.bmc.requestPower(what, never));
    const failureOf = async (promise: Promise<unknown>): Promise<MaintenanceError> => {
      const error: unknown = await world.drive(
        promise.then(
          () => undefined,
          (reason: unknown) => reason,
        ),
      );
      expect(error).toBeInstanceOf(MaintenanceError);
      return error as MaintenanceError;
    };
    const until = async (holds: () => boolean): Promise<void> => {
      for (let round = 0; round < 400 && !holds(); round += 1) await world.drive(world.sleep(25));
      expect(holds()).toBe(true);
    };

    test('off, read back, on, read back: the power stays on', async () => {
      expect(await power()).toBe('on');
      await request('off');
      expect(await power()).toBe('off');
      await request('on');
      expect(await power()).toBe('on');
      expect(world.machine.powerCycles).toBe(1);
    });

    test('a request that already holds is taken and changes nothing', async () => {
      await request('on');
      expect(world.machine.powerCycles).toBe(0);
      await request('off');
      await request('off');
      expect(await power()).toBe('off');
      await request('soft');
      expect(await power()).toBe('off');
      await request('on');
      await request('on');
      expect(world.machine.powerCycles).toBe(1);
    });

    test('a soft request shuts the system down, which then switches itself off', async () => {
      await request('soft');
      await until(() => world.machine.power === 'off');
      expect(await power()).toBe('off');
    });

    test('a soft request to a hung system changes nothing', async () => {
      world.machine.faults.shutdownHangs = true;
      await request('soft');
      expect(world.machine.system).toBe('hung');
      expect(await power()).toBe('on');
    });

    test('a BMC that takes `off` and does not obey is seen by reading back', async () => {
      world.machine.faults.bmcIgnoresOffTimes = 1;
      await request('off');
      expect(await power()).toBe('on');
      await request('off');
      expect(await power()).toBe('off');
    });

    test('the event log only grows, and its numbers tell new entries from old', async () => {
      expect(await world.drive(world.bmc.readSel(never))).toEqual([]);
      await request('off');
      await request('on');
      const log = await world.drive(world.bmc.readSel(never));
      expect(log.map(({ id, event, critical }) => [id, event, critical])).toEqual([
        [1, 'Power off/down', false],
        [2, 'S0/G0: working', false],
      ]);
      expect(log.map(({ sensor }) => sensor)).toEqual([
        expect.stringMatching(/^Power Unit/),
        expect.stringMatching(/^System ACPI Power State/),
      ]);
      expect(log.every(({ time }) => time !== '')).toBe(true);
      world.machine.recordSel('Memory', 'Uncorrectable ECC', true);
      const later = await world.drive(world.bmc.readSel(never));
      expect(later.slice(0, 2)).toEqual(log);
      expect(later.slice(2)).toEqual([expect.objectContaining({ id: 3, event: 'Uncorrectable ECC', critical: true })]);
    });

    test('an event that has no standard record is critical all the same', async () => {
      world.machine.recordSel('Backplane', 'smells of smoke', true);
      const log = await world.drive(world.bmc.readSel(never));
      expect(log.map(({ id, critical }) => [id, critical])).toEqual([[1, true]]);
    });

    test('more than fifteen entries are counted on', async () => {
      for (let round = 0; round < 20; round += 1) world.machine.recordSel('Memory', 'Correctable ECC', false);
      const log = await world.drive(world.bmc.readSel(never));
      expect(log.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    });

    test('sensors tell what is well from what is not', async () => {
      expect(await world.drive(world.bmc.readSensors(never))).toEqual(world.machine.sensors);
      world.machine.sensors = [
        { name: 'Inlet Temp', value: '61 degrees C', status: 'critical' },
        { name: 'PSU1 Status', value: 'Presence detected, Predictive failure', status: 'warning' },
      ];
      expect(await world.drive(world.bmc.readSensors(never))).toEqual(world.machine.sensors);
    });

    test.for(['pxe', 'disk', 'bios'] as const)('the boot device %s is set for one boot', async (device) => {
      await world.drive(world.bmc.setBootDevice(device, never));
      expect(world.machine.nextBootDevice).toBe(device);
      await request('off');
      await request('on');
      expect(world.machine.lastBootDevice).toBe(device);
      expect(world.machine.nextBootDevice).toBeUndefined();
    });

    test('a silent BMC is unreachable, which is worth another try', async () => {
      world.machine.faults.bmcSilent = true;
      expect(await failureOf(world.bmc.readPower(never))).toMatchObject({
        code: 'bmc/unreachable',
        disposition: 'retry',
      });
      world.machine.faults.bmcSilent = false;
      expect(await power()).toBe('on');
    });

    test('a busy BMC is worth another try, and does nothing meanwhile', async () => {
      world.machine.faults.bmcBusyTimes = 2;
      expect(await failureOf(world.bmc.requestPower('off', never))).toMatchObject({
        code: 'bmc/busy',
        disposition: 'retry',
      });
      expect(world.machine.power).toBe('on');
      expect(await failureOf(world.bmc.readPower(never))).toMatchObject({ code: 'bmc/busy' });
      expect(await power()).toBe('on');
    });

    test('a wrong password halts: trying again locks accounts', async () => {
      const expected = { code: 'bmc/password', disposition: 'halt' };
      expect(await failureOf(world.intruder.readPower(never))).toMatchObject(expected);
      expect(await failureOf(world.intruder.requestPower('off', never))).toMatchObject(expected);
      expect(await failureOf(world.intruder.readSel(never))).toMatchObject(expected);
      expect(world.machine.power).toBe('on');
    });

    test('a password that is refused from now on halts', async () => {
      expect(await power()).toBe('on');
      world.machine.faults.bmcRefusesPassword = true;
      expect(await failureOf(world.bmc.readPower(never))).toMatchObject({ code: 'bmc/password', disposition: 'halt' });
    });

    test('commands follow each other in order, with the pause between them', async () => {
      const pauseMs = 300;
      const bmc = world.withPause(pauseMs);
      const startedMs = world.nowMs();
      const seen: string[] = [];
      const note = async (what: string, promise: Promise<unknown>): Promise<void> => {
        await promise;
        seen.push(`${what} ${world.machine.power}`);
      };
      await world.drive(
        Promise.all([
          note('off', bmc.requestPower('off', never)),
          note('read', bmc.readPower(never)),
          note('on', bmc.requestPower('on', never)),
        ]),
      );
      expect(seen).toEqual(['off off', 'read off', 'on on']);
      expect(world.nowMs() - startedMs).toBeGreaterThanOrEqual(2 * pauseMs);
    });

    test('an abort ends the waiting for a turn at once, and those behind still get theirs', async () => {
      const bmc = world.withPause(60 * 60_000);
      await world.drive(bmc.readPower(never));
      const controller = new AbortController();
      const waiting = bmc.requestPower('off', controller.signal);
      const behind = new AbortController();
      const alsoWaiting = bmc.requestPower('off', behind.signal);
      controller.abort(new Error('enough'));
      await expect(waiting).rejects.toThrow('enough');
      behind.abort(new Error('enough too'));
      await expect(alsoWaiting).rejects.toThrow('enough too');
      expect(world.machine.power).toBe('on');
    });

    test('an abort ends a command that a silent BMC holds up', async () => {
      world.machine.faults.bmcSilent = true;
      const controller = new AbortController();
      const reading = world.bmc.readPower(controller.signal);
      controller.abort(new Error('enough'));
      await expect(reading).rejects.toThrow('enough');
      await expect(world.bmc.readPower(controller.signal)).rejects.toThrow('enough');
    });
  });
}
