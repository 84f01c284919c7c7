/**
 * A BMC over IPMI 2.0 (RMCP+), by running `ipmitool` once per command.
 *
 * It classifies failures and reads back what BMCs are known to lose. It never repeats a command, never uses `cycle`,
 * and never waits for the server to obey: the engine does, from what it reads.
 */
import { execa } from 'execa';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Bmc, BootDevice, PowerRequest, PowerState, SelEntry, SensorReading } from '../../ports/bmc.ts';
import { argumentsFor, checkCredentials, environmentFor, type BmcTarget, type Timing } from './command.ts';
import { badAnswer, failureOf, isBrokenListing, type Outcome } from './failure.ts';
import type { BmcLane } from './lanes.ts';
import { turnToStart } from './one-per-turn.ts';
import { bootFlagsName, parsePower, parseSel, parseSensors } from './parse.ts';

export interface IpmitoolOptions {
  readonly target: BmcTarget;
  /** Asked before every command, so that a new password counts at once. */
  readonly readPassword: () => Promise<string>;
  /** Shared by everybody who talks to this BMC. */
  readonly lane: BmcLane;
  /** Least pause between two commands. */
  readonly minCommandIntervalMs: number;
  readonly program?: string;
  /** With a short list of vendors in it: see `vendor-list.ts`. */
  readonly home?: string | undefined;
  readonly timing?: Timing;
  /** After which a command is killed, whatever it does. */
  readonly commandTimeoutMs?: number;
  /** The same for the SEL and the sensors: hundreds of records, one packet each. */
  readonly listingTimeoutMs?: number;
}

/** Silence is noticed after about 10 s: 2 + 3 s for each of the two questions that open a session. */
const defaultTiming: Timing = { answerSeconds: 2, tries: 2 };
const outputMaxCharacters = 8 * 1024 * 1024;

/** Boot flags are dropped where no chassis command comes within 60 s, unless this says not to (Ironic does the same). */
const keepBootFlags = ['raw', '0x00', '0x08', '0x03', '0x08'];

export class IpmitoolBmc implements Bmc {
  readonly #options: IpmitoolOptions;

  constructor(options: IpmitoolOptions) {
    this.#options = options;
  }

  async readPower(signal: AbortSignal): Promise<PowerState> {
    const words = ['chassis', 'power', 'status'];
    const text = await this.#run(words, signal);
    const state = parsePower(text);
    if (!state) throw badAnswer(this.#options.target, words.join(' '), text);
    return state;
  }

  async requestPower(request: PowerRequest, signal: AbortSignal): Promise<void> {
    const words = ['chassis', 'power', request];
    try {
      const text = await this.#run(words, signal);
      if (!text.includes('Chassis Power Control:')) throw badAnswer(this.#options.target, words.join(' '), text);
    } catch (error) {
      // Some BMCs call it an error to switch off what is off.
      if (!(error instanceof MaintenanceError) || error.code !== 'bmc/bad-answer') throw error;
      const wanted: PowerState = request === 'on' ? 'on' : 'off';
      if ((await this.readPower(signal)) !== wanted) throw error;
    }
  }

  async readSel(signal: AbortSignal): Promise<SelEntry[]> {
    return await this.#list(['sel', 'elist'], parseSel, signal);
  }

  async readSensors(signal: AbortSignal): Promise<SensorReading[]> {
    return await this.#list(['sdr', 'elist'], parseSensors, signal);
  }

  async setBootDevice(device: BootDevice, signal: AbortSignal): Promise<void> {
    try {
      await this.#run(keepBootFlags, signal);
    } catch (error) {
      // Not every BMC knows the command. Without it the flags hold for a minute, and the reading back says the rest.
      if (!(error instanceof MaintenanceError) || error.code !== 'bmc/bad-answer') throw error;
    }
    // Without `efiboot` the BMC asks for a legacy boot, which a UEFI server silently ignores.
    await this.#run(['chassis', 'bootdev', device, 'options=efiboot'], signal);
    const words = ['chassis', 'bootparam', 'get', '5'];
    const text = await this.#run(words, signal);
    const named = bootFlagsName(device, text);
    if (named === undefined) throw badAnswer(this.#options.target, words.join(' '), text);
    if (!named) {
      const { address, port } = this.#options.target;
      const message = `the BMC ${address}:${port} took the boot device ${device} and does not have it`;
      throw new MaintenanceError('bmc/lies', 'halt', message, { details: { address, port, device } });
    }
  }

  async #list<T>(words: string[], parse: (text: string) => T[] | undefined, signal: AbortSignal): Promise<T[]> {
    let text: string;
    try {
      text = await this.#run(words, signal, { listing: true });
    } catch (error) {
      // A listing cannot be run verbosely, so it does not say why there is no session. A status can.
      if (error instanceof MaintenanceError && error.code === 'bmc/unreachable') await this.readPower(signal);
      throw error;
    }
    const parsed = parse(text);
    if (!parsed) throw badAnswer(this.#options.target, words.join(' '), text);
    return parsed;
  }

  async #run(words: string[], signal: AbortSignal, kind: { listing: boolean } = { listing: false }): Promise<string> {
    const { lane, minCommandIntervalMs, target, readPassword } = this.#options;
    // Before the lane: without a usable password nothing is started, and nobody has to wait for us.
    const password = await readPassword();
    checkCredentials(target, password);
    const act = async (): Promise<Outcome> => await this.#execute(words, kind, password, signal);
    const outcome = await lane.run(minCommandIntervalMs, signal, act);
    const failed = outcome.timedOut || outcome.exitCode !== 0;
    if (failed || (kind.listing && isBrokenListing(outcome))) throw failureOf(outcome, target, words.join(' '));
    return outcome.stdout;
  }

  async #execute(words: string[], kind: { listing: boolean }, password: string, signal: AbortSignal): Promise<Outcome> {
    const { target, program = 'ipmitool', home, timing = defaultTiming } = this.#options;
    const { commandTimeoutMs = 45_000, listingTimeoutMs = 300_000 } = this.#options;
    const args = argumentsFor(target, timing, words, { verbose: !kind.listing, readOnly: kind.listing });
    await turnToStart();
    signal.throwIfAborted();
    const result = await execa(program, args, {
      reject: false,
      env: environmentFor(password, process.env['PATH'], home),
      extendEnv: false,
      // Closed: a question for a password would otherwise be waited for.
      stdin: 'ignore',
      timeout: kind.listing ? listingTimeoutMs : commandTimeoutMs,
      // It holds nothing that would have to be put away, and SIGTERM can be missed in its wait for a packet.
      killSignal: 'SIGKILL',
      cancelSignal: signal,
      maxBuffer: outputMaxCharacters,
    });
    if (result.isCanceled) signal.throwIfAborted();
    if (result.code === 'ENOENT' || result.code === 'EACCES') {
      const message = `${program} is not installed on this machine, or may not be run`;
      throw new MaintenanceError('host/missing-program', 'halt', message, { details: { program } });
    }
    const { exitCode, stdout, stderr, timedOut } = result;
    return { exitCode, stdout, stderr, timedOut };
  }
}
