/** A plan on a snapshot, for the commands that need no daemon: reads both files, decides nothing. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Snapshot } from '../engine/snapshot.ts';
import type { PlanPreview } from '../planner/preview.ts';
import { documentPaths } from './commands/daemon.ts';
import { UsageError } from './io.ts';
import type { Session } from './session.ts';
import { readSnapshotFile } from './snapshot-file.ts';

export interface OfflineOptions {
  readonly snapshot?: string;
  readonly documents?: readonly string[];
}

export const snapshotOption = [
  '--snapshot <file>',
  'work from a file made by `pitcrew snapshot`, without a daemon',
] as const;
export const documentsOption = [
  '--documents <path...>',
  `with --snapshot: folders or files with the documents (default: ${documentPaths.join(', ')})`,
] as const;

/** @throws UsageError where documents are named and no snapshot is: the daemon has its own */
export function checkOffline({ snapshot, documents }: OfflineOptions): void {
  if (documents === undefined || snapshot !== undefined) return;
  throw new UsageError('--documents goes with --snapshot; a daemon reads its own', 'add --snapshot FILE');
}

export interface Offline {
  readonly snapshot: Snapshot;
  readonly preview: PlanPreview;
}

export async function readOffline(
  session: Session,
  plan: string,
  file: string,
  { documents }: OfflineOptions,
  nowMs: number,
): Promise<Offline> {
  const { cwd, by, signal } = session.io;
  const paths = documents ?? documentPaths.filter((path) => existsSync(resolve(cwd, path)));
  if (paths.length === 0) {
    throw new UsageError(`none of ${documentPaths.join(', ')} is here`, 'name the documents by --documents PATH…');
  }
  // Loaded here alone: no other command needs the YAML parser and the planner.
  const [{ FolderDocuments }, { previewOffline }] = await Promise.all([
    import('../adapters/system/documents.ts'),
    import('../rehearsal/offline.ts'),
  ]);
  const snapshot = await readSnapshotFile(resolve(cwd, file), file);
  const folders = paths.map((path) => resolve(cwd, path));
  const read = await new FolderDocuments(folders, snapshot.servers).read();
  const preview = await previewOffline({ snapshot, documents: read, plan, by, nowMs, signal });
  return { snapshot, preview };
}
