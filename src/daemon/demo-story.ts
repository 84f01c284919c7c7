/** What the demo says to the person: before, at the end, and what to try next. Pure: facts in, text out. */
import type { RunView, ServerRow } from '../workflow/run-view.ts';

/** It is written for 80 columns, whatever the terminal has. */
const width = 80;

export const greeting = `Pitcrew demo: six servers in two racks, all on this machine.
A Kubernetes API over HTTPS, one IPMI BMC and one SSH server each, and a daemon
with BullMQ on a Redis of its own. The servers are simulated, the protocols are
real. Ctrl-C ends it at any time.
`;

/** The server whose reboot took the longest: its journal tells the most. */
export function hardestServer(run: RunView): ServerRow | undefined {
  return [...run.servers].sort((a, b) => rebootMsOf(b) - rebootMsOf(a)).at(0);
}

function rebootMsOf(row: ServerRow): number {
  return row.phaseMs.rebooting ?? 0;
}

export function whatHappened(run: RunView): string {
  const tookS = Math.round(((run.endedMs ?? run.createdMs) - run.createdMs) / 1_000);
  const hardest = hardestServer(run);
  const tried = hardest ? shorten(hardest.tried.map((entry) => entry.text)) : [];
  const halted = run.servers.filter((row) => row.phase === 'halted').map((row) => row.name);
  const sentences = [
    `${run.counts.done} of ${run.counts.total} servers run the new kernel after ${tookS} s. ${run.podsMoved} pods were moved away first.`,
    hardest?.phase === 'done' && tried.length > 1
      ? `${hardest.name} hung on its way down. What was tried: ${tried.join(', ')}. Then it came back.`
      : '',
    halted.length > 0
      ? `${halted.join(', ')} did not come back: the run halted there, and nothing more was started.`
      : '',
    'A reboot counts only with a new boot id and the expected kernel, read over SSH, and with the same boot id in Kubernetes.',
  ];
  return titled('What happened', sentences);
}

/** `power off asked` three times over is `power off asked (3 times)`. */
function shorten(texts: readonly string[]): string[] {
  const groups: { text: string; count: number }[] = [];
  for (const text of texts) {
    const last = groups.at(-1);
    if (last?.text === text) last.count += 1;
    else groups.push({ text, count: 1 });
  }
  return groups.map(({ text, count }) => (count > 1 ? `${text} (${count} times)` : text));
}

export const whatNext = `Try next
  npm run demo -- --keep      the same, and everything stays there to look at
  npm run demo -- --no-run    nothing is started: that is left to you
  npm run pitcrew -- help     all commands
  README.md                   a tour of five minutes, and a real deployment
`;

export interface Access {
  /** Where the project lies. */
  readonly root: string;
  /** Of the entry point, from there. */
  readonly entry: string;
  readonly socket: string;
}

/** How to reach the demo's daemon from another terminal; after these lines all hints can be typed as they are shown. */
export function howToReach({ root, entry, socket }: Access): string {
  return `In another terminal:
  cd ${root}
  alias pitcrew="$PWD/node_modules/.bin/node $PWD/${entry}"
  export PITCREW_SERVER=${socket}
`;
}

export function keptCommands(run: RunView): string {
  const server = hardestServer(run)?.name ?? '';
  return `  pitcrew servers
  pitcrew history ${run.runId} ${server}
  pitcrew history ${run.runId} ${server} --output
`;
}

export function ownCommands(plan: string): string {
  return `  pitcrew doctor
  pitcrew plan ${plan}
  pitcrew start ${plan} --watch
`;
}

function titled(title: string, sentences: readonly string[]): string {
  const lines = sentences.filter((sentence) => sentence !== '').flatMap((sentence) => indented(sentence));
  return `${[title, ...lines].join('\n')}\n`;
}

function indented(text: string): string[] {
  const lines: string[] = [];
  let line = ' ';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
