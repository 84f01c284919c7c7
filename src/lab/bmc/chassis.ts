/** What a lab's BMC drives and looks at: a simulated machine, or a server of the node lab. It only names what is needed of either. */
import type { BootDevice, PowerState, SelEntry, SensorReading } from '../../ports/bmc.ts';
import type { MachineFaults } from '../../simulator/machine.ts';

export interface Chassis {
  readonly name: string;
  readonly power: PowerState;
  /** Only grows. */
  readonly sel: readonly SelEntry[];
  /** Kind and step of each stay as they were when the BMC was started. */
  readonly sensors: readonly SensorReading[];
  readonly faults: Pick<MachineFaults, 'bmcSilent' | 'bmcBusyTimes' | 'bmcRefusesPassword'>;
  nextBootDevice: BootDevice | undefined;
  /** At once, as a chassis obeys; where it is that already, nothing. */
  setPower(state: PowerState): void;
  /** Asks the operating system, and promises nothing. */
  requestSoftOff(): void;
}
