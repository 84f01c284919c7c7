/**
 * A bare copy of one branch of one repository in the data folder. It fetches, and reads commits: never a work tree, so
 * that what is read is exactly what a commit holds, whoever writes what beside it.
 *
 * Which commit is in use is a reference in it (`used`), written in one step, which a restart finds again. One process
 * uses it at a time.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import { environmentFor } from './environment.ts';
import { runGit, type GitAnswer, type GitRun } from './run-git.ts';
import type { GitSettings } from './settings.ts';
import { parseTree, shortCommit, type TreeEntry } from './tree.ts';

export interface MirrorInput {
  readonly settings: GitSettings;
  /** Holds the mirrors of all repositories that were ever used here. */
  readonly folder: string;
  /** Asked before every fetch, so that a new token counts at once. */
  readonly readToken: ((file: string) => Promise<string>) | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const newestRef = 'refs/pitcrew/newest';
const usedRef = 'refs/pitcrew/used';
const firstFetchMs = 10 * 60_000;
const fetchMs = 2 * 60_000;
const localMs = 60_000;
/** All documents of a commit together. */
const blobBytesMax = 64 * 1024 * 1024;

export class GitMirror {
  readonly #input: MirrorInput;
  readonly #folder: string;
  readonly #home: string;

  constructor(input: MirrorInput) {
    this.#input = input;
    const { remote, branch } = input.settings;
    // Another repository or branch is another mirror, with a last good commit of its own.
    const name = createHash('sha256')
      .update(JSON.stringify([remote, branch ?? null]))
      .digest('hex')
      .slice(0, 16);
    this.#folder = join(input.folder, `${name}.git`);
    this.#home = join(input.folder, `${name}.home`);
  }

