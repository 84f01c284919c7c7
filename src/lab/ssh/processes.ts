/**
 * Finds and ends the processes of one lab machine by a mark in their environment: a job detaches itself from everything
 * else by which one could know it, and that is what it is for.
 */
import { readdir, readFile } from 'node:fs/promises';

export const processMark = 'PITCREW_LAB_MACHINE';

/** Rounds are needed, because a process may have forked while we looked at others. */
const roundsMax = 50;

/** Ends all of them. Rejects where some are left that cannot be ended. */
export async function endProcesses(mark: string): Promise<void> {
  for (let round = 0; round < roundsMax; round += 1) {
    const pids = await processesOf(mark);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It was quicker.
      }
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  throw new Error(`processes of ${mark} do not end`);
}

/** The mark is the machine's folder; a folder above stands for all machines in it. */
export async function processesOf(mark: string): Promise<number[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const entry = `${processMark}=${mark}`;
  const found = await Promise.all(
    names.map(async (pid) => {
      try {
        // The environment of a process that has ended and was not waited for yet is empty, so it does not count.
        const environment = await readFile(`/proc/${pid}/environ`, 'latin1');
        const isOurs = environment.split('\0').some((each) => each === entry || each.startsWith(`${entry}/`));
        return isOurs ? [Number(pid)] : [];
      } catch {
        return [];
      }
    }),
  );
  return found.flat();
}
