/** Git repositories for tests, written to with the real git, and a source of documents whose looks the test decides. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { GitDocuments } from '../../../src/adapters/git/git-documents.ts';
import { gitSettings, type GitOptions } from '../../../src/adapters/git/settings.ts';
import { readSecret } from '../../../src/adapters/system/secrets.ts';
import { SystemRandom } from '../../../src/adapters/system/system-clock.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { inventory, plan, playbook } from '../../spec/documents.ts';
import { recordingLogger, type LoggedLine } from '../redis/own-redis.ts';

const run = promisify(execFile);

export const validFiles = { 'plans/weekly.yaml': plan, 'playbooks/reboot.yaml': playbook, 'inventory.yaml': inventory };

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pitcrew-git-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function programOutput(program: string, words: readonly string[]): Promise<string> {
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Anna',
    GIT_AUTHOR_EMAIL: 'anna@example.org',
    GIT_COMMITTER_NAME: 'Anna',
    GIT_COMMITTER_EMAIL: 'anna@example.org',
  };
  return (await run(program, [...words], { env })).stdout.trim();
}

/** A repository with a work tree, as a person has it. */
export class Repository {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(files: Readonly<Record<string, string>> = validFiles): Promise<Repository> {
    const repository = new Repository(await temporaryFolder());
    await programOutput('git', ['init', '--quiet', '-b', 'main', repository.path]);
    await repository.commit(files);
    return repository;
  }

  git(...words: string[]): Promise<string> {
    return programOutput('git', ['-C', this.path, ...words]);
  }

  /** Texts by path; `{ link }` makes a link. Returns the commit. */
  async commit(
    files: Readonly<Record<string, string | { link: string }>>,
    key?: string,
    message = 'change',
  ): Promise<string> {
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.path, name);
      await mkdir(dirname(path), { recursive: true });
      if (typeof content === 'string') await writeFile(path, content);
      else await symlink(content.link, path);
    }
    await this.git('add', '-A');
    const signing = key === undefined ? [] : ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${key}`];
    await this.git(
      ...signing,
      'commit',
      '--quiet',
      '--allow-empty',
      ...(key === undefined ? [] : ['-S']),
      '-m',
      message,
    );
    return this.git('rev-parse', 'HEAD');
  }
}

interface Sleeper {
  readonly wake: () => void;
  readonly durationMs: number;
}

/** Time that passes only when the test says so. */
class HandClock implements Clock {
  readonly #sleepers: Sleeper[] = [];
  #arrived: () => void = () => undefined;

  nowMs(): number {
    return Date.UTC(2026, 10, 22, 13, 5);
  }

  sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        signal?.removeEventListener('abort', onAbort);
        const at = this.#sleepers.indexOf(sleeper);
        if (at !== -1) this.#sleepers.splice(at, 1);
        settle();
      };
      const onAbort = (): void => end(() => reject(new Error('aborted')));
      const sleeper = { durationMs, wake: () => end(resolve) };
      if (signal?.aborted) return reject(new Error('aborted'));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#sleepers.push(sleeper);
      this.#arrived();
    });
  }

  /** Until somebody sleeps; how long that is meant to last. */
  async sleeping(): Promise<Sleeper> {
    for (;;) {
      const [sleeper] = this.#sleepers;
      if (sleeper) return sleeper;
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}

export interface Opened {
  readonly documents: GitDocuments;
  readonly lines: LoggedLine[];
  readonly data: string;
  /** Lets the time pass until it has looked at the repository once more; how long the pause was meant to be. */
  readonly look: () => Promise<number>;
  /** Lets only the least pause pass, and waits for a look: it comes at once where somebody has told of a change. */
  readonly lookWhenTold: () => Promise<void>;
}

/** Started, and stopped when the test ends. `data` again: the same daemon after a restart. */
export async function open(options: GitOptions, more: { data?: string; pollMs?: number } = {}): Promise<Opened> {
  const data = more.data ?? (await temporaryFolder());
  const clock = new HandClock();
  const { logger, lines } = recordingLogger();
  const documents = new GitDocuments({
    settings: gitSettings(options),
    folder: join(data, 'git'),
    pollMs: more.pollMs ?? 60_000,
    readToken: (file) => readSecret({ file }),
    env: { PATH: process.env['PATH'] },
    clock,
    random: new SystemRandom(),
    logger,
  });
  onTestFinished(() => documents.stop());
  await documents.start();
  const passGap = async (): Promise<number> => {
    const gap = await clock.sleeping();
    gap.wake();
    return gap.durationMs;
  };
  const look = async (): Promise<number> => {
    const gapMs = await passGap();
    const rest = await clock.sleeping();
    rest.wake();
    await clock.sleeping();
    return gapMs + rest.durationMs;
  };
  const lookWhenTold = async (): Promise<void> => {
    await passGap();
    await clock.sleeping();
  };
  return { documents, lines, data, look, lookWhenTold };
}

export async function signingKey(folder: string, name: string): Promise<{ file: string; allowed: string }> {
  const file = join(folder, name);
  await programOutput('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
  const [type = '', key = ''] = (await programOutput('cat', [`${file}.pub`])).split(' ');
  return { file, allowed: `${name}@example.org ${type} ${key}\n` };
}
