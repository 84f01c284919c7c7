/** The control groups of lab servers, in every hierarchy of this machine, version 1 or 2; made before a server, removed after it. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const top = '/sys/fs/cgroup';
const removeTries = 100;
const pollMs = 20;

/** One folder for all of version 2, one per controller where version 1 is still in use. */
async function hierarchies(): Promise<string[]> {
  if (existsSync(path.join(top, 'cgroup.controllers'))) return [top];
  const names = await readdir(top, { withFileTypes: true });
  // Links are second names of the same hierarchy.
  return names.filter((entry) => entry.isDirectory()).map((entry) => path.join(top, entry.name));
}

export async function makeControlGroups(name: string): Promise<string[]> {
  const made = [];
  for (const hierarchy of await hierarchies()) {
    const group = path.join(hierarchy, name);
    await mkdir(group, { recursive: true });
    if (hierarchy === top) await mkdir(path.join(group, 'init'), { recursive: true });
    // Version 1: a group without processors and memory takes no process, and those below start empty unless they are cloned.
    if (existsSync(path.join(group, 'cgroup.clone_children'))) await prepareCpuset(hierarchy, group);
    made.push(group);
  }
  return made;
}

async function prepareCpuset(hierarchy: string, group: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (!existsSync(path.join(group, file))) return;
    await writeFile(path.join(group, file), await readFile(path.join(hierarchy, file)));
  }
  await writeFile(path.join(group, 'cgroup.clone_children'), '1');
}

/** Removes every group whose name begins so, with what is below. They have to be free of processes, or come to be soon. */
export async function removeControlGroups(prefix: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const names = (await readdir(hierarchy)).filter((name) => name.startsWith(prefix));
    for (const name of names) await removeTree(path.join(hierarchy, name));
  }
}

async function removeTree(group: string): Promise<void> {
  const entries = await readdir(group, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await removeTree(path.join(group, entry.name));
  for (let tries = 0; ; tries += 1) {
    try {
      await rmdir(group);
      return;
    } catch (error) {
      const isGone = (await stat(group).catch(() => undefined)) === undefined;
      if (isGone) return;
      if (tries >= removeTries) throw error;
      await sleep(pollMs);
    }
  }
}
