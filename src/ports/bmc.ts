/**
 * The baseboard management controller of one server. Every method may be called any number of times.
 *
 * There is deliberately no `cycle`: BMCs report it as done while the power stays off, so the engine asks for off,
 * reads that it is off, and asks for on.
 */

export type PowerState = 'on' | 'off';

/** `off` is hard; `soft` asks the operating system over ACPI and promises nothing. */
export type PowerRequest = 'on' | 'off' | 'soft';

export interface SelEntry {
  /** Record number in the system event log. */
  readonly id: number;
  /** As the BMC states it: local time of the BMC, or its uptime before the clock was set. */
  readonly time: string;
  readonly sensor: string;
  readonly event: string;
  readonly critical: boolean;
}

export interface SensorReading {
  readonly name: string;
  readonly value: string;
  /** `critical` covers the lower and upper critical and non-recoverable thresholds. */
  readonly status: 'ok' | 'warning' | 'critical' | 'unavailable';
}

export type BootDevice = 'disk' | 'pxe' | 'bios';

export interface Bmc {
  readPower(signal: AbortSignal): Promise<PowerState>;
  /** Returns when the BMC has taken the request. Whether it obeyed is asked with `readPower`. */
  requestPower(request: PowerRequest, signal: AbortSignal): Promise<void>;
  readSel(signal: AbortSignal): Promise<SelEntry[]>;
  readSensors(signal: AbortSignal): Promise<SensorReading[]>;
  /** For the next boot only, then read back. */
  setBootDevice(device: BootDevice, signal: AbortSignal): Promise<void>;
}
