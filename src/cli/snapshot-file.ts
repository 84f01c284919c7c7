/** Snapshots in files, compressed or not: which one it is, its first bytes say. */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { parseSnapshot, type Snapshot } from '../engine/snapshot.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';

/** As long as an answer of the daemon may be. */
const textBytesMax = 512 * 1024 * 1024;

export const gzipped = promisify<string, Buffer>(gzip);

export async function readSnapshotFile(path: string, name: string): Promise<Snapshot> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'there is no such file' : (cause.code ?? 'it cannot be read');
    throw new MaintenanceError('document/not-found', 'halt', `cannot read ${name}: ${why}`, { cause });
  });
  return parseSnapshot((await plain(bytes, name)).toString('utf8'), name);
}

async function plain(bytes: Buffer, name: string): Promise<Buffer> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: textBytesMax });
  } catch (cause) {
    const message = `${name} cannot be used as a snapshot: it is compressed and damaged, or too large`;
    throw new MaintenanceError('document/invalid', 'halt', message, { cause });
  }
}
