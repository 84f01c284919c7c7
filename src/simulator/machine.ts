/**
 * One simulated physical server: power, boot, kernels, event log, and the faults that can be switched on.
 *
 * It knows nothing of Kubernetes and of protocols: the BMC and the shell of the simulator, and the lab's real `ipmi_sim`
 * and SSH servers, are doors to this one machine. It counts what must never happen twice.
 */
import type { Clock, Random } from '../ports/clock.ts';
import type { BootDevice, PowerState, SelEntry, SensorReading } from '../ports/bmc.ts';

/** What the operating system is doing. `hung`: powered, but nobody answers any more. */
export type SystemState = 'down' | 'booting' | 'up' | 'shuttingDown' | 'hung';

export interface MachineFaults {
  /** The BMC does not answer at all. */
  bmcSilent: boolean;
  /** The next so many BMC requests fail with a retryable answer. */
  bmcBusyTimes: number;
  /** The next so many `off` requests are taken and not obeyed: the BMC lies. */
  bmcIgnoresOffTimes: number;
  /** The BMC refuses the user and password that it took before. */
  bmcRefusesPassword: boolean;
  /** SSH accepts the connection and then says nothing. */
  sshHangs: boolean;
  /** A reboot asked of the operating system hangs it on the way down; only the BMC helps. */
  shutdownHangs: boolean;
  /** Whatever is done, the system never comes up again. */
  neverBoots: boolean;
  /** It says it rebooted and comes back with the boot id of before. */
  keepsBootId: boolean;
  /** It boots the old kernel again. */
  bootsOldKernel: boolean;
}

const noFaults: MachineFaults = {
  bmcSilent: false,
  bmcBusyTimes: 0,
  bmcIgnoresOffTimes: 0,
  bmcRefusesPassword: false,
  sshHangs: false,
  shutdownHangs: false,
  neverBoots: false,
  keepsBootId: false,
  bootsOldKernel: false,
};

export interface MachineOptions {
  readonly name: string;
  readonly kernel: string;
  /** What an update installs. */
  readonly updatedKernel: string;
  readonly bootMs: number;
  readonly shutdownMs: number;
  readonly faults?: Partial<MachineFaults>;
  /** How it is found; left out: up, with a boot id of its own. */
  readonly bootId?: string | undefined;
  readonly system?: SystemState | undefined;
}

export class Machine {
  readonly name: string;
  readonly options: MachineOptions;
  readonly faults: MachineFaults;
  power: PowerState = 'on';
  system: SystemState = 'up';
  bootId: string;
  kernel: string;
  readonly installedKernels: string[];
  failedUnits: string[] = [];
  readonly sel: SelEntry[] = [];
  sensors: SensorReading[] = [
    { name: 'Inlet Temp', value: '23 degrees C', status: 'ok' },
    { name: 'PSU1 Status', value: 'Presence detected', status: 'ok' },
  ];
  /** Set through the BMC for the next boot only; what the last boot used is kept for the checkers. */
  nextBootDevice: BootDevice | undefined;
  lastBootDevice: BootDevice = 'disk';
  /** How often the power went from off to on, and how often the system started: for the checkers. */
  powerCycles = 0;
  boots = 0;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #listeners = new Set<() => void>();
  /** Grows with every power or boot transition, so that a timer of an earlier one does nothing. */
  #generation = 0;

  constructor(options: MachineOptions, clock: Clock, random: Random) {
    this.options = options;
    this.name = options.name;
    this.faults = { ...noFaults, ...options.faults };
    this.kernel = options.kernel;
    this.installedKernels = [options.kernel];
    this.#clock = clock;
    this.#random = random;
    this.bootId = options.bootId ?? this.#newBootId();
    this.system = options.system ?? 'up';
  }

  /** Called after every change of power or system state. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What `apt-get install` or `dnf update` does: idempotent. */
  installUpdatedKernel(): void {
    if (!this.installedKernels.includes(this.options.updatedKernel)) {
      this.installedKernels.push(this.options.updatedKernel);
    }
  }

  get newestKernel(): string {
    return this.installedKernels.at(-1) ?? this.kernel;
  }

  get needsReboot(): boolean {
    return this.kernel !== this.newestKernel;
  }

  /** The operating system is asked to reboot (`systemctl reboot`). */
  requestReboot(): void {
    if (this.system !== 'up') return;
    if (this.#startsShutdown()) this.#later(this.options.shutdownMs, () => this.#boot());
  }

  /** A hard power request, as the chassis obeys it. */
  setPower(state: PowerState): void {
    if (state === this.power) return;
    // The log speaks as `ipmitool` does, so that what is read through either door looks alike.
    if (state === 'off') {
      if (this.faults.bmcIgnoresOffTimes > 0) {
        this.faults.bmcIgnoresOffTimes -= 1;
        return;
      }
      this.power = 'off';
      this.recordSel('Power Unit', 'Power off/down', false);
      this.#transition({ system: 'down' });
      return;
    }
    this.power = 'on';
    this.powerCycles += 1;
    this.recordSel('System ACPI Power State', 'S0/G0: working', false);
    this.#boot();
  }

  /** ACPI shutdown request (`chassis power soft`): powers off where the system still listens, else nothing happens. */
  requestSoftOff(): void {
    if (this.system !== 'up' || !this.#startsShutdown()) return;
    this.#later(this.options.shutdownMs, () => {
      this.power = 'off';
      this.recordSel('System ACPI Power State', 'S5/G2: soft-off', false);
      this.#transition({ system: 'down' });
    });
  }

  recordSel(sensor: string, event: string, critical: boolean): void {
    const time = new Temporal.Instant(BigInt(this.#clock.nowMs()) * 1_000_000n).toString();
    this.sel.push({ id: this.sel.length + 1, time, sensor, event, critical });
  }

  /** Goes down in an orderly way, or hangs on the way. */
  #startsShutdown(): boolean {
    this.#transition({ system: 'shuttingDown' });
    if (!this.faults.shutdownHangs) return true;
    this.#transition({ system: 'hung' });
    this.recordSel('OS Critical Stop', 'Run-time critical stop', false);
    return false;
  }

  #boot(): void {
    this.#transition({ system: 'booting' });
    this.lastBootDevice = this.nextBootDevice ?? 'disk';
    this.nextBootDevice = undefined;
    if (this.faults.neverBoots) return;
    this.#later(this.options.bootMs, () => {
      this.boots += 1;
      if (!this.faults.keepsBootId) this.bootId = this.#newBootId();
      if (!this.faults.bootsOldKernel) this.kernel = this.newestKernel;
      this.#transition({ system: 'up' });
    });
  }

  #later(durationMs: number, act: () => void): void {
    const generation = this.#generation;
    void this.#clock.sleep(durationMs).then(() => {
      if (this.#generation === generation) act();
    });
  }

  #transition(change: { system: SystemState }): void {
    this.#generation += 1;
    this.system = change.system;
    for (const listener of this.#listeners) listener();
  }

  #newBootId(): string {
    const hex = this.#random.id(32).replaceAll(/[^0-9a-f]/g, (letter) => (letter.charCodeAt(0) % 16).toString(16));
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
  }
}
