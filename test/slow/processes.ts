/** The processes of one installation, found by its temporary folder, so that nothing of it can be left behind unseen. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessSeen {
  readonly pid: number;
  readonly parent: number;
  readonly arguments: readonly string[];
  readonly cwd: string;
}

async function look(pid: number): Promise<ProcessSeen | undefined> {
  try {
    const [cmdline, stat] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'latin1'),
      readFile(`/proc/${pid}/stat`, 'latin1'),
    ]);
    // The name is in brackets and may hold anything; behind it come the state and the parent.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    return { pid, parent: Number(parent), arguments: cmdline.split('\0').slice(0, -1), cwd };
  } catch {
    return undefined;
  }
}

export async function allProcesses(): Promise<ProcessSeen[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const seen = await Promise.all(pids.map(look));
  return seen.filter((one) => one !== undefined);
}

/** Those that work in this folder or name it in their arguments; never this process itself. */
export async function processesIn(folder: string): Promise<ProcessSeen[]> {
  const isOurs = ({ pid, cwd, arguments: words }: ProcessSeen): boolean =>
    pid !== process.pid && (cwd === folder || cwd.startsWith(`${folder}/`) || words.join('\0').includes(folder));
  return (await allProcesses()).filter(isOurs);
}

/** Gives them a moment to end by themselves; returns those that do not. */
export async function processesLeftIn(folder: string, patienceMs: number): Promise<ProcessSeen[]> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const left = await processesIn(folder);
    if (left.length === 0 || performance.now() > deadlineMs) return left;
    await sleep(100);
  }
}
