/**
 * Where a watched run is drawn: a live page on a terminal, one line per change in a log, one object per change for
 * programs.
 *
 * It decides nothing about the run. The live page leaves the terminal as it found it, and its last state on it.
 */
import type { RunView } from '../workflow/run-view.ts';
import { renderChanges } from './render/changes.ts';
import { isEnded, renderStatus } from './render/status.ts';
import { fit } from './render/text.ts';
import type { Session } from './session.ts';

export interface Screen {
  show(run: RunView): Promise<void>;
  /** A word to the person that is no part of the run. */
  note(text: string): void;
  close(): void;
}

/** What a person can press while watching. */
export interface Keys {
  readonly pause: () => void;
  readonly quit: () => void;
}

export function openScreen(session: Session, keys: Keys): Screen {
  if (session.format !== 'text') return objectScreen(session);
  return session.io.stdout.isTTY ? liveScreen(session, keys) : lineScreen(session);
}

function objectScreen(session: Session): Screen {
  let shown = '';
  return {
    show: async (run) => {
      const text = JSON.stringify(run);
      if (text === shown) return;
      shown = text;
      if (session.format === 'json') session.io.stdout.write(`${text}\n`);
      else {
        session.io.stdout.write('---\n');
        await session.print(run, () => '');
      }
    },
    // An empty note takes the last one off a screen; a log has nothing to take off.
    note: (text) => (text === '' ? undefined : session.say(text)),
    close: () => undefined,
  };
}

function lineScreen(session: Session): Screen {
  let before: RunView | undefined;
  return {
    show: async (run) => {
      const lines = renderChanges(before, run, session.view());
      before = run;
      if (isEnded(run)) lines.push('', renderStatus(run, session.view()));
      if (lines.length > 0) session.io.stdout.write(`${lines.join('\n')}\n`);
    },
    // An empty note takes the last one off a screen; a log has nothing to take off.
    note: (text) => (text === '' ? undefined : session.say(text)),
    close: () => undefined,
  };
}

const enter = '\u001B[?1049h\u001B[?25l';
const leave = '\u001B[?25h\u001B[?1049l';
const home = '\u001B[H';
const clearLine = '\u001B[K';
const clearBelow = '\u001B[J';
/** Terminals that know it show the whole frame at once; others ignore it. */
const frameStart = '\u001B[?2026h';
const frameEnd = '\u001B[?2026l';
const tickMs = 1_000;
/** What was said to the person gives way to the keys again; what lasts is said again. */
const noteMs = 5_000;

function liveScreen(session: Session, keys: Keys): Screen {
  const { stdin, stdout } = session.io;
  let run: RunView | undefined;
  let note = { text: '', atMs: 0 };
  let all = false;
  const draw = (): void => {
    if (!run) return;
    // A terminal that does not know its size says 0.
    const linesMax = Math.max(6, (stdout.rows || 24) - 2);
    const view = session.view();
    const page = renderStatus(run, view, { all, linesMax }).split('\n').slice(0, linesMax);
    const help = ` p ${run.status === 'paused' ? 'resume' : 'pause'} · s ${all ? 'show active' : 'show all'} · q stop watching (the run goes on)`;
    const isNoted = note.text !== '' && session.io.nowMs() - note.atMs < noteMs;
    const lines = [...page, '', fit(isNoted ? ` ${note.text}` : help, view.width)].map((line) => line + clearLine);
    // Lines are overwritten, not cleared first: nothing flickers.
    stdout.write(frameStart + home + lines.join('\n') + clearBelow + frameEnd);
  };
  const showAll = (): void => {
    all = !all;
    draw();
  };
  const actions: Readonly<Record<string, () => void>> = {
    p: keys.pause,
    q: keys.quit,
    s: showAll,
    '\u0003': keys.quit,
    '\u0004': keys.quit,
  };
  const onKey = (data: Buffer): void => {
    for (const key of data.toString('utf8')) actions[key]?.();
  };
  if (stdin.isTTY) {
    stdin.setRawMode(true);
    stdin.on('data', onKey);
    stdin.resume();
  }
  stdout.write(enter);
  stdout.on('resize', draw);
  const timer = setInterval(draw, tickMs);
  return {
    show: async (next) => {
      run = next;
      draw();
    },
    note: (text) => {
      note = { text, atMs: session.io.nowMs() };
      draw();
    },
    close: () => {
      clearInterval(timer);
      stdout.off('resize', draw);
      if (stdin.isTTY) {
        stdin.off('data', onKey);
        stdin.setRawMode(false);
        stdin.pause();
      }
      stdout.write(leave + (run ? `${renderStatus(run, session.view(), { all })}\n` : ''));
    },
  };
}
