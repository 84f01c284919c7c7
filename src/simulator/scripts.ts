/**
 * What a script would do on a simulated server, guessed from its text: how long it takes, what it prints, how it exits.
 *
 * A table, not a shell: it knows the package managers, the probes that a playbook names, and that everything else ends
 * well. The lab runs the same scripts for real.
 */
import type { Machine } from './machine.ts';

export interface ScriptResult {
  readonly exitCode: number;
  readonly output: string;
  readonly durationMs: number;
  /** What it has done to the machine when it ends; not done where it is killed before. */
  readonly effect?: (() => void) | undefined;
}

/** `undefined`: not known here, ask the next one. */
export type ScriptTable = (script: string, machine: Machine) => ScriptResult | undefined;

/** The probes of a playbook: their text after parameters were filled in, and the exit code that means *needed*. */
export type Probes = ReadonlyMap<string, 0 | 1>;

/** How long commands take here, whatever they would take elsewhere. */
export const commandTimes = { ordinaryMs: 2_000, listMs: 5_000, downloadMs: 20_000, installMs: 45_000 } as const;
const { ordinaryMs, listMs, downloadMs, installMs } = commandTimes;

/** Whether an update would change anything: the updated kernel is not installed, or not the one that runs. */
function isUpdateNeeded(machine: Machine): boolean {
  const { updatedKernel } = machine.options;
  return machine.kernel !== updatedKernel || !machine.installedKernels.includes(updatedKernel);
}

export function defaultScripts(probes: Probes = new Map()): ScriptTable {
  return (script, machine) => {
    // Without being told, a script that only asks the package manager and ends with 0 or 1 says yes with 0.
    const neededExitCode = probes.get(script) ?? (asksOnly(script) ? 0 : undefined);
    if (neededExitCode !== undefined) {
      const exitCode = isUpdateNeeded(machine) ? neededExitCode : 1 - neededExitCode;
      return { exitCode, output: '', durationMs: ordinaryMs };
    }
    switch (packageWork(script)) {
      case 'install':
        return {
          exitCode: 0,
          output: `Setting up linux-image-${machine.options.updatedKernel} ...\n`,
          durationMs: installMs,
          effect: () => machine.installUpdatedKernel(),
        };
      case 'download':
        return { exitCode: 0, output: 'Download complete and in download only mode\n', durationMs: downloadMs };
      case 'list':
        return { exitCode: 0, output: 'Reading package lists... Done\n', durationMs: listMs };
      case 'none':
        return { exitCode: 0, output: '', durationMs: ordinaryMs };
    }
  };
}

export function asksOnly(script: string): boolean {
  const isQuestion = /apt-get\s[^\n;|&]*(?:-s|--simulate|--dry-run)\s|(?:dnf|yum)\s[^\n;|&]*check-update/.test(script);
  return isQuestion && packageWork(script) !== 'install' && /\bexit 0\b/.test(script) && /\bexit 1\b/.test(script);
}

type PackageWork = 'install' | 'download' | 'list' | 'none';

/** The heaviest thing that any of a script's commands does with packages. */
export function packageWork(script: string): PackageWork {
  const commands = script
    .replaceAll(/\\\n/g, ' ')
    .split(/[\n;|&]+|\bthen\b|\bdo\b|\belse\b/)
    .map(workOfCommand);
  for (const work of ['install', 'download', 'list'] as const) {
    if (commands.includes(work)) return work;
  }
  return 'none';
}

const programs: Readonly<Record<string, { readonly install: readonly string[]; readonly list: readonly string[] }>> = {
  'apt-get': { install: ['install', 'upgrade', 'dist-upgrade', 'full-upgrade'], list: ['update'] },
  apt: { install: ['install', 'upgrade', 'dist-upgrade', 'full-upgrade'], list: ['update'] },
  dnf: { install: ['install', 'update', 'upgrade', 'distro-sync'], list: ['makecache', 'check-update'] },
  yum: { install: ['install', 'update', 'upgrade', 'distro-sync'], list: ['makecache', 'check-update'] },
  zypper: { install: ['install', 'in', 'update', 'up', 'patch', 'dup', 'dist-upgrade'], list: ['refresh', 'ref'] },
};

function workOfCommand(command: string): PackageWork {
  const words = command.trim().split(/\s+/);
  const at = words.findIndex((word) => Object.hasOwn(programs, word.slice(word.lastIndexOf('/') + 1)));
  // A comment, or a name in somebody's message, is no command: before it only assignments and prefixes may stand.
  if (at < 0 || !words.slice(0, at).every(isPrefix)) return 'none';
  const program = programs[(words[at] ?? '').replace(/^.*\//, '')];
  const rest = words.slice(at + 1);
  if (rest.some((word) => /^(?:-s|--simulate|--dry-run|--just-print|--assumeno|--no-act|-D)$/.test(word)))
    return 'none';
  const has = (verbs: readonly string[] | undefined): boolean => rest.some((word) => verbs?.includes(word));
  if (has(program?.list)) return 'list';
  if (!has(program?.install)) return 'none';
  const isDownload = rest.some((word) => /^(?:--download-only|--downloadonly|-d)$/.test(word));
  return isDownload ? 'download' : 'install';
}

function isPrefix(word: string): boolean {
  return /^(?:[A-Za-z_]\w*=.*|sudo|env|nice|ionice|exec|command|time|if|!|-\w*|\d+|timeout|\(|\{)$/.test(word);
}
