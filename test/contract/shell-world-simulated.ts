/** A simulated server in virtual time, with a table that knows the few words of the contract's scripts. */
import { diskOf, SimulatedShell } from '../../src/simulator/shell.ts';
import { Machine } from '../../src/simulator/machine.ts';
import type { ScriptTable } from '../../src/simulator/scripts.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import type { ShellWorld } from './shell.contract.ts';

export async function makeSimulatedWorld(): Promise<ShellWorld> {
  const clock = new VirtualClock(1_700_000_000_000);
  const random = new SeededRandom(7);
  const kernels = { kernel: '6.1.0-1-amd64', updatedKernel: '6.1.0-2-amd64' };
  const times = { bootMs: 90_000, shutdownMs: 10_000 };
  const machine = new Machine({ name: 'rack1-01', ...kernels, ...times }, clock, random);
  const dead = new Machine({ name: 'rack1-02', ...kernels, ...times }, clock, random);
  dead.setPower('off');
  const counts = new Map<string, number>();
  const scripts: ScriptTable = (script) => interpret(script, counts);
  const drive = async <T>(work: Promise<T>): Promise<T> => {
    let settled = false;
    const settle = (): void => void (settled = true);
    work.then(settle, settle);
    const end = await clock.run(() => settled);
    if (end !== 'done') throw new Error(`time stands still: ${end}`);
    return work;
  };
  const untilBoots = async (boots: number): Promise<void> => {
    const end = await clock.run(() => machine.boots >= boots && machine.system === 'up', clock.nowMs() + 3_600_000);
    if (end !== 'done') throw new Error(`the machine did not come up: ${end}`);
  };
  return {
    shell: new SimulatedShell(machine, clock, { scripts }),
    another: () => new SimulatedShell(machine, clock, { scripts }),
    nobody: () => new SimulatedShell(dead, clock, { scripts }),
    drive,
    counting: (mark, rest) => `touch mark-${mark}\n${rest}`,
    executions: (mark) => Promise.resolve(counts.get(mark) ?? 0),
    reboot: () => {
      machine.requestReboot();
      return untilBoots(machine.boots + 1);
    },
    untilRebooted: () => untilBoots(1),
    rebootsAsked: () => Promise.resolve(diskOf(machine).rebootsAsked),
    close: () => Promise.resolve(),
  };
}

/** `echo`, `sleep`, `exit` and the marks. Asked once for each execution, so asking is counting. */
function interpret(script: string, counts: Map<string, number>): ReturnType<ScriptTable> {
  let output = '';
  let durationMs = 100;
  for (const line of script.split('\n')) {
    const [word, rest = ''] = line.split(/ (.*)/s);
    if (word === 'touch') counts.set(rest.slice(5), (counts.get(rest.slice(5)) ?? 0) + 1);
    if (word === 'echo') output += `${rest}\n`;
    if (word === 'sleep') durationMs += Number(rest) * 1_000;
    if (word === 'exit') return { exitCode: Number(rest), output, durationMs };
  }
  return { exitCode: 0, output, durationMs };
}
