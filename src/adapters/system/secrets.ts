/**
 * Reads the secrets that documents refer to, each time anew, so that a rotated password is used at once.
 *
 * It never puts a value into an error, and never guesses: an empty or readable-by-others secret is refused, because the
 * programs that it is handed to would go on without one.
 */
import { constants, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { SecretRef } from '../../spec/values.ts';

/** Far above any key or password; a wrong path to something large is noticed instead of read. */
const secretMaxBytes = 64 * 1024;

export interface SecretStoreOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export class SecretStore {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #known = new Set<string>();

  constructor(options: SecretStoreOptions = {}) {
    this.#env = options.env ?? process.env;
  }

  async read(ref: SecretRef): Promise<string> {
    const value = 'file' in ref ? await readFromFile(ref.file) : this.#readFromEnv(ref.env);
    this.#known.add(value);
    return value;
  }

  /** Every value handed out so far, for redaction. */
  known(): readonly string[] {
    return [...this.#known];
  }

  #readFromEnv(name: string): string {
    const value = this.#env[name];
    if (value === undefined) throw unreadable(`the environment variable ${name} is not set`, { name });
    if (value === '') throw unreadable(`the environment variable ${name} is empty`, { name });
    return value;
  }
}

/** For the one caller that needs no redaction. */
export async function readSecret(ref: SecretRef): Promise<string> {
  return await new SecretStore().read(ref);
}

async function readFromFile(path: string): Promise<string> {
  try {
    // Non-blocking: a named pipe put there by mistake would hold us for ever.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    // Asked of the open file, not of the path: nobody can swap it in between.
    const objection = objectionTo(await handle.stat(), process.getuid?.());
    if (objection !== undefined) throw unreadable(`${path} ${objection}`, { path });
    const value = (await handle.readFile('utf8')).replace(/\r?\n$/, '');
    if (value === '') throw unreadable(`${path} is empty`, { path });
    return value;
  } catch (error) {
    if (error instanceof MaintenanceError) throw error;
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw unreadable(`${path} cannot be read (${reason})`, { path, reason });
  }
}

/**
 * Why this file may not hold a secret. As OpenSSH does for keys, group rights are refused only on a file of our own:
 * Kubernetes mounts secrets owned by root and readable by the group of the pod.
 */
export function objectionTo(file: Pick<Stats, 'mode' | 'uid' | 'size' | 'isFile'>, ourUid: number | undefined) {
  const mode = (file.mode & 0o777).toString(8).padStart(4, '0');
  if (!file.isFile()) return 'is not a regular file';
  if ((file.mode & 0o007) !== 0) return `has mode ${mode}: everybody may use it; run chmod 600 on it`;
  if (file.uid === ourUid && (file.mode & 0o070) !== 0) {
    return `has mode ${mode}: its group may use it; run chmod 600 on it`;
  }
  if (file.size > secretMaxBytes) return `is larger than ${secretMaxBytes} bytes; is it the right file?`;
  return undefined;
}

function unreadable(message: string, details: Record<string, string>): MaintenanceError {
  return new MaintenanceError('secret/unreadable', 'halt', message, { details });
}
