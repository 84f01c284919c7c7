/**
 * What a playbook's commands do on a server of the twin. Package work is known; every other command is assumed to end
 * well, and that is said in the result.
 *
 * Nothing is run, here or anywhere.
 */
import { unreachable } from '../errors/maintenance-error.ts';
import type { RunDefinition } from '../workflow/definition.ts';
import type { Machine } from '../simulator/machine.ts';
import {
  asksOnly,
  commandTimes,
  defaultScripts,
  packageWork,
  type Probes,
  type ScriptTable,
} from '../simulator/scripts.ts';
import type { Faults } from './faults.ts';

/** One command whose effect nobody here knows. */
export interface AssumedCommand {
  readonly step: string;
  /** Its first line that says something. */
  readonly line: string;
}

export function assumedCommands(definition: RunDefinition): AssumedCommand[] {
  return commandsOf(definition).flatMap(({ step, script, isProbe }) =>
    isProbe || asksOnly(script) || packageWork(script) !== 'none' ? [] : [{ step, line: tellingLine(script) }],
  );
}

/** For people: one sentence, or none where the playbook has no commands. */
export function sayCommandTimes(definition: RunDefinition): string[] {
  const works = new Set(commandsOf(definition).map(({ script }) => packageWork(script)));
  if (works.size === 0) return [];
  const { ordinaryMs, downloadMs, installMs } = commandTimes;
  const others = [
    ...(works.has('download') ? [`${downloadMs / 1_000} s where it downloads packages`] : []),
    ...(works.has('install') ? [`${installMs / 1_000} s where it installs packages`] : []),
  ];
  return [[`a command takes ${ordinaryMs / 1_000} s`, ...others].join(', ')];
}

/** The exact kernel that a plan expects; where it only says "the newest", there is none. */
export function expectedKernel(definition: RunDefinition): string | undefined {
  const named = definition.program.flatMap((step) => {
    if (step.kind === 'reboot') return step.expectKernel ?? [];
    return step.kind === 'verify' ? step.checks.flatMap((check) => ('kernel' in check ? check.kernel.is : [])) : [];
  });
  return named.find((kernel) => !kernel.includes('${newest}'));
}

export function scriptsFor(definition: RunDefinition, faults: Faults): ScriptTable {
  const probes: Probes = new Map(
    definition.program.flatMap((step) =>
      step.kind === 'prepare' ? step.needed.map(({ run, neededExitCode }) => [run, neededExitCode] as const) : [],
    ),
  );
  const known = defaultScripts(probes);
  const commands = commandsOf(definition).filter(({ isProbe }) => !isProbe);
  const first = (kind: 'prepare' | 'service'): string | undefined =>
    commands.find((command) => command.kind === kind)?.script;
  const failing = { prepare: first('prepare'), service: first('service') };
  // Where no command is one that installs packages, the playbook updates in a way of its own.
  const installs = commands.some(({ kind, script }) => kind === 'service' && packageWork(script) === 'install');
  return (script, machine) => {
    for (const kind of ['prepare', 'service'] as const) {
      if (failing[kind] === script && faults.fails(machine.name, kind)) {
        return { exitCode: 1, output: 'failed as the rehearsal was asked to\n', durationMs: 2_000 };
      }
    }
    const result = known(script, machine);
    const isOwnWay = !installs && commands.some((command) => command.kind === 'service' && command.script === script);
    return isOwnWay && result ? { ...result, effect: () => updated(machine) } : result;
  };
}

function updated(machine: Machine): void {
  machine.installUpdatedKernel();
}

interface Command {
  readonly step: string;
  readonly kind: 'prepare' | 'service' | 'verify';
  readonly script: string;
  readonly isProbe: boolean;
}

function commandsOf(definition: RunDefinition): Command[] {
  return definition.program.flatMap((step): Command[] => {
    switch (step.kind) {
      case 'prepare':
        return [
          ...step.needed.map(({ run }) => ({ step: step.id, kind: step.kind, script: run, isProbe: true })),
          ...step.actions.flatMap(({ ssh }) => scriptOf(step.id, step.kind, ssh)),
        ];
      case 'service':
        return 'ssh' in step.action ? scriptOf(step.id, step.kind, step.action.ssh) : [];
      case 'verify':
        return step.checks.flatMap((check) => ('ssh' in check ? scriptOf(step.id, step.kind, check.ssh) : []));
      case 'cordon':
      case 'evacuate':
      case 'reboot':
      case 'rejoin':
      case 'return':
        return [];
      default:
        return unreachable(step);
    }
  });
}

function scriptOf(step: string, kind: Command['kind'], ssh: { run: string } | { copy: unknown }): Command[] {
  return 'run' in ssh ? [{ step, kind, script: ssh.run, isProbe: false }] : [];
}

function tellingLine(script: string): string {
  const lines = script.split('\n').map((line) => line.trim());
  return lines.find((line) => line !== '' && !/^(?:#|export\b|set\b|[A-Za-z_]\w*=\S*$)/.test(line)) ?? lines[0] ?? '';
}
