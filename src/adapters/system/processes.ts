/** What can be found out about a process that may not be our child. It never signals one. */
import { readFileSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 50;

/** One that has ended and that nobody has collected does not count. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    // The state follows the name, which is in brackets and may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** Waits for the end of a process; says whether it came in time. */
export async function waitUntilGone(pid: number, patienceMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + patienceMs;
  while (isRunning(pid)) {
    if (performance.now() >= deadlineMs) return false;
    await sleep(pollMs);
  }
  return true;
}

/**
 * The process that the pid file names, where it still is what we once started: of this name and at home in this
 * folder. Process ids are used again, so the number alone proves nothing.
 */
export async function processWorkingIn(folder: string, name: string, pidFile: string): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(pidFile, 'utf8')).trim());
    if (!Number.isInteger(pid) || pid <= 1 || !isRunning(pid)) return undefined;
    const comm = (await readFile(`/proc/${pid}/comm`, 'utf8')).trim();
    const home = await readlink(`/proc/${pid}/cwd`);
    return comm === name && home === folder ? pid : undefined;
  } catch {
    return undefined;
  }
}
