/**
 * What every Shell keeps, whether the server is simulated, put on the wire by the lab, or a real OpenSSH server.
 *
 * Scripts keep to `echo`, `sleep`, `exit` and `touch` where the simulated shell takes part, because it looks scripts up
 * and does not run them.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import { wireContract } from './shell-wire.contract.ts';
import type { Shell, ShellCommand } from '../../src/ports/shell.ts';

export interface ShellWorld {
  readonly shell: Shell;
  /** The client of another daemon, or of ours after a crash, for the same server. */
  readonly another: () => Shell;
  /** The client of a server at which nobody listens. */
  readonly nobody: () => Shell;
  /** Lets the world's time pass until the work is settled. */
  readonly drive: <T>(work: Promise<T>) => Promise<T>;
  /** A script that leaves a trace of each execution, and then does the rest. */
  readonly counting: (mark: string, rest: string) => string;
  readonly executions: (mark: string) => Promise<number>;
  /** Ends everything on the server without being asked, and starts it again. */
  readonly reboot: () => Promise<void>;
  /** Waits until the reboot that was asked for is over. */
  readonly untilRebooted: () => Promise<void>;
  readonly rebootsAsked: () => Promise<number>;
  readonly close: () => Promise<void>;
  /** Where there is a wire. */
  readonly wire?: ShellWire | undefined;
}

export interface ShellWire {
  /** Cuts every connection, for real. Returns how many there were. */
  readonly cut: () => number;
  /** Leaves the connections open and lets nothing through any more, until called with `false`. */
  readonly silence: (silent: boolean) => void;
  readonly wrongHostKey: () => Shell;
  readonly unknownHostKey: () => Shell;
  readonly wrongKey: () => Shell;
  /** A folder on the server in which tests may write. */
  readonly folder: string;
  readonly readFile: (path: string) => Promise<string>;
  /** Command lines of the server's processes. */
  readonly processes: () => Promise<string[]>;
}

export function shellContract(name: string, makeWorld: () => Promise<ShellWorld>, has = { wire: true }): void {
  describe(`shell contract: ${name}`, () => {
    let world: ShellWorld;
    beforeEach(async () => {
      world = await makeWorld();
    });
    afterEach(async () => {
      await world.close();
    });
    commands(() => world);
    once(() => world);
    reboots(() => world);
    troubles(() => world);
    if (has.wire) wireContract(() => world);
  });
}

const forever = new AbortController().signal;

export function command(id: string, script: string, more: Partial<ShellCommand> = {}): ShellCommand {
  return { id, script, timeoutMs: 60_000, ...more };
}

export async function failureOf(work: Promise<unknown>): Promise<MaintenanceError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof MaintenanceError) return error;
    throw error;
  }
  throw new Error('it should have failed');
}

function commands(worldOf: () => ShellWorld): void {
  it('hands back the exit code and what was written', async () => {
    const { shell, drive } = worldOf();
    const texts: string[] = [];
    const onOutput = (text: string): void => void texts.push(text);
    const outcome = await drive(shell.run(command('a.1', 'echo one\necho two\nexit 3', { onOutput }), forever));
    expect(outcome).toEqual({ kind: 'exited', exitCode: 3, tail: 'one\ntwo\n' });
    expect(texts.join('')).toBe('one\ntwo\n');
  });

  it('takes an end without an exit code for success', async () => {
    const { shell, drive } = worldOf();
    const outcome = await drive(shell.run(command('a.2', 'echo done'), forever));
    expect(outcome).toEqual({ kind: 'exited', exitCode: 0, tail: 'done\n' });
  });

  it('ends a command on the server when its time is over', async () => {
    const { shell, drive, executions, counting } = worldOf();
    const script = counting('slow', 'echo begun\nsleep 300\necho never');
    const outcome = await drive(shell.run(command('a.3', script, { timeoutMs: 1_000 }), forever));
    expect(outcome.kind).toBe('timedOut');
    expect(outcome.tail).not.toContain('never');
    expect(await drive(shell.statusOf('a.3', forever))).toBe('ended');
    expect(await executions('slow')).toBe(1);
  });

  it('tells what a command has come to without starting it', async () => {
    const { shell, drive, executions, counting } = worldOf();
    expect(await drive(shell.statusOf('a.4', forever))).toBe('unknown');
    expect(await drive(shell.statusOf('a.4', forever))).toBe('unknown');
    await drive(shell.run(command('a.4', counting('m', 'exit 1')), forever));
    expect(await drive(shell.statusOf('a.4', forever))).toBe('ended');
    expect(await executions('m')).toBe(1);
  });

  it('reads the facts of this boot', async () => {
    const { shell, drive } = worldOf();
    const facts = await drive(shell.readFacts(forever));
    expect(facts.bootId).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    expect(facts.kernel).toMatch(/^\d/);
    expect(await drive(shell.readFacts(forever))).toEqual(facts);
  });
}

