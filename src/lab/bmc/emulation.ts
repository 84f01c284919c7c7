/**
 * A machine's event log and sensors in the words of `ipmi_sim`: commands for its configuration and its console. Pure.
 *
 * It knows the standard records that the simulated machine makes and a few more; any other event keeps only its
 * severity. Numbers follow IPMI 2.0: tables 42-2, 42-3 (events), 43-1, 43-2 (sensor records).
 */
import type { SelEntry, SensorReading } from '../../ports/bmc.ts';

const bmc = '0x20';

/** Sensor type by the name that `ipmitool` gives it. */
const sensorTypes: ReadonlyMap<string, number> = new Map([
  ['Temperature', 0x01],
  ['Fan', 0x04],
  ['Processor', 0x07],
  ['Power Supply', 0x08],
  ['Power Unit', 0x09],
  ['Memory', 0x0c],
  ['Drive Slot', 0x0d],
  ['Critical Interrupt', 0x13],
  ['OS Critical Stop', 0x20],
  ['System ACPI Power State', 0x22],
]);

/** Event type and offset by the text that `ipmitool` prints. */
const events: ReadonlyMap<string, readonly [type: number, offset: number]> = new Map([
  ['Power Unit|Power off/down', [0x6f, 0x00]],
  ['System ACPI Power State|S0/G0: working', [0x6f, 0x00]],
  ['System ACPI Power State|S5/G2: soft-off', [0x6f, 0x05]],
  ['OS Critical Stop|Run-time critical stop', [0x6f, 0x01]],
  ['Memory|Correctable ECC', [0x6f, 0x00]],
  ['Memory|Uncorrectable ECC', [0x6f, 0x01]],
  ['Processor|Uncorrectable machine check exception', [0x6f, 0x0b]],
  ['Power Supply|Failure detected', [0x6f, 0x01]],
  ['Power Supply|Predictive failure', [0x6f, 0x02]],
  ['Drive Slot|Drive Fault', [0x6f, 0x01]],
  ['Critical Interrupt|Bus Uncorrectable error', [0x6f, 0x08]],
  ['Temperature|Upper Critical going high', [0x01, 0x09]],
]);

/** "Transition to Critical from less severe", "Transition to Non-critical from OK": all that is kept of other events. */
const severityEvent = (critical: boolean): readonly [number, number] => [0x07, critical ? 0x02 : 0x01];
const oemSensorType = 0xc0;
/** Above the sensors that exist: `ipmitool` then prints the type with this number. */
const eventSensorNumber = 0xe0;

/** `ipmi_sim` numbers the records itself, and dates them by its own uptime. */
export function selAddCommand(entry: SelEntry): string {
  const type = sensorTypes.get(entry.sensor) ?? oemSensorType;
  const [eventType, offset] = events.get(`${entry.sensor}|${entry.event}`) ?? severityEvent(entry.critical);
  const time = [0, 0, 0, 0];
  const record = [...time, 0x20, 0x00, 0x04, type, eventSensorNumber, eventType, offset, 0xff, 0xff];
  return `sel_add ${bmc} 0x02 ${bytes(record)}`;
}

const units: ReadonlyMap<string, readonly [unit: number, sensorType: number]> = new Map([
  ['degrees C', [0x01, 0x01]],
  ['Volts', [0x04, 0x02]],
  ['Amps', [0x05, 0x03]],
  ['Watts', [0x06, 0x0b]],
  ['RPM', [0x12, 0x04]],
]);

interface Analog {
  readonly raw: number;
  readonly factor: number;
  readonly unit: number;
  readonly sensorType: number;
}

/** A reading with a unit; steps of `factor`, because a raw reading is one byte. `factor` comes from the first value. */
function analogOf(value: string, factor?: number): Analog | undefined {
  const match = /^(\d+(?:\.\d+)?) (.+)$/.exec(value);
  const unit = units.get(match?.[2] ?? '');
  if (!match || !unit) return undefined;
  const number = Number(match[1]);
  const step = factor ?? Math.max(1, Math.ceil(number / 150));
  return { raw: Math.min(255, Math.round(number / step)), factor: step, unit: unit[0], sensorType: unit[1] };
}

