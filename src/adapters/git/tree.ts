/**
 * Which files of a commit are documents. Pure: the listing of its tree in, the entries to read out.
 *
 * Nothing is left out in silence: a link or a submodule where documents may be is an error, because leaving it out could
 * leave out servers or a limit.
 */
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import { fileBytesMax, isDocumentName, lookedIntoBytesMax, mistakable, tooLarge } from '../system/document-set.ts';

export interface TreeEntry {
  readonly path: string;
  readonly kind: 'file' | 'link' | 'submodule';
  /** Of the object, hexadecimal. */
  readonly id: string;
  readonly bytes: number;
}

/** More than that is no folder of documents. */
const documentsMax = 10_000;
/** Of files that are no documents: a repository with more of them holds something else as well. */
const lookedIntoMax = 40;

/** What `git ls-tree -r -z -l --full-tree` prints. */
export function parseTree(listing: string): TreeEntry[] {
  return listing
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const [, mode = '', id = '', size = '', path = ''] = /^(\d+) \w+ ([0-9a-f]+) +(\d+|-)\t(.*)$/s.exec(line) ?? [];
      if (id === '') throw new MaintenanceError('git/failed', 'halt', 'git lists the files in a way that is unknown');
      return { path, kind: kindOf(mode), id, bytes: size === '-' ? 0 : Number(size) };
    });
}

function kindOf(mode: string): TreeEntry['kind'] {
  if (mode === '160000') return 'submodule';
  return mode === '120000' ? 'link' : 'file';
}

/**
 * The documents below these folders, sorted, each once; a file that is named by itself counts whatever its name.
 *
 * @throws `git/not-found`, `document/invalid`
 */
export function documentsIn(tree: readonly TreeEntry[], folders: readonly string[], commit: string): TreeEntry[] {
  const chosen = new Map<string, TreeEntry>();
  for (const folder of folders.length === 0 ? [''] : folders) {
    const below = tree.filter(({ path }) => folder === '' || path === folder || path.startsWith(`${folder}/`));
    if (below.length === 0) throw nothing(folder === '' ? 'no file' : `no folder or file "${folder}"`, commit);
    for (const entry of below) {
      const own = entry.path.slice(folder === '' ? 0 : folder.length + 1);
      if (entry.path === folder || isCandidate(own, entry)) chosen.set(entry.path, entry);
    }
  }
  const found = [...chosen.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  // An empty set would be valid, and would take every plan out of use.
  if (found.length === 0) throw nothing('no document', commit);
  const faults = found.flatMap((entry) => faultOf(entry) ?? []);
  if (found.length > documentsMax) faults.push(`there are ${found.length} documents, more than ${documentsMax}`);
  if (faults.length > 0) {
    throw new MaintenanceError('document/invalid', 'halt', faults.join('\n'), { details: { problems: faults.length } });
  }
  return found;
}

/** Files below these folders that are no documents and may be taken for some, by name or by what is in them. */
export function mistakablesIn(
  tree: readonly TreeEntry[],
  folders: readonly string[],
): { readonly byName: readonly TreeEntry[]; readonly byText: readonly TreeEntry[] } {
  const roots = folders.length === 0 ? [''] : folders;
  const how = ({ path, kind }: TreeEntry): ReturnType<typeof mistakable> => {
    const isNamed = roots.includes(path);
    const root = roots.find((folder) => folder === '' || path.startsWith(`${folder}/`));
    if (kind !== 'file' || isNamed || root === undefined) return undefined;
    const parts = path.slice(root === '' ? 0 : root.length + 1).split('/');
    return isHidden(parts.slice(0, -1)) ? undefined : mistakable(parts.at(-1) ?? '');
  };
  const byText = tree.filter((entry) => entry.bytes <= lookedIntoBytesMax && how(entry) === 'byText');
  return { byName: tree.filter((entry) => how(entry) === 'byName'), byText: byText.slice(0, lookedIntoMax) };
}

function isHidden(folders: readonly string[]): boolean {
  return folders.some((part) => part.startsWith('.') || part === 'node_modules');
}

function isCandidate(path: string, { kind }: TreeEntry): boolean {
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  if (isHidden(parts)) return false;
  return kind === 'submodule' ? !name.startsWith('.') && name !== 'node_modules' : isDocumentName(name);
}

function faultOf({ path, kind, bytes }: TreeEntry): string | undefined {
  if (kind === 'link') return `${path} is a link, which is not followed; put the file itself there`;
  if (kind === 'submodule') return `${path} is a submodule, which is not read; name the folders with the documents`;
  return bytes > fileBytesMax ? `${path} cannot be read: ${tooLarge(bytes)}` : undefined;
}

/** Why a file beside a document cannot become part of it. */
export function faultOfAttachment(entry: TreeEntry | undefined): string | undefined {
  if (!entry) return 'there is no such file in this commit';
  if (entry.kind === 'submodule') return 'it is a submodule';
  if (entry.kind === 'link') return 'it is a link, which is not followed';
  return entry.bytes > fileBytesMax ? tooLarge(entry.bytes) : undefined;
}

/** What Git LFS leaves in the place of a file; taken for the file it would be copied to servers. */
export function isLargeFilePointer(text: string): boolean {
  return text.startsWith('version https://git-lfs.github.com/spec/');
}

function nothing(what: string, commit: string): MaintenanceError {
  return new MaintenanceError('git/not-found', 'halt', `there is ${what} in commit ${shortCommit(commit)}`);
}

export function shortCommit(commit: string): string {
  return commit.slice(0, 7);
}
