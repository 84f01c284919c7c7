/**
 * Reads what `ipmitool` 1.8.19 prints. Pure; every shape here was seen, and is kept in the tests.
 *
 * `undefined` means: this is not such an answer. It never fills in what is missing.
 */
import type { BootDevice, PowerState, SelEntry, SensorReading } from '../../ports/bmc.ts';
import { isCriticalEvent, severityOfStates } from './criticality.ts';

export function parsePower(text: string): PowerState | undefined {
  const match = /^Chassis Power is (on|off)$/m.exec(text);
  if (!match) return undefined;
  return match[1] === 'on' ? 'on' : 'off';
}

/** Bits 5:2 of the second data byte of boot option 5 (IPMI 2.0, table 28-14). */
const selectors: Readonly<Record<BootDevice, number>> = { pxe: 1, disk: 2, bios: 6 };

/** UEFI disks of some Supermicro boards read back as their own selector (Ironic). */
const otherDiskSelector = 9;

/**
 * Whether the boot flags that were read back name this device. The valid bit is not asked for: BMCs, and `ipmi_sim`,
 * leave it out of the answer though they obey; Ironic looks at the selector alone, too.
 */
export function bootFlagsName(device: BootDevice, text: string): boolean | undefined {
  const match = /^Boot parameter data: ([0-9a-f]{4,})\s*$/im.exec(text);
  if (!match?.[1]) return undefined;
  const selector = (Number.parseInt(match[1].slice(2, 4), 16) >> 2) & 0xf;
  return selector === selectors[device] || (device === 'disk' && selector === otherDiskSelector);
}

/** `sel elist`: ` 1a | 04/25/24 | 12:34:56 UTC | Memory DIMM_A1 | Uncorrectable ECC | Asserted | …`. */
export function parseSel(text: string): SelEntry[] | undefined {
  const entries: SelEntry[] = [];
  for (const line of linesOf(text)) {
    const entry = parseSelLine(line);
    if (!entry) return undefined;
    entries.push(entry);
  }
  return entries.sort((a, b) => a.id - b.id);
}

function parseSelLine(line: string): SelEntry | undefined {
  const [number = '', ...rest] = line.split('|').map((part) => part.trim());
  // Record numbers are printed in hexadecimal, without saying so.
  if (!/^[0-9a-f]{1,4}$/i.test(number) || rest.length === 0) return undefined;
  const id = Number.parseInt(number, 16);
  const [first = '', second = '', ...more] = rest;
  if (first.startsWith('Linux kernel panic')) {
    return {
      id,
      time: '',
      sensor: 'Linux kernel panic',
      event: first.slice(first.indexOf(':') + 1).trim(),
      critical: false,
    };
  }
  if (first.startsWith('OEM record')) {
    return { id, time: '', sensor: first, event: [second, ...more].join(' ').trim(), critical: false };
  }
  const time = first === 'Pre-Init' ? `${first} ${second}` : `${first} ${second}`.trim();
  const [sensor = '', event = '', direction = '', ...details] = more;
  if (sensor.startsWith('OEM record')) {
    return { id, time, sensor, event: more.slice(1).join(' '), critical: false };
  }
  if (sensor === '') return undefined;
  const critical = direction !== 'Deasserted' && isCriticalEvent(sensor, event);
  const told = direction === 'Deasserted' ? [event, direction, ...details] : [event, ...details];
  return { id, time, sensor, event: told.filter((part) => part !== '').join(', '), critical };
}

/** `sdr elist`: `Inlet Temp       | 01h | ok  |  7.1 | 23 degrees C`. */
export function parseSensors(text: string): SensorReading[] | undefined {
  const readings: SensorReading[] = [];
  for (const line of linesOf(text)) {
    const parts = line.split('|').map((part) => part.trim());
    const [name, , status, , value = ''] = parts;
    if (parts.length < 4 || !name || status === undefined) return undefined;
    readings.push({ name, value, status: sensorStatus(status, value) });
  }
  return readings;
}

function sensorStatus(status: string, value: string): SensorReading['status'] {
  switch (status) {
    case 'lcr':
    case 'ucr':
    case 'lnr':
    case 'unr':
    case 'cr':
    case 'nr':
      return 'critical';
    case 'lnc':
    case 'unc':
    case 'nc':
      return 'warning';
    case 'ok':
      // A discrete sensor is "ok" as soon as it can be read; what it says stands in its states.
      return /^-?[\d.]+ /.test(value) ? 'ok' : severityOfStates(value);
    default:
      return 'unavailable';
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '' && line.trim() !== 'SEL has no entries');
}
