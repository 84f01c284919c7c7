/**
 * Which hardware events stop a rollout. Pure.
 *
 * Source: IPMI 2.0, tables 42-2 (generic) and 42-3 (sensor specific), in the words of ipmitool 1.8.19
 * (`include/ipmitool/ipmi_sel.h`). Critical is what says that hardware failed, lost its protection or destroyed data.
 * Not critical: what is expected in maintenance (power off, power cycle, watchdog, boot progress), what is corrected
 * (correctable ECC), what only predicts a failure, and what the operating system says of itself (a critical stop),
 * because the boot id and the checks after the reboot judge that better.
 */

interface Rule {
  /** Which sensor types, as the beginning of ipmitool's sensor column. */
  readonly sensor: RegExp;
  readonly event: RegExp;
}

const any = /^/;

const rules: readonly Rule[] = [
  {
    sensor: any,
    event: /^(?:Lower (?:Critical|Non-recoverable) going low|Upper (?:Critical|Non-recoverable) going high)/i,
  },
  { sensor: any, event: /^Transition to (?:Critical|Non-recoverable)/i },
  { sensor: any, event: /^(?:Redundancy Lost|Non-Redundant: Insufficient Resources)/i },
  {
    sensor: /^Processor/i,
    event:
      /^(?:IERR|Thermal Trip|FRB\d|Configuration Error|SM BIOS Uncorrectable|Uncorrectable machine check|Machine Check)/i,
  },
  {
    sensor: /^Power Supply/i,
    event: /^(?:Failure detected|Power Supply AC lost|AC lost or out-of-range|Config Error)/i,
  },
  {
    sensor: /^Power Unit/i,
    event: /^(?:240VA power down|Interlock power down|AC lost|Soft-power control failure|Failure detected)/i,
  },
  {
    sensor: /^Memory/i,
    event:
      /^(?:Uncorrectable ECC|Parity|Memory Scrub Failed|Memory Device Disabled|Configuration Error|Critical Overtemperature)/i,
  },
  { sensor: /^Drive Slot/i, event: /^(?:Drive Fault|In Critical Array|In Failed Array|Rebuild Aborted)/i },
  { sensor: /^Temperature/i, event: /^Limit Exceeded/i },
  {
    sensor: /^System Firmware/i,
    event:
      /^(?:Unrecoverable|No system memory|No usable system memory|BIOS corruption|CPU (?:voltage|speed) mismatch)/i,
  },
  { sensor: /^System Event/i, event: /^Undetermined system hardware failure/i },
  {
    sensor: /^Critical Interrupt/i,
    event:
      /^(?:Bus Timeout|I\/O Channel check NMI|PCI PERR|PCI SERR|EISA failsafe timeout|Bus Uncorrectable|Fatal NMI|Bus Fatal)/i,
  },
  { sensor: /^Chip Set/i, event: /^(?:Soft Power Control Failure|Thermal Trip)/i },
  { sensor: /^Slot/i, event: /^Fault Status/i },
  { sensor: /^Battery/i, event: /^Failed/i },
  { sensor: /^(?:Management|Mgmt)/i, event: /^(?:Management controller (?:off-line|unavailable)|FRU failure)/i },
];

/** `sensor` begins with its type (`Memory DIMM_A1`, `Power Supply #0x03`); `event` is what was asserted. */
export function isCriticalEvent(sensor: string, event: string): boolean {
  return rules.some((rule) => rule.sensor.test(sensor) && rule.event.test(event));
}

/** The states of a discrete sensor, where the listing names no type: `Presence detected, Failure detected`. */
const failedState =
  /\b(?:Failure detected|Drive Fault|In (?:Critical|Failed) Array|Uncorrectable|Thermal Trip|IERR|AC lost|Redundancy Lost|Insufficient Resources|Transition to (?:Critical|Non-recoverable)|Fault Status|Critical Overtemperature)/i;
const doubtfulState =
  /\b(?:Predictive failure|Redundancy Degraded|Transition to (?:Non-critical|Degraded)|Config(?:uration)? Error)/i;

export function severityOfStates(states: string): 'ok' | 'warning' | 'critical' {
  // "Predictive Failure Deasserted" and "State Deasserted" say that all is well.
  const asserted = states
    .split(',')
    .filter((state) => !/Deasserted/i.test(state))
    .join(',');
  if (failedState.test(asserted)) return 'critical';
  return doubtfulState.test(asserted) ? 'warning' : 'ok';
}
