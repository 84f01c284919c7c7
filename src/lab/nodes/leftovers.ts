/**
 * What a lab leaves on the machine besides processes (folders, control groups), and how a later lab takes it away when the
 * earlier one died. It touches only what the earlier lab wrote down as its own.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { removeControlGroups } from './control-groups.ts';
import { endProcess, isAlive, processId, type ProcessId } from './namespaces.ts';

export const labsFolder = '/var/lib/pitcrew-nodelab';

interface LabRecord {
  readonly lab: ProcessId;
  /** The first processes of its namespaces. */
  residents: readonly ProcessId[];
}

const recordName = 'lab.json';

export function cgroupPrefixOf(id: string): string {
  return `pitcrew-nodelab-${id}-`;
}

export class LabTrace {
  readonly folder: string;
  readonly id: string;
  readonly #record: LabRecord;

  private constructor(id: string, record: LabRecord) {
    this.id = id;
    this.folder = path.join(labsFolder, id);
    this.#record = record;
  }

  static async begin(id: string): Promise<LabTrace> {
    const lab = await processId(process.pid);
    if (!lab) throw new Error('/proc does not show this process');
    const trace = new LabTrace(id, { lab, residents: [] });
    // Renamed into place together with its record: another lab that looks for leftovers takes no folder without one.
    const unborn = path.join(labsFolder, `.${id}`);
    await mkdir(unborn, { recursive: true, mode: 0o700 });
    await writeFile(path.join(unborn, recordName), JSON.stringify(trace.#record));
    await rename(unborn, trace.folder);
    return trace;
  }

  async note(residents: readonly ProcessId[]): Promise<void> {
    this.#record.residents = residents;
    await writeFile(path.join(this.folder, recordName), JSON.stringify(this.#record));
  }

  async end(): Promise<void> {
    await removeControlGroups(cgroupPrefixOf(this.id));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Takes away what dead labs left; gives how many there were. */
export async function clearLeftovers(): Promise<number> {
  const ids = await readdir(labsFolder).catch(() => []);
  let cleared = 0;
  for (const id of ids) {
    const folder = path.join(labsFolder, id);
    const record = await readRecord(folder);
    if (!record || (await isAlive(record.lab))) continue;
    for (const resident of record.residents) await endProcess(resident);
    await removeControlGroups(cgroupPrefixOf(id));
    await rm(folder, { recursive: true, force: true });
    cleared += 1;
  }
  return cleared;
}

async function readRecord(folder: string): Promise<LabRecord | undefined> {
  try {
    return JSON.parse(await readFile(path.join(folder, recordName), 'utf8')) as LabRecord;
  } catch {
    return undefined;
  }
}
