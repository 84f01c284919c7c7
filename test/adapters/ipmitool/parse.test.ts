/** Answers of ipmitool 1.8.19, as captured from it against ipmi_sim 2.0.33, unless said otherwise. */
import { describe, expect, test } from 'vitest';
import { bootFlagsName, parsePower, parseSel, parseSensors } from '../../../src/adapters/ipmitool/parse.ts';
import { isCriticalEvent } from '../../../src/adapters/ipmitool/criticality.ts';

describe('power', () => {
  test.for([
    ['Chassis Power is on', 'on'],
    ['Chassis Power is off', 'off'],
    ['Chassis Power is on\n', 'on'],
    ['', undefined],
    ['Chassis Power is onward', undefined],
    ['Chassis Power Control: Up/On', undefined],
  ] as const)('%j is %j', ([text, expected]) => {
    expect(parsePower(text)).toBe(expected);
  });
});

const bootParameter = (data: string): string =>
  [
    'Boot parameter version: 1',
    'Boot parameter 5 is valid/unlocked',
    `Boot parameter data: ${data}`,
    ' Boot Flags :',
    '   - Boot Flag Invalid',
    '   - Boot Device Selector : Force PXE',
  ].join('\n');

describe('boot flags', () => {
  test.for([
    ['pxe', '0004000000', true],
    ['disk', '0008000000', true],
    ['bios', '0018000000', true],
    // With the valid and the EFI bit, as real BMCs answer; built from IPMI 2.0, table 28-14.
    ['pxe', 'a004000000', true],
    ['disk', 'a024000000', true],
    ['disk', '0000000000', false],
    ['pxe', '0008000000', false],
    ['bios', '0024000000', false],
  ] as const)('%s in %s: %s', ([device, data, expected]) => {
    expect(bootFlagsName(device, bootParameter(data))).toBe(expected);
  });

  test('an answer without data is no answer', () => {
    expect(bootFlagsName('pxe', 'Chassis Power is on')).toBeUndefined();
  });
});

const selText = `   1 |  Pre-Init  |0000001582| Power Unit #0x01 | Power off/down | Asserted
   2 |  Pre-Init  |0000001582| Memory #0x08 | Uncorrectable ECC | Asserted
   3 |  Pre-Init  |0000001582| Memory #0x08 | Correctable ECC | Asserted
   4 |  Pre-Init  |0000001582| Power Supply #0x03 | Failure detected | Asserted
   5 |  Pre-Init  |0000001582| Temperature #0x01 | Upper Critical going high | Asserted
   6 |  Pre-Init  |0000001582| Temperature #0x01 | Upper Non-critical going high | Asserted
   7 |  Pre-Init  |0000001582| Processor #0x05 | Uncorrectable machine check exception | Asserted
   8 |  Pre-Init  |0000001582| Critical Interrupt #0x05 | Bus Uncorrectable error | Asserted
   9 |  Pre-Init  |0000001582| System ACPI Power State #0x05 | S0/G0: working | Asserted
   a |  Pre-Init  |0000001582| OS Critical Stop #0x05 | Run-time critical stop | Asserted
   b |  Pre-Init  |0000001582| Power Unit #0x05 | Power off/down | Deasserted
   c |  Pre-Init  |0000001582| Event Logging Disabled #0x05 | Log area reset/cleared | Asserted
   d | OEM record e0 | 506f776572206f6e0000000000
   e |  Pre-Init  |0000001582| OEM record c0 | 6f2072 | 6e0000000000
   f | Linux kernel panic: CDr on
`;

