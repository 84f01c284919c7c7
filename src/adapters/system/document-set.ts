/**
 * What every source of documents does with the texts once it has them, wherever they came from: which names count, how
 * large a file may be, whether the set may be used, and its digest. It reads nothing.
 */
import { createHash } from 'node:crypto';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Documents } from '../../ports/documents.ts';
import type { Attachments } from '../../spec/attachments.ts';
import { parseDocuments, type DocumentFile } from '../../spec/parse.ts';
import { describeProblem } from '../../spec/problem.ts';

/** More than any document needs; a large file here is a mistake, such as an image for a node. */
export const fileBytesMax = 4 * 1024 * 1024;

export function tooLarge(bytes: number): string {
  return `it has ${bytes} bytes, more than ${fileBytesMax}`;
}

/** Names that begin with a dot are no documents (`.git`, editors' files, and the links that Kubernetes makes for mounts). */
export function isDocumentName(name: string): boolean {
  return /\.ya?ml$/.test(name) && !name.startsWith('.');
}

/** @throws `document/invalid` with every problem in its message. */
export function documentsFrom(files: readonly DocumentFile[], attachments: Attachments): Documents {
  const { plans, playbooks, servers, problems } = parseDocuments(files, attachments);
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) {
    const message = errors.map(describeProblem).join('\n');
    throw new MaintenanceError('document/invalid', 'halt', message, { details: { problems: errors.length } });
  }
  const warnings = problems.map(describeProblem);
  return { plans, playbooks, servers, digest: digestOf(files, attachments), warnings };
}

function digestOf(files: readonly DocumentFile[], attachments: Attachments): string {
  const hash = createHash('sha256');
  const add = (path: string, text: string): void => {
    hash
      .update(`${Buffer.byteLength(path)} ${Buffer.byteLength(text)}\n`)
      .update(path)
      .update(text);
  };
  for (const { path, text } of files) add(path, text);
  for (const [path, attachment] of attachments) if ('text' in attachment) add(path, attachment.text);
  return hash.digest('hex');
}
