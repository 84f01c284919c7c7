/**
 * Documents from a Git repository: fetched now and then or when told, used from one commit, all or nothing.
 *
 * It decides which commit is in use: the newest that can be read without an error and, where signers are named, is signed
 * by one of them. A newer commit that cannot be used is said, and the last good one stays. It never uses a part of a
 * commit, and never stops because the repository cannot be reached.
 */
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { DocumentSource, Documents } from '../../ports/documents.ts';
import type { Logger } from '../../ports/logger.ts';
import { documentsAt } from './at-commit.ts';
import { GitMirror, type MirrorInput } from './mirror.ts';
import { noticesOf, type GitState } from './notices.ts';
import { pauseMs } from './pauses.ts';
import { shortCommit } from './tree.ts';

export interface GitDocumentsInput extends MirrorInput {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Between two looks at the repository. */
  readonly pollMs: number;
}

/** The start waits so long for the first fetch; later it goes on beside. */
const startPatienceMs = 20_000;
/** Whoever tells us all the time makes us fetch no more often than this. */
const fetchGapMs = 3_000;

export class GitDocuments implements DocumentSource {
  readonly #input: GitDocumentsInput;
  readonly #mirror: GitMirror;
  readonly #stopped = new AbortController();
  #used: (Documents & { readonly commit: string }) | undefined;
  #state: GitState = {};
  #working: Promise<void> | undefined;
  #told = new AbortController();
  /** What was logged last, so that it is said once and not at every look. */
  #said = '';

  constructor(input: GitDocumentsInput) {
    this.#input = input;
    this.#mirror = new GitMirror(input);
  }

  /** Takes up what was in use before, and looks at the repository for the first time. Never rejects for its sake. */
  async start(): Promise<void> {
    const { clock, logger } = this.#input;
    const { signal } = this.#stopped;
    await this.#mirror.prepare(signal);
    await this.#takeUp(signal);
    const first = this.#refresh(signal);
    this.#working = this.#work(first);
    const patience = new AbortController();
    const isLate = await Promise.race([
      first.then(() => false),
      clock.sleep(startPatienceMs, AbortSignal.any([signal, patience.signal])).then(
        () => true,
        () => false,
      ),
    ]);
    patience.abort();
    if (isLate) logger.warn({ remote: this.#input.settings.remote }, 'the first fetch takes long and goes on beside');
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#working;
  }

  /** Somebody says that there is something new; whether it is true shows in the repository. */
  tell(): void {
    this.#told.abort();
  }

  read(): Promise<Documents> {
    const used = this.#used;
    if (used) {
      const notices = [...noticesOf(this.#state, used.commit), ...(used.notices ?? [])];
      return Promise.resolve({ ...used, notices });
    }
    return Promise.reject(this.#whyNone());
  }

  #whyNone(): MaintenanceError {
    const { rejected, unreachable } = this.#state;
    const error = rejected?.error ?? unreachable?.error;
    if (error) return new MaintenanceError(error.code, error.disposition, error.message, { details: error.details });
    return new MaintenanceError('git/unreachable', 'wait', 'the repository is being fetched for the first time');
  }

  /** The commit that was in use last, if it may still be used: folders and signers may have been changed since. */
  async #takeUp(signal: AbortSignal): Promise<void> {
    const commit = await this.#mirror.usedCommit(signal);
    if (commit === undefined) return;
    try {
      this.#used = await documentsAt(this.#mirror, commit, this.#input.settings, signal);
    } catch (error) {
      if (!(error instanceof MaintenanceError)) throw error;
      const { code, message } = error;
      this.#input.logger.warn({ commit, code, message }, 'the commit in use before cannot be used any more');
    }
  }

  async #work(first: Promise<boolean>): Promise<void> {
    const { clock, random, pollMs } = this.#input;
    const { signal } = this.#stopped;
    let failures = (await first) ? 0 : 1;
    while (!signal.aborted) {
      await clock.sleep(fetchGapMs, signal).catch(() => undefined);
      const awake = AbortSignal.any([signal, this.#told.signal]);
      const restMs = pauseMs(pollMs, failures, random.next()) - fetchGapMs;
      await clock.sleep(Math.max(0, restMs), awake).catch(() => undefined);
      if (signal.aborted) return;
      this.#told = new AbortController();
      failures = (await this.#refresh(signal)) ? 0 : failures + 1;
    }
  }

  /** Says whether the repository answered. */
  async #refresh(signal: AbortSignal): Promise<boolean> {
    try {
      const { newest, before } = await this.#mirror.fetch(signal);
      const rewritten =
        before === undefined || (await this.#mirror.isAncestor(before, newest, signal))
          ? this.#state.rewritten
          : { from: before, to: newest };
      // Said as long as the commit that came with it is the newest.
      this.#state = { rewritten: rewritten?.to === newest ? rewritten : undefined };
      await this.#judge(newest, signal);
      this.#report();
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof MaintenanceError))
        this.#input.logger.error({ err: error }, 'unexpected error, this is a bug');
      const failure =
        error instanceof MaintenanceError ? error : new MaintenanceError('git/failed', 'retry', String(error));
      const sinceMs = this.#state.unreachable?.sinceMs ?? this.#input.clock.nowMs();
      this.#state = { ...this.#state, unreachable: { sinceMs, error: failure } };
      this.#report();
      return false;
    }
  }

  async #judge(newest: string, signal: AbortSignal): Promise<void> {
    await this.#dropUnvouched(signal);
    if (this.#used?.commit === newest) return;
    try {
      const documents = await documentsAt(this.#mirror, newest, this.#input.settings, signal);
      const before = this.#used?.commit;
      await this.#mirror.keepUsed(newest, signal);
      this.#used = documents;
      this.#input.logger.info({ commit: newest, before }, 'documents are those of a new commit');
    } catch (error) {
      if (!(error instanceof MaintenanceError) || signal.aborted) throw error;
      this.#state = { ...this.#state, rejected: { commit: newest, error } };
    }
  }

  /** A signer may be taken off the list while the commit stays the same. */
  async #dropUnvouched(signal: AbortSignal): Promise<void> {
    if (!this.#used || this.#input.settings.allowedSignersFile === undefined) return;
    const { commit } = this.#used;
    try {
      await this.#mirror.verify(commit, signal);
    } catch (error) {
      if (!(error instanceof MaintenanceError) || error.code !== 'git/signature') throw error;
      this.#used = undefined;
      this.#input.logger.error({ commit, message: error.message }, 'the commit in use is vouched for no more');
    }
  }

  #report(): void {
    const { rejected, unreachable, rewritten } = this.#state;
    const said = JSON.stringify([rejected?.commit, rejected?.error.message, unreachable?.error.message, rewritten]);
    if (said === this.#said) return;
    const { logger, settings } = this.#input;
    const inUse = this.#used?.commit;
    const had = this.#said;
    this.#said = said;
    if (rewritten) logger.warn(rewritten, 'the history of the branch was rewritten, and is followed');
    if (rejected) {
      const { code, message } = rejected.error;
      logger.error({ commit: rejected.commit, inUse, code, message }, 'the newest commit is not used');
    }
    if (unreachable) {
      const { code, message } = unreachable.error;
      logger.warn({ remote: settings.remote, inUse, code, message }, 'the repository cannot be fetched');
    }
    const isWell = !rejected && !unreachable && inUse !== undefined;
    if (isWell && had !== '') logger.info({ commit: inUse, short: shortCommit(inUse) }, 'the newest commit is in use');
  }
}
