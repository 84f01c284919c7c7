/**
 * Documents from files and folders.
 *
 * It decides which files are documents and reads them, with the files that playbooks name; whether they are valid is
 * decided in spec. A path that cannot be read is an error: leaving it out could leave out servers or a limit.
 */
import { readFile, readdir, realpath, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { DocumentSource, Documents } from '../../ports/documents.ts';
import { attachedFiles } from '../../spec/attachments.ts';
import type { Attachments } from '../../spec/attachments.ts';
import { parseDocuments } from '../../spec/parse.ts';
import type { InventoryServer } from '../../spec/inventory.ts';
import type { DocumentFile, ParsedDocuments } from '../../spec/parse.ts';
import {
  documentsFrom,
  fileBytesMax,
  isDocumentName,
  isMeantAsDocument,
  lookedIntoBytesMax,
  mistakable,
  passedOverAmong,
  tooLarge,
  type PassedOver,
} from './document-set.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no right to read it',
  EISDIR: 'it is a folder',
  ELOOP: 'its links go in a circle',
  ENOTDIR: 'a part of its path is no folder',
};

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it cannot be read';
  const code = 'code' in error ? String(error.code) : '';
  return reasons[code] ?? (code || error.message);
}

function unreadable(path: string, cause: unknown): MaintenanceError {
  const message = `cannot read ${path}: ${reasonOf(cause)}`;
  return new MaintenanceError('document/not-found', 'halt', message, { details: { path }, cause });
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

interface Found {
  readonly documents: string[];
  /** Those that somebody may take for documents. */
  readonly others: string[];
  /** To folders. */
  readonly links: string[];
}

async function look(path: string, found: Found): Promise<void> {
  if (!(await stat(path)).isDirectory()) {
    found.documents.push(path);
    return;
  }
  for (const entry of (await readdir(path, { withFileTypes: true })).sort(byName)) {
    const { name } = entry;
    const below = join(path, name);
    const isFolder = !name.startsWith('.') && name !== 'node_modules';
    // Folders that are links are not followed, so there is no circle; files may be links, as in a mounted ConfigMap.
    if (entry.isDirectory() && isFolder) await look(below, found);
    else if (entry.isSymbolicLink() && isFolder && (await isFolderAt(below))) found.links.push(below);
    else if (isDocumentName(name) && (await stat(below)).isFile()) found.documents.push(below);
    else if (await isMistakable(below, name)) found.others.push(below);
  }
}

/** A link to nothing is no folder; where it has the name of a document it is an error later on. */
async function isFolderAt(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** What cannot even be looked at was not meant to be read. */
async function isMistakable(path: string, name: string): Promise<boolean> {
  const how = mistakable(name);
  const file = how && (await stat(path).catch(() => undefined));
  if (!file?.isFile()) return false;
  if (how === 'byName') return true;
  return file.size <= lookedIntoBytesMax && isMeantAsDocument(await readFile(path, 'utf8').catch(() => ''));
}

async function readText(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > fileBytesMax) throw new Error(tooLarge(size));
  return readFile(path, 'utf8');
}

interface ReadIn {
  /** Sorted, each once. */
  readonly files: readonly DocumentFile[];
  readonly attachments: Attachments;
  readonly passedOver: readonly PassedOver[];
}

/** The documents under the given files and folders, with the files that they name. */
export async function readDocuments(paths: readonly string[]): Promise<ReadIn> {
  const byRealPath = new Map<string, DocumentFile>();
  const found: Found = { documents: [], others: [], links: [] };
  for (const path of paths) {
    try {
      const seen = found.documents.length;
      await look(path, found);
      for (const file of found.documents.slice(seen)) {
        const real = await realpath(file);
        if (!byRealPath.has(real)) byRealPath.set(real, { path: shownPath(file), text: await readText(file) });
      }
    } catch (error) {
      throw unreadable(path, error);
    }
  }
  const files = [...byRealPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  const attachments = await readAttachments(files);
  const unread = [...new Set(found.others)].filter((path) => !found.documents.includes(path)).map(shownPath);
  const because = 'it is a link to a folder, which is not followed; name the folder itself';
  const links = [...new Set(found.links)].map((link) => ({ path: shownPath(link), because }));
  return { files, attachments, passedOver: [...passedOverAmong(unread, attachments), ...links] };
}

function shownPath(path: string): string {
  return path.split(sep).join('/');
}

/** A link out of the playbook's folder would let a playbook fetch any file that this process may read. */
async function isInside(path: string, folder: string): Promise<boolean> {
  const way = relative(await realpath(folder), await realpath(path));
  return way !== '..' && !way.startsWith(`..${sep}`);
}

/** The files that playbooks name. One that cannot be read is a problem of the playbook, with its place in it. */
async function readAttachments(files: readonly DocumentFile[]): Promise<Attachments> {
  const attachments = new Map<string, { text: string } | { failure: string }>();
  for (const { path, folder } of attachedFiles(files)) {
    const known = attachments.get(path);
    // Two playbooks may name one file; both must be allowed to.
    if (known !== undefined && 'failure' in known) continue;
    try {
      const isAllowed = await isInside(path, folder);
      attachments.set(path, isAllowed ? { text: await readText(path) } : { failure: 'it is a link to somewhere else' });
    } catch (error) {
      attachments.set(path, { failure: reasonOf(error) });
    }
  }
  return attachments;
}

/** For the command line: everything that can be said about the documents, valid or not. */
export async function readAndParse(
  paths: readonly string[],
): Promise<ParsedDocuments & { readonly passedOver: readonly PassedOver[] }> {
  const { files, attachments, passedOver } = await readDocuments(paths);
  return { ...parseDocuments(files, attachments), passedOver };
}

export class FolderDocuments implements DocumentSource {
  readonly #paths: readonly string[];
  readonly #otherServers: readonly InventoryServer[];

  /** `otherServers`: the inventory where these paths hold none, as with a snapshot. */
  constructor(paths: readonly string[], otherServers: readonly InventoryServer[] = []) {
    this.#paths = paths;
    this.#otherServers = otherServers;
  }

  async read(): Promise<Documents> {
    const { files, attachments, passedOver } = await readDocuments(this.#paths);
    const hasInventory = files.some(({ text }) => /^kind:\s*["']?Inventory\b/m.test(text));
    const all = hasInventory || this.#otherServers.length === 0 ? files : [...files, inventoryOf(this.#otherServers)];
    return documentsFrom(all, attachments, passedOver);
  }
}

/** Written as a document, so that these servers are judged by the same rules. */
function inventoryOf(servers: readonly InventoryServer[]): DocumentFile {
  const document = {
    apiVersion: 'pitcrew.dev/v1',
    kind: 'Inventory',
    metadata: { name: 'snapshot' },
    spec: { servers },
  };
  return { path: 'inventory of the snapshot', text: JSON.stringify(document) };
}