describe('the event log', () => {
  const entries = parseSel(selText) ?? [];

  test('every line becomes an entry, numbered as the BMC numbers it', () => {
    expect(entries.map(({ id }) => id)).toEqual(Array.from({ length: 15 }, (_, index) => index + 1));
  });

  test('what failed is critical, what is expected in maintenance is not', () => {
    expect(entries.filter(({ critical }) => critical).map(({ id }) => id)).toEqual([2, 4, 5, 7, 8]);
  });

  test('sensor, event and time are kept as the BMC states them', () => {
    expect(entries[1]).toEqual({
      id: 2,
      time: 'Pre-Init 0000001582',
      sensor: 'Memory #0x08',
      event: 'Uncorrectable ECC',
      critical: true,
    });
    expect(entries[10]?.event).toBe('Power off/down, Deasserted');
    expect(entries[12]).toMatchObject({ time: '', sensor: 'OEM record e0', event: '506f776572206f6e0000000000' });
    expect(entries[13]).toMatchObject({ time: 'Pre-Init 0000001582', sensor: 'OEM record c0' });
    expect(entries[14]).toMatchObject({ sensor: 'Linux kernel panic', event: 'CDr on' });
  });

  test('a set clock, a named sensor and a reading are read (the format of `ipmi_sel_print_std_entry`)', () => {
    const line =
      '  1a | 04/25/24 | 12:34:56 UTC | Temperature Inlet Temp | Upper Critical going high | Asserted | Reading 61 > Threshold 60 degrees C';
    expect(parseSel(line)).toEqual([
      {
        id: 26,
        time: '04/25/24 12:34:56 UTC',
        sensor: 'Temperature Inlet Temp',
        event: 'Upper Critical going high, Reading 61 > Threshold 60 degrees C',
        critical: true,
      },
    ]);
  });

  test('a failure that went away is not critical', () => {
    const line = '   4 |  Pre-Init  |0000001582| Power Supply #0x03 | Failure detected | Deasserted';
    expect(parseSel(line)).toMatchObject([{ critical: false }]);
  });

  test('an empty log is empty, and garbage is no log', () => {
    expect(parseSel('')).toEqual([]);
    expect(parseSel('SEL has no entries')).toEqual([]);
    expect(parseSel('Chassis Power is on')).toBeUndefined();
    expect(parseSel(`${selText}\nzz | nothing`)).toBeUndefined();
  });
});

describe('criticality', () => {
  test.for([
    ['Memory DIMM_A1', 'Uncorrectable ECC', true],
    ['Memory DIMM_A1', 'Correctable ECC logging limit reached', false],
    ['Power Supply PSU2', 'Power Supply AC lost', true],
    ['Power Supply PSU2', 'Predictive failure', false],
    ['Power Supply PSU2', 'Presence detected', false],
    ['Fan FAN3', 'Lower Critical going low ', true],
    ['Fan FAN3', 'Lower Critical going high', false],
    ['Fan FAN3', 'Lower Non-critical going low ', false],
    ['Fan Redundancy', 'Redundancy Lost', true],
    ['Fan Redundancy', 'Fully Redundant', false],
    ['Processor CPU1', 'Thermal Trip', true],
    ['Processor CPU1', 'Throttled', false],
    ['Drive Slot Bay 3', 'Drive Fault', true],
    ['Watchdog2 #0xca', 'Hard reset', false],
    ['Power Unit #0x01', 'Power cycle', false],
    ['System Event #0x83', 'Timestamp Clock Sync', false],
    ['Critical Interrupt #0x12', 'PCI SERR', true],
    ['Critical Interrupt #0x12', 'Bus Correctable error', false],
    ['Voltage VCORE', 'Transition to Non-recoverable', true],
  ] as const)('%s, %s: %s', ([sensor, event, expected]) => {
    expect(isCriticalEvent(sensor, event)).toBe(expected);
  });
});

describe('sensors', () => {
  test('thresholds and states give the status', () => {
    const text = `Inlet Temp       | 01h | ucr |  7.1 | 48 degrees C
PSU1 Status      | 02h | ok  | 10.1 | Presence detected, Failure detected
PSU2 Status      | 03h | ok  | 10.2 | Presence detected
FAN1             | 04h | lnc | 29.1 | 1200 RPM
FAN2             | 05h | ns  | 29.2 | No Reading
VBAT             | 06h | ok  |  7.1 | 3.05 Volts
CPU1 Status      | 07h | lnr |  3.1 | 0 Volts
PSU3 Status      | 08h | ok  | 10.3 | Presence detected, Predictive failure
Drive Warning    | 09h | ok  |  4.1 | Predictive Failure Deasserted
`;
    expect(parseSensors(text)?.map(({ name, status }) => `${name}: ${status}`)).toEqual([
      'Inlet Temp: critical',
      'PSU1 Status: critical',
      'PSU2 Status: ok',
      'FAN1: warning',
      'FAN2: unavailable',
      'VBAT: ok',
      'CPU1 Status: critical',
      'PSU3 Status: warning',
      'Drive Warning: ok',
    ]);
    expect(parseSensors(text)?.[0]).toEqual({ name: 'Inlet Temp', value: '48 degrees C', status: 'critical' });
  });

  test('what is no listing is not read as one', () => {
    expect(parseSensors('SDRR successfully erased\nErr in cmd get sensor sdr info\n')).toBeUndefined();
  });
});
