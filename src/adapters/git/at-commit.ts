/** The documents as one commit holds them, with the files beside them. It never looks at anything but that commit. */
import type { Documents } from '../../ports/documents.ts';
import { attachedFiles, type Attachments } from '../../spec/attachments.ts';
import { documentsFrom, isMeantAsDocument, passedOverAmong } from '../system/document-set.ts';
import type { GitMirror } from './mirror.ts';
import type { GitSettings } from './settings.ts';
import { documentsIn, faultOfAttachment, isLargeFilePointer, mistakablesIn, type TreeEntry } from './tree.ts';

/** @throws `git/signature`, `git/not-found`, `document/invalid`, and what the mirror throws */
export async function documentsAt(
  mirror: GitMirror,
  commit: string,
  settings: GitSettings,
  signal: AbortSignal,
): Promise<Documents & { readonly commit: string }> {
  // First, so that nothing of a commit that nobody vouches for is even parsed.
  if (settings.allowedSignersFile !== undefined) await mirror.verify(commit, signal);
  const tree = await mirror.list(commit, signal);
  const entries = documentsIn(tree, settings.folders, commit);
  const texts = await mirror.read(entries, signal);
  const files = entries.map(({ path, id }) => ({ path, text: texts.get(id) ?? '' }));
  const attachments = await attachmentsOf(mirror, files, tree, signal);
  const unread = await mistakenFor(mirror, tree, settings.folders, signal);
  return { ...documentsFrom(files, attachments, passedOverAmong(unread, attachments)), commit };
}

/** The files that somebody may take for documents. */
async function mistakenFor(
  mirror: GitMirror,
  tree: readonly TreeEntry[],
  folders: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const { byName, byText } = mistakablesIn(tree, folders);
  const texts = await mirror.read(byText, signal);
  const meant = byText.filter(({ id }) => isMeantAsDocument(texts.get(id) ?? ''));
  return [...byName, ...meant].map(({ path }) => path);
}

async function attachmentsOf(
  mirror: GitMirror,
  files: readonly { readonly path: string; readonly text: string }[],
  tree: readonly TreeEntry[],
  signal: AbortSignal,
): Promise<Attachments> {
  const byPath = new Map(tree.map((entry) => [entry.path, entry]));
  const wanted = attachedFiles(files).map(({ path }) => ({ path, entry: byPath.get(path) }));
  const texts = await mirror.read(
    wanted.flatMap(({ entry }) => (entry && faultOfAttachment(entry) === undefined ? [entry] : [])),
    signal,
  );
  return new Map(
    wanted.map(({ path, entry }) => {
      const failure = faultOfAttachment(entry);
      const text = texts.get(entry?.id ?? '') ?? '';
      if (failure !== undefined) return [path, { failure }];
      const isPointer = isLargeFilePointer(text);
      return [path, isPointer ? { failure: 'it is kept in Git LFS; put the file itself into Git' } : { text }];
    }),
  );
}
