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

/** A file that is not read although a person may think that it is. */
export interface PassedOver {
  readonly path: string;
  readonly because: string;
}

const endings = 'documents are YAML, in files that end in .yaml or .yml, in small letters';

/**
 * Whether somebody may take this file, which is not read, for a document: by its name alone, or by what is in it. Backups
 * (`plan.yaml.bak`, `plan.yaml~`), templates and whatever else has a name of its own are left alone: so are plans put aside.
 */
export function mistakable(name: string): 'byName' | 'byText' | undefined {
  if (name.startsWith('.') || isDocumentName(name)) return undefined;
  if (/\.ya?ml(?:\.txt)?$/i.test(name)) return 'byName';
  return /\.json$/i.test(name) ? 'byText' : undefined;
}

/** Larger ones are not looked into: they are data. */
export const lookedIntoBytesMax = 256 * 1024;

/** Many files are JSON; those that say what our documents say at their beginning are meant as one. */
export function isMeantAsDocument(text: string): boolean {
  return /"apiVersion"\s*:\s*"pitcrew\.dev\/|"kind"\s*:\s*"(?:MaintenancePlan|Playbook|Inventory)"/.test(text);
}

/** `paths`: of files that look like documents; those that documents name are read, as what they are. */
export function passedOverAmong(paths: readonly string[], attachments: Attachments): PassedOver[] {
  return paths.filter((path) => !attachments.has(path)).map((path) => ({ path, because: endings }));
}

export function describePassedOver({ path, because }: PassedOver): string {
  return `${path} is not read: ${because}`;
}

/** @throws `document/invalid` with every problem in its message, and what was not read: it may be what is missed. */
export function documentsFrom(
  files: readonly DocumentFile[],
  attachments: Attachments,
  passedOver: readonly PassedOver[],
): Documents {
  const { plans, playbooks, servers, problems } = parseDocuments(files, attachments);
  const errors = problems.filter(({ severity }) => severity === 'error');
  const notices = passedOver.map(describePassedOver);
  if (errors.length > 0) {
    const message = [...errors.map(describeProblem), ...notices].join('\n');
    throw new MaintenanceError('document/invalid', 'halt', message, { details: { problems: errors.length } });
  }
  const warnings = problems.map(describeProblem);
  return { plans, playbooks, servers, digest: digestOf(files, attachments), warnings, notices };
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