function once(worldOf: () => ShellWorld): void {
  it('runs a command once, however often it is asked for', async () => {
    const { shell, another, drive, executions, counting } = worldOf();
    const script = counting('once', 'echo hello\nexit 4');
    const first = await drive(shell.run(command('b.1', script), forever));
    const second = await drive(another().run(command('b.1', script), forever));
    expect(second).toEqual(first);
    expect(await executions('once')).toBe(1);
  });

  it('runs a command once when several daemons ask at the same moment', async () => {
    const { shell, another, drive, executions, counting } = worldOf();
    const script = counting('race', 'sleep 1\necho hello');
    const shells = [shell, another(), another(), another()];
    const outcomes = await drive(Promise.all(shells.map((each) => each.run(command('b.2', script), forever))));
    expect(outcomes).toHaveLength(4);
    for (const outcome of outcomes) expect(outcome).toEqual({ kind: 'exited', exitCode: 0, tail: 'hello\n' });
    expect(await executions('race')).toBe(1);
  });

  it('stops watching when told to, while the command goes on', async () => {
    const { shell, another, drive, executions, counting } = worldOf();
    const stop = new AbortController();
    const onOutput = (): void => stop.abort(new Error('enough'));
    const script = counting('left', 'echo begun\nsleep 2\necho ended');
    const watching = shell.run(command('b.3', script, { onOutput }), stop.signal);
    await expect(drive(watching)).rejects.toThrow('enough');
    const outcome = await drive(another().run(command('b.3', script), forever));
    expect(outcome).toEqual({ kind: 'exited', exitCode: 0, tail: 'begun\nended\n' });
    expect(await executions('left')).toBe(1);
  });

  it('starts nothing when it was stopped before', async () => {
    const { shell, drive } = worldOf();
    await expect(drive(shell.run(command('b.4', 'echo no'), AbortSignal.abort(new Error('before'))))).rejects.toThrow(
      'before',
    );
    expect(await drive(shell.statusOf('b.4', forever))).toBe('unknown');
  });

  it('forgets ended commands of a prefix, and no others', async () => {
    const { shell, drive } = worldOf();
    await drive(shell.run(command('run-1.x', 'exit 0'), forever));
    await drive(shell.run(command('run-10.x', 'exit 0'), forever));
    await drive(shell.forget('run-1.', forever));
    expect(await drive(shell.statusOf('run-1.x', forever))).toBe('unknown');
    expect(await drive(shell.statusOf('run-10.x', forever))).toBe('ended');
  });

  it('never forgets a command that runs, because it could then run twice', async () => {
    const { shell, another, drive, executions, counting } = worldOf();
    const script = counting('kept', 'echo begun\nsleep 3\necho ended');
    let forgetting: Promise<void> | undefined;
    const onOutput = (): void => void (forgetting ??= another().forget('c.', forever));
    const outcome = await drive(shell.run(command('c.1', script, { onOutput }), forever));
    await drive(forgetting ?? Promise.reject(new Error('nothing was written')));
    expect(outcome.kind).toBe('exited');
    await drive(shell.run(command('c.1', script), forever));
    expect(await executions('kept')).toBe(1);
  });
}

function reboots(worldOf: () => ShellWorld): void {
  it('calls a command lost that a reboot cut short, and does not run it again', async () => {
    const { shell, another, drive, executions, counting, reboot } = worldOf();
    const stop = new AbortController();
    const script = counting('cut', 'echo begun\nsleep 200\necho never');
    const onOutput = (): void => stop.abort(new Error('seen'));
    await expect(
      drive(shell.run(command('d.1', script, { onOutput, timeoutMs: 600_000 }), stop.signal)),
    ).rejects.toThrow('seen');
    await reboot();
    expect(await drive(another().statusOf('d.1', forever))).toBe('lost');
    const outcome = await drive(another().run(command('d.1', script), forever));
    expect(outcome).toEqual({ kind: 'lost', tail: 'begun\n' });
    expect(await executions('cut')).toBe(1);
  });

  it('remembers over a reboot how a command ended', async () => {
    const { shell, drive, executions, counting, reboot } = worldOf();
    const script = counting('before', 'echo hello\nexit 5');
    const first = await drive(shell.run(command('d.2', script), forever));
    await reboot();
    expect(await drive(shell.run(command('d.2', script), forever))).toEqual(first);
    expect(await executions('before')).toBe(1);
  });

  it('reboots once under one id, also when asked again after the reboot', async () => {
    const { shell, another, drive, rebootsAsked, untilRebooted } = worldOf();
    const before = await drive(shell.readFacts(forever));
    await drive(Promise.all([shell.requestReboot('d.3', forever), another().requestReboot('d.3', forever)]));
    await untilRebooted();
    const after = await drive(shell.readFacts(forever));
    expect(after.bootId).not.toBe(before.bootId);
    await drive(another().requestReboot('d.3', forever));
    // Something that takes longer than the delay of a reboot.
    await drive(shell.run(command('d.4', 'sleep 3'), forever));
    expect(await rebootsAsked()).toBe(1);
    expect((await drive(shell.readFacts(forever))).bootId).toBe(after.bootId);
  });
}

function troubles(worldOf: () => ShellWorld): void {
  it('says that nobody is there, and that it is worth another try', async () => {
    const { nobody, drive } = worldOf();
    const error = await failureOf(drive(nobody().readFacts(forever)));
    expect(error).toMatchObject({ code: 'ssh/unreachable', disposition: 'retry' });
  });

  it('stops trying to get back to a server when told to', async () => {
    const { nobody, drive } = worldOf();
    const stop = new AbortController();
    const running = nobody().run(command('e.1', 'exit 0'), stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await expect(drive(running)).rejects.toSatisfy(
      (error) =>
        error === stop.signal.reason || (error instanceof MaintenanceError && error.code === 'ssh/unreachable'),
    );
  });
}
