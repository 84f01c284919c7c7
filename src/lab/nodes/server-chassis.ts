/**
 * The chassis of a lab server, for its BMC: power that goes off and on under the server, at once and whatever runs there.
 *
 * It decides nothing about the server's system; that goes down and comes up as the lab has it.
 */
import type { BootDevice, PowerState, SelEntry, SensorReading } from '../../ports/bmc.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Chassis } from '../bmc/chassis.ts';

export interface ChassisServer {
  readonly name: string;
  /** The plug. */
  powerOff(): Promise<void>;
  powerOn(): Promise<void>;
  /** The power button, for as long as a system listens to it. */
  pressButton(): Promise<void>;
  /** Of what went wrong long after the BMC had said yes. */
  say(text: string, facts: Readonly<Record<string, string>>): void;
}

export class ServerChassis implements Chassis {
  readonly name: string;
  readonly sel: SelEntry[] = [];
  readonly sensors: readonly SensorReading[] = [{ name: 'Inlet Temp', value: '23 degrees C', status: 'ok' }];
  readonly faults = { bmcSilent: false, bmcBusyTimes: 0, bmcRefusesPassword: false };
  nextBootDevice: BootDevice | undefined;
  #power: PowerState = 'on';
  readonly #server: ChassisServer;
  readonly #clock: Clock;
  /** One after the other: a server that is still coming up cannot be switched off at the same time. */
  #last: Promise<void> = Promise.resolve();

  constructor(server: ChassisServer, clock: Clock) {
    this.name = server.name;
    this.#server = server;
    this.#clock = clock;
  }

  get power(): PowerState {
    return this.#power;
  }

  setPower(state: PowerState): void {
    if (state === this.#power) return;
    this.#power = state;
    if (state === 'off') this.#record('Power Unit', 'Power off/down');
    else this.#record('System ACPI Power State', 'S0/G0: working');
    this.#then(() => (state === 'off' ? this.#server.powerOff() : this.#server.powerOn()));
  }

  requestSoftOff(): void {
    if (this.#power === 'on') this.#then(() => this.#server.pressButton());
  }

  /** The system has switched it off, by itself or because it was asked to. */
  onSystemOff(): void {
    if (this.#power === 'off') return;
    this.#power = 'off';
    this.#record('System ACPI Power State', 'S5/G2: soft-off');
  }

  #then(act: () => Promise<void>): void {
    this.#last = this.#last
      .then(act)
      .catch((error: unknown) => this.#server.say('a server did not obey its chassis', { error: String(error) }));
  }

  #record(sensor: string, event: string): void {
    const time = new Temporal.Instant(BigInt(this.#clock.nowMs()) * 1_000_000n).toString();
    this.sel.push({ id: this.sel.length + 1, time, sensor, event, critical: false });
  }
}
