/**
 * The journal of a run or of one server in it, one line per event, in words; and the output of its commands.
 *
 * Pure. It leaves nothing out: what the journal says is shown, in the order in which it was written.
 */
import type { HistoryEntry } from '../../api/client.ts';
import { unreachable } from '../../errors/maintenance-error.ts';
import { promiseInWords } from '../../evacuation/promises.ts';
import type { OutputLine } from '../../ports/journal.ts';
import type { Evidence, JournalEvent, RunEvent, ServerEvent, Spread } from '../../workflow/events.ts';
import type { Hold } from '../../workflow/hold.ts';
import { paint, type Style } from './paint.ts';
import { clean, clockSeconds, day, pad, plural, shortCommit, widthOf, wrap, type View } from './text.ts';

export function renderHistory(entries: readonly HistoryEntry[], view: View): string {
  if (entries.length === 0) return 'nothing is written yet';
  // Where all is about one server, its name on every line would say nothing.
  const isAboutOne = new Set(entries.map(({ server }) => server)).size === 1;
  const serverWidth = isAboutOne ? 0 : Math.max(0, ...entries.map(({ server }) => widthOf(server ?? '')));
  let shownDay = '';
  const lines = entries.flatMap(({ atMs, server, event }) => {
    const today = day(atMs, view.timeZone);
    const dayLine = today === shownDay ? [] : [paint(today, 'bold', view.color)];
    shownDay = today;
    const name = serverWidth > 0 ? `${pad(server ?? '', serverWidth)}  ` : '';
    const lead = ` ${clockSeconds(atMs, view.timeZone)}  ${name}`;
    const [first = '', ...rest] = wrap(clean(describe(event, view.timeZone)), Math.max(20, view.width - widthOf(lead)));
    const indent = ' '.repeat(widthOf(lead));
    return [...dayLine, lead + paint(first, styleOf(event), view.color), ...rest.map((line) => indent + line)];
  });
  return lines.join('\n');
}

/** Output of commands as it came, without what could steer the terminal; each step gets a line of its own. */
export function renderOutput(lines: readonly OutputLine[], view: View): string {
  if (lines.length === 0) return 'no output is kept for this server';
  let shownStep = '';
  return lines
    .flatMap(({ atMs, step, text }) => {
      const head = step === shownStep ? [] : [paint(`── ${clean(step)}`, 'bold', view.color)];
      shownStep = step;
      const time = clockSeconds(atMs, view.timeZone);
      return [
        ...head,
        ...text
          .replace(/\n$/, '')
          .split('\n')
          .map((line) => `${time}  ${clean(line)}`),
      ];
    })
    .join('\n');
}

function styleOf(event: JournalEvent): Style | undefined {
  if (event.kind === 'stepFailed') return event.disposition === 'halt' ? 'alarm' : 'yellow';
  if (event.kind !== 'ended' && event.kind !== 'serverEnded' && event.kind !== 'runEnded') return undefined;
  return event.outcome === 'done' ? 'green' : 'alarm';
}

function because(reason: string): string {
  return reason === '' ? '' : `: ${reason}`;
}

function facts(evidence: Evidence): string {
  const parts = Object.entries(evidence).map(([name, value]) => `${name} ${value}`);
  return parts.length > 0 ? `: ${parts.join(' · ')}` : '';
}

function holdText(hold: Hold): string {
  switch (hold.kind) {
    case 'none':
      return 'goes on';
    case 'paused':
      return `paused by ${hold.by}`;
    case 'waiting':
      return `waiting for ${hold.for}: ${hold.text}`;
    case 'blocked':
      return `blocked: ${hold.by}`;
    default:
      return unreachable(hold);
  }
}

const runKinds = new Set<string>([
  'runCreated',
  'waveStarted',
  'serverAdmitted',
  'serverEnded',
  'soakStarted',
  'approvalRequested',
  'waveFinished',
  'runHoldChanged',
  'rebalanceStarted',
  'rebalanceMoveStarted',
  'rebalanceMoveChanged',
  'rebalanceMeasured',
  'rebalanceEnded',
  'runEnded',
  'approved',
  'paused',
  'resumed',
  'stopRequested',
  'retryRequested',
  'skipRequested',
  'powerByHand',
] satisfies RunEvent['kind'][]);

function isRunEvent(event: JournalEvent): event is RunEvent {
  return runKinds.has(event.kind);
}

function describe(event: JournalEvent, timeZone: string): string {
  return isRunEvent(event) ? describeRun(event, timeZone) : describeServer(event);
}

