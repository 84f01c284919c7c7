/**
 * Follows one run until it ends or the person has seen enough.
 *
 * Watching is only looking: however it stops, the run goes on, and the person is told so.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api/client.ts';
import { ExitCode } from '../errors/codes.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { RunView } from '../workflow/run-view.ts';
import { Interrupted } from './io.ts';
import { isEnded } from './render/status.ts';
import { openScreen, type Screen } from './screen.ts';
import type { Session } from './session.ts';

/** Hints may get lost: it is read again by itself, at the latest after this. */
const rereadMs = 5_000;
const reconnectMs = 1_000;
/** A daemon that is being restarted is waited for, so long. */
const patienceMs = 300_000;

export async function watchRun(session: Session, runId: string): Promise<ExitCode> {
  const quit = new AbortController();
  const signal = AbortSignal.any([session.io.signal, quit.signal]);
  const client = await session.client(signal);
  // Read before the screen is taken: a wrong id or an absent daemon is an ordinary error.
  let run = await client.run(runId);
  const screen = openScreen(session, {
    pause: () => void togglePause(client, screen, run),
    quit: () => quit.abort(new Interrupted('stopped watching')),
  });
  const hints = listen(client, runId, signal);
  try {
    await screen.show(run);
    let lastAnswerMs = session.io.nowMs();
    while (!isEnded(run)) {
      await hints.next();
      signal.throwIfAborted();
      try {
        run = await client.run(runId);
        if (session.io.nowMs() - lastAnswerMs > rereadMs) screen.note('');
        lastAnswerMs = session.io.nowMs();
        await screen.show(run);
      } catch (error) {
        const isPatient = session.io.nowMs() - lastAnswerMs < patienceMs;
        if (!(error instanceof MaintenanceError) || error.code !== 'api/unreachable' || !isPatient) throw error;
        screen.note('the daemon does not answer; trying again');
      }
    }
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  } finally {
    quit.abort(new Interrupted('watching ended'));
    screen.close();
    await hints.ended;
  }
  return endOf(session, run);
}

function endOf(session: Session, run: RunView): ExitCode {
  if (isEnded(run)) return run.status === 'done' ? ExitCode.done : ExitCode.runFailed;
  session.say(
    `stopped watching; run ${run.runId} goes on\nnext: \`pitcrew status ${run.runId} --watch\` · \`pitcrew pause ${run.runId}\``,
  );
  return ExitCode.interrupted;
}

async function togglePause(client: ApiClient, screen: Screen, run: RunView): Promise<void> {
  const verb = run.status === 'paused' ? 'resume' : 'pause';
  try {
    await client.request(run.runId, verb);
    screen.note(verb === 'pause' ? 'pause asked for: servers at work go on to a safe point' : 'resume asked for');
  } catch (error) {
    if (!(error instanceof Interrupted)) screen.note(`not done: ${error instanceof Error ? error.message : 'unknown'}`);
  }
}

interface Hints {
  /** Resolves at the next hint, after a while, or when the signal ends; never rejects. */
  next(): Promise<void>;
  /** Resolves when nothing is listened to any more. */
  readonly ended: Promise<void>;
}

/** Hints that come while nobody waits are kept as one. */
function listen(client: ApiClient, runId: string, signal: AbortSignal): Hints {
  let isFresh = false;
  let wake: (() => void) | undefined;
  const hint = (): void => {
    isFresh = true;
    wake?.();
  };
  return {
    ended: keepConnected(client, runId, signal, hint),
    next: async () => {
      if (!isFresh && !signal.aborted) {
        const woken = new AbortController();
        wake = () => woken.abort();
        await sleep(rereadMs, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined);
        wake = undefined;
      }
      isFresh = false;
    },
  };
}

async function keepConnected(client: ApiClient, runId: string, signal: AbortSignal, hint: () => void): Promise<void> {
  while (!signal.aborted) {
    try {
      // Also at the start of each connection: what happened before it was not heard.
      await client.watch(signal, hint, (changed) => {
        if (changed === runId) hint();
      });
    } catch {
      // Whoever reads the run finds out by himself whether the daemon is gone.
    }
    hint();
    await sleep(reconnectMs, undefined, { signal }).catch(() => undefined);
  }
}