/** Everything up to `mc_enable`: the controller, its log, its sensors and their records. */
export function emulatorConfiguration(sensors: readonly SensorReading[]): string {
  return [
    `mc_setbmc ${bmc}`,
    `mc_add ${bmc} 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02`,
    `sel_enable ${bmc} 1000 0x0a`,
    ...sensors.flatMap((sensor, index) => sensorSetup(sensor, index + 1)),
    `mc_enable ${bmc}`,
    '',
  ].join('\n');
}

function sensorSetup(sensor: SensorReading, number: number): string[] {
  const analog = analogOf(sensor.value);
  const where = `${bmc} 0 ${number}`;
  const scanning = `sensor_set_event_support ${where} enable scanning per-state ${Array.from({ length: 4 }, () => '0'.repeat(15)).join(' ')}`;
  const [type, reading] = analog ? [analog.sensorType, 0x01] : [0x08, 0x6f];
  // Nominal thresholds far away: the status is set by hand, because the machine says what it is.
  const thresholds = analog ? [`sensor_set_threshold ${where} none 000000 0xff 0xff 0xff 0x00 0x00 0x00`] : [];
  return [
    `sensor_add ${where} ${type} ${reading}`,
    ...thresholds,
    scanning,
    `main_sdr_add ${bmc} ${bytes(analog ? fullRecord(sensor.name, number, analog) : compactRecord(sensor.name, number))}`,
    ...sensorCommands(sensor, sensor, number),
  ];
}

/** Brings sensor `number` to this reading. `first` is what it was set up with: it fixes kind and step. */
export function sensorCommands(first: SensorReading, sensor: SensorReading, number: number): string[] {
  const where = `${bmc} 0 ${number}`;
  const setUp = analogOf(first.value);
  const set = (bit: number, on: boolean): string => `sensor_set_bit ${where} ${bit} ${on ? 1 : 0} 0`;
  const [critical, warning] = [sensor.status === 'critical', sensor.status === 'warning'];
  if (setUp) {
    const analog = analogOf(sensor.value, setUp.factor);
    // Upper non-critical and upper critical: which side it is on is not the machine's to say.
    const value = analog ? [`sensor_set_value ${where} ${analog.raw} 0`] : [];
    return [...value, set(3, warning), set(4, critical)];
  }
  // A discrete sensor is shown as a power supply: present, failed, about to fail.
  return [set(0, sensor.status !== 'unavailable'), set(1, critical), set(2, warning)];
}

function fullRecord(name: string, number: number, analog: Analog): number[] {
  const key = [bmcAddress, 0x00, number, 0x07, 0x01];
  const kind = [0x7f, 0x48, analog.sensorType, 0x01];
  const masks = [0x00, 0x00, 0x00, 0x00, 0x38, 0x38];
  const unit = [0x00, analog.unit, 0x00, 0x00];
  const formula = [analog.factor & 0xff, (analog.factor >> 2) & 0xc0, 0x00, 0x00, 0x00, 0x00];
  const range = [0x00, 0x00, 0x00, 0x00, 0xff, 0x00];
  const thresholds = [0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00];
  const body = [key, kind, masks, unit, formula, range, thresholds, identifier(name)];
  return record(0x01, body.flat());
}

function compactRecord(name: string, number: number): number[] {
  const key = [bmcAddress, 0x00, number, 0x0a, 0x01];
  const kind = [0x67, 0x40, 0x08, 0x6f];
  const masks = [0x00, 0x00, 0x00, 0x00, 0x07, 0x00];
  const unit = [0xc0, 0x00, 0x00];
  const sharing = [0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00];
  return record(0x02, [key, kind, masks, unit, sharing, identifier(name)].flat());
}

const bmcAddress = 0x20;

/** Record id (given by the repository), SDR version 1.5, type, length. */
function record(type: number, body: readonly number[]): number[] {
  return [0x00, 0x00, 0x51, type, body.length, ...body];
}

/** Eight-bit ASCII; a sensor's name has at most 16 characters. */
function identifier(name: string): number[] {
  const codes = Array.from(name.slice(0, 16), (letter) => letter.charCodeAt(0) & 0x7f);
  return [0xc0 | codes.length, ...codes];
}

function bytes(values: readonly number[]): string {
  return values.map((value) => `0x${value.toString(16).padStart(2, '0')}`).join(' ');
}