function describeRun(event: RunEvent, timeZone: string): string {
  switch (event.kind) {
    case 'runCreated': {
      const { purpose, plan, playbook, startedBy, servers, waves, commit } = event.definition;
      if (purpose !== 'maintenance') return `${purpose} of ${plan} asked for by ${startedBy}`;
      const size = `${plural(servers.length, 'server')} in ${plural(waves.length, 'wave')}`;
      const from = commit === undefined ? '' : ` from commit ${shortCommit(commit)}`;
      return `run of ${plan} (${playbook})${from} created by ${startedBy}: ${size}`;
    }
    case 'waveStarted':
      return `wave ${event.wave + 1} started`;
    case 'serverAdmitted':
      return `${event.server} may start`;
    case 'serverEnded':
      return `${event.server} ${event.outcome}${because(event.reason)}`;
    case 'soakStarted':
      return `wave ${event.wave + 1} soaks until ${clockSeconds(event.untilMs, timeZone)}`;
    case 'approvalRequested':
      return `wave ${event.wave + 1} waits for approval`;
    case 'waveFinished':
      return `wave ${event.wave + 1} finished`;
    case 'runHoldChanged':
      return holdText(event.hold);
    case 'rebalanceStarted':
      return `rebalancing: ${spreadText(event.before)}`;
    case 'rebalanceMoveStarted':
      return `${describeServer(event.move)}, from ${event.from} to ${event.to}`;
    case 'rebalanceMoveChanged':
      return describeServer(event.change);
    case 'rebalanceMeasured':
      return `now ${spreadText(event.spread)}`;
    case 'rebalanceEnded': {
      const after = event.after ? `, ${spreadText(event.after)}` : '';
      return `rebalancing ended${after}${because(event.reason)}`;
    }
    case 'runEnded':
      return `run ${event.outcome}${because(event.reason)}`;
    case 'approved':
      return `wave ${event.wave + 1} approved by ${event.by}`;
    case 'paused':
      return `paused by ${event.by}`;
    case 'resumed':
      return `resumed by ${event.by}`;
    case 'stopRequested':
      return `stop asked for by ${event.by}`;
    case 'retryRequested':
      return `another try of ${event.server} asked for by ${event.by}`;
    case 'powerByHand': {
      const despite = event.despite === undefined ? '' : `, forced: run ${event.despite} had it`;
      return `power ${event.verb} of ${event.server} asked for by ${event.by}, by hand${despite}`;
    }
    case 'skipRequested':
      return `${event.server} to be skipped, asked for by ${event.by}`;
    default:
      return unreachable(event);
  }
}

function describeServer(event: ServerEvent): string {
  switch (event.kind) {
    case 'stepStarted':
      return event.attempt > 1 ? `${event.step} started, attempt ${event.attempt}` : `${event.step} started`;
    case 'stepFinished':
      return `${event.step} finished${facts(event.evidence)}`;
    case 'stepFailed':
      return `${event.step} failed (${event.code}, ${event.disposition}): ${event.message}`;
    case 'holdChanged':
      return holdText(event.hold);
    case 'noted':
      return `${event.step} noted${facts(event.facts)}`;
    case 'actionStarted':
      return `${event.step}: action ${event.action + 1} started (${event.commandId})`;
    case 'actionFinished':
      return `${event.step}: action ${event.action + 1} finished`;
    case 'moveStarted':
      return `${podOf(event)} starts to move by ${event.mover}${toNode(event.target)}, ${promiseInWords(event.promise)}`;
    case 'moveProgressed':
      return `${podOf(event)} ${event.phase}: ${event.note}`;
    case 'moveCommitted':
      return `${podOf(event)} is past the commit point of its move`;
    case 'moveFinished':
      return `${podOf(event)} ${moveWords[event.result]}${because(event.because)}${keptText(event.evidence)}`;
    case 'rungStarted':
      return `${event.step}: asking for a reboot by ${event.rung}`;
    case 'powerAsked':
      return `${event.step}: power ${event.request} asked of the BMC`;
    case 'powerSeen':
      return `${event.step}: BMC says power is ${event.state}`;
    case 'undoStarted':
      return `on the way back, to be ${event.outcome}${because(event.because)}`;
    case 'stepUndone':
      return `${event.step} undone`;
    case 'retried':
      return 'another try begins';
    case 'ended':
      return `${event.outcome}${because(event.reason)}`;
    default:
      return unreachable(event);
  }
}

function spreadText({ points, fullest, emptiest }: Spread): string {
  const ends =
    fullest && emptiest ? ` (${fullest.node} ${fullest.percent} %, ${emptiest.node} ${emptiest.percent} %)` : '';
  return `${points} points between the servers${ends}`;
}

const moveWords = {
  done: 'is away',
  rolledBack: 'stayed, its move was rolled back',
  failed: 'failed to move',
} as const;

function toNode(target: string): string {
  return target === '' ? '' : ` to ${target}`;
}

type MoveEnd = Extract<ServerEvent, { kind: 'moveFinished' }>;

function keptText(evidence: MoveEnd['evidence']): string {
  if (!evidence?.node) return '';
  const { node, kept, freezeMs, parts } = evidence;
  const of = parts ? ` (dump ${parts.dumpMs}, transfer ${parts.transferMs}, restore ${parts.restoreMs})` : '';
  const freeze = freezeMs === undefined ? '' : `, stood still for ${freezeMs} ms${of}`;
  return `: on ${node}, kept ${kept}${freeze}`;
}

function podOf({ pod }: { pod: { namespace: string; name: string } }): string {
  return `${pod.namespace}/${pod.name}`;
}