  /** Makes it where it is not there yet. */
  async prepare(signal: AbortSignal): Promise<void> {
    const { remote, transport } = this.#input.settings;
    // Made anew, so that nothing in it steers git or ssh.
    await rm(this.#home, { recursive: true, force: true });
    for (const folder of [this.#folder, this.#home]) await mkdir(folder, { recursive: true, mode: 0o700 });
    await removeLocks(this.#folder);
    // `--template=`: no hooks, no examples of them.
    await this.#git({ what: 'init', words: ['init', '--quiet', '--bare', '--template=', '--', this.#folder], signal });
    if (transport.kind !== 'path') return;
    // Whoever named the path trusts it, whoever owns it. Git asks for this in a file of the user's.
    const config = ['config', '--file', join(this.#home, '.gitconfig'), '--add', 'safe.directory'];
    for (const path of [remote, join(remote, '.git')]) {
      await this.#git({ what: 'config', words: [...config, path], signal });
    }
  }

  /** The newest commit of the branch, and the one that was known before. */
  async fetch(signal: AbortSignal): Promise<{ readonly newest: string; readonly before: string | undefined }> {
    const { settings, readToken } = this.#input;
    const { branch, remote, transport } = settings;
    const before = await this.#resolve(newestRef, signal);
    const tokenFile = transport.kind === 'http' ? transport.tokenFile : undefined;
    const token = tokenFile === undefined ? undefined : await readToken?.(tokenFile);
    if (token !== undefined && /[\n\r\0]/.test(token)) {
      throw new MaintenanceError('git/auth', 'halt', 'the token for the Git server holds a line break');
    }
    // A git that was killed leaves its locks behind, and nobody else works in here.
    await removeLocks(this.#folder);
    const from = branch === undefined ? 'HEAD' : `refs/heads/${branch}`;
    const how = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules', '--update-shallow'];
    await this.#git(
      {
        what: 'fetch',
        words: [...this.#here(), 'fetch', ...how, '--', remote, `+${from}:${newestRef}`],
        signal,
        timeoutMs: before === undefined ? firstFetchMs : fetchMs,
      },
      token,
    );
    const newest = await this.#resolve(newestRef, signal);
    if (newest === undefined) throw new MaintenanceError('git/not-found', 'halt', 'the branch has no commit');
    return { newest, before };
  }

  /** The commit that was in use last; `undefined`: none yet. */
  usedCommit(signal: AbortSignal): Promise<string | undefined> {
    return this.#resolve(usedRef, signal);
  }

  async keepUsed(commit: string, signal: AbortSignal): Promise<void> {
    await this.#git({ what: 'update-ref', words: [...this.#here(), 'update-ref', usedRef, commit], signal });
  }

  /** Whether the history of `later` holds `earlier`. */
  async isAncestor(earlier: string, later: string, signal: AbortSignal): Promise<boolean> {
    const words = [...this.#here(), 'merge-base', '--is-ancestor', earlier, later];
    // 128: the earlier one is gone altogether.
    return (await this.#git({ what: 'merge-base', words, signal, answers: [1, 128] })).exitCode === 0;
  }

  /** @throws `git/signature` unless somebody on the list has signed it. */
  async verify(commit: string, signal: AbortSignal): Promise<void> {
    const words = [...this.#here(), 'verify-commit', '--raw', commit];
    const { exitCode, stderr } = await this.#git({ what: 'verify-commit', words, signal, answers: [1, 128] });
    // git asks ssh-keygen twice, for who signed and whether it is right; its last word is the exit code.
    if (exitCode === 0 && /^Good "git" signature for \S/m.test(stderr)) return;
    const message = `commit ${shortCommit(commit)} ${refusal(stderr)}`;
    throw new MaintenanceError('git/signature', 'halt', message, { details: { commit } });
  }

  async list(commit: string, signal: AbortSignal): Promise<TreeEntry[]> {
    const words = [...this.#here(), 'ls-tree', '-r', '-z', '-l', '--full-tree', commit];
    return parseTree((await this.#git({ what: 'ls-tree', words, signal })).stdout.toString('utf8'));
  }

  /** The texts by object id. */
  async read(entries: readonly TreeEntry[], signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    if (bytes > blobBytesMax) {
      throw new MaintenanceError(
        'git/too-large',
        'halt',
        `the documents have ${bytes} bytes, more than ${blobBytesMax}`,
      );
    }
    const ids = [...new Set(entries.map(({ id }) => id))];
    if (ids.length === 0) return new Map();
    const words = [...this.#here(), 'cat-file', '--batch'];
    const { stdout } = await this.#git({ what: 'cat-file', words, signal, input: `${ids.join('\n')}\n` });
    return parseBatch(stdout);
  }

  async #resolve(ref: string, signal: AbortSignal): Promise<string | undefined> {
    const words = [...this.#here(), 'rev-parse', '--verify', '--quiet', `${ref}^{commit}`];
    const { exitCode, stdout } = await this.#git({ what: 'rev-parse', words, signal, answers: [1] });
    return exitCode === 0 ? stdout.toString('utf8').trim() : undefined;
  }

  #here(): string[] {
    // Said outright, so that git looks for no repository elsewhere.
    return [`--git-dir=${this.#folder}`];
  }

  async #git(run: Omit<GitRun, 'env' | 'timeoutMs'> & { timeoutMs?: number }, token?: string): Promise<GitAnswer> {
    const env = environmentFor(this.#input.settings, { home: this.#home, env: this.#input.env }, token);
    const secrets = token === undefined ? [] : [token];
    return await runGit({ timeoutMs: localMs, secrets, ...run, env });
  }
}

function refusal(stderr: string): string {
  // Said first: where the list is missing, nobody is on it either.
  if (/Unable to open allowed keys file|allowedSignersFile/.test(stderr)) {
    return 'cannot be checked: the list of allowed signers cannot be read';
  }
  if (/No principal matched/.test(stderr)) return 'is signed by a key that is not on the list of allowed signers';
  return stderr.trim() === '' ? 'is not signed' : 'has no signature of an SSH key that could be checked';
}

/** What `git cat-file --batch` prints: a line about the object, the object, a line end, and the next. */
function parseBatch(output: Buffer): Map<string, string> {
  const texts = new Map<string, string>();
  for (let at = 0; at < output.length;) {
    const end = output.indexOf(0x0a, at);
    const [, id = '', size = ''] = /^([0-9a-f]+) blob (\d+)$/.exec(output.toString('latin1', at, end)) ?? [];
    if (id === '') throw new MaintenanceError('git/failed', 'halt', 'an object of the repository cannot be read');
    const begin = end + 1;
    texts.set(id, output.toString('utf8', begin, begin + Number(size)));
    at = begin + Number(size) + 1;
  }
  return texts;
}

async function removeLocks(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const isLeft = entry.isFile() && (entry.name.endsWith('.lock') || entry.name === 'gc.pid');
    if (isLeft) await rm(join(entry.parentPath, entry.name), { force: true });
  }
}
