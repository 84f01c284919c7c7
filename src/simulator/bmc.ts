/**
 * The BMC of a simulated machine, as the `Bmc` port: virtual time, the faults of the machine, one command at a time.
 *
 * It promises what the contract suite holds both it and the real adapter to, and nothing more.
 */
import { abortable } from '../errors/abortable.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Bmc, BootDevice, PowerRequest, PowerState, SelEntry, SensorReading } from '../ports/bmc.ts';
import type { Clock } from '../ports/clock.ts';
import type { Machine } from './machine.ts';

export interface SimulatedBmcOptions {
  /** How long a command takes. */
  readonly latencyMs?: number;
  /** After which a silent BMC is given up. */
  readonly silenceMs?: number;
  readonly minCommandIntervalMs?: number;
}

export class SimulatedBmc implements Bmc {
  readonly #machine: Machine;
  readonly #clock: Clock;
  readonly #latencyMs: number;
  readonly #silenceMs: number;
  readonly #minCommandIntervalMs: number;
  #last: Promise<void> = Promise.resolve();
  #freeAtMs = Number.NEGATIVE_INFINITY;

  constructor(machine: Machine, clock: Clock, options: SimulatedBmcOptions = {}) {
    this.#machine = machine;
    this.#clock = clock;
    this.#latencyMs = options.latencyMs ?? 50;
    this.#silenceMs = options.silenceMs ?? 10_000;
    this.#minCommandIntervalMs = options.minCommandIntervalMs ?? 0;
  }

  async readPower(signal: AbortSignal): Promise<PowerState> {
    return await this.#command(signal, () => this.#machine.power);
  }

  async requestPower(request: PowerRequest, signal: AbortSignal): Promise<void> {
    await this.#command(signal, () => {
      if (request === 'soft') this.#machine.requestSoftOff();
      else this.#machine.setPower(request);
    });
  }

  async readSel(signal: AbortSignal): Promise<SelEntry[]> {
    return await this.#command(signal, () => this.#machine.sel.map((entry) => ({ ...entry })));
  }

  async readSensors(signal: AbortSignal): Promise<SensorReading[]> {
    return await this.#command(signal, () => this.#machine.sensors.map((reading) => ({ ...reading })));
  }

  async setBootDevice(device: BootDevice, signal: AbortSignal): Promise<void> {
    await this.#command(signal, () => {
      this.#machine.nextBootDevice = device;
    });
  }

  async #command<T>(signal: AbortSignal, act: () => T): Promise<T> {
    const before = this.#last;
    const turn = Promise.withResolvers<void>();
    this.#last = before.then(() => turn.promise);
    try {
      await abortable(before, signal);
      await this.#clock.sleep(Math.max(0, this.#freeAtMs - this.#clock.nowMs()), signal);
      try {
        await this.#meetFaults(signal);
        return act();
      } finally {
        this.#freeAtMs = this.#clock.nowMs() + this.#minCommandIntervalMs;
      }
    } finally {
      turn.resolve();
    }
  }

  async #meetFaults(signal: AbortSignal): Promise<void> {
    const { faults, name } = this.#machine;
    const details = { server: name };
    if (faults.bmcSilent) {
      await this.#clock.sleep(this.#silenceMs, signal);
      throw new MaintenanceError('bmc/unreachable', 'retry', `the BMC of ${name} does not answer`, { details });
    }
    await this.#clock.sleep(this.#latencyMs, signal);
    if (faults.bmcBusyTimes > 0) {
      faults.bmcBusyTimes -= 1;
      throw new MaintenanceError('bmc/busy', 'retry', `the BMC of ${name} is too busy to answer`, { details });
    }
    if (faults.bmcRefusesPassword) {
      const message = `the BMC of ${name} refuses this user or password`;
      throw new MaintenanceError('bmc/password', 'halt', message, { details });
    }
  }
}
