/** What a lab that was killed leaves, and who takes it away. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { clearLeftovers } from '../../src/lab/nodes/leftovers.ts';
import { isAlive, type ProcessId } from '../../src/lab/nodes/namespaces.ts';

const minuteMs = 60_000;

function groupsOf(id: string): string[] {
  const top = '/sys/fs/cgroup';
  return readdirSync(top).flatMap((hierarchy) => {
    const folder = path.join(top, hierarchy);
    return existsSync(path.join(folder, 'cgroup.procs')) ? readdirSync(folder).filter((name) => name.includes(id)) : [];
  });
}

it(
  'a lab that is killed takes its servers with it, and the next lab takes away the rest',
  { timeout: 3 * minuteMs },
  async () => {
    const program = path.join(import.meta.dirname, 'lab-daemon.ts');
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { folder, residents } = JSON.parse(String((await lines.next()).value)) as {
      folder: string;
      residents: ProcessId[];
    };
    expect(residents.length).toBe(2);
    expect(groupsOf(path.basename(folder)).length).toBeGreaterThan(0);
    child.kill('SIGKILL');
    await once(child, 'exit');
    for (const resident of residents) {
      for (let tries = 0; tries < 500 && (await isAlive(resident)); tries += 1) await sleep(20);
      expect(await isAlive(resident)).toBe(false);
    }
    expect(existsSync(folder)).toBe(true);
    expect(await clearLeftovers()).toBeGreaterThan(0);
    expect(existsSync(folder)).toBe(false);
    expect(groupsOf(path.basename(folder))).toEqual([]);
  },
);
