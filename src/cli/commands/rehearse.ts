/**
 * `pitcrew rehearse PLAN`: the run, played through on a simulated twin of the cluster in virtual time. It touches nothing
 * but the picture that it is asked to write.
 */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import type { Snapshot } from '../../engine/snapshot.ts';
import type { RehearsalProgress } from '../../rehearsal/rehearse.ts';
import type { RunDefinition } from '../../workflow/definition.ts';
import { UsageError } from '../io.ts';
import { checkOffline, documentsOption, readOffline, snapshotOption, type OfflineOptions } from '../offline.ts';
import { clockSeconds, day, pad, wrapSegments } from '../render/text.ts';
import type { Run, Session } from '../session.ts';
import { sayNext } from './requested.ts';

interface Options extends OfflineOptions {
  readonly fail: readonly string[];
  readonly seed: number;
  readonly at?: string;
  readonly svg?: string;
}

export function addRehearse(program: Command, run: Run): void {
  program
    .command('rehearse')
    .argument('<plan>', 'name of the plan')
    .option(...snapshotOption)
    .option(...documentsOption)
    .option(
      '--fail <server:fault>',
      'make this go wrong, e.g. rack1-03:reboot; may be repeated, `--fail SERVER:?` lists the faults',
      collect,
      [],
    )
    .option('--at <time>', 'when it starts, e.g. 2026-11-28T22:00 (default: when a server could start next)')
    .option('--seed <number>', 'of what is left to chance', wholeNumber, 1)
    .option('--svg <file>', 'also write the timeline as a picture')
    .description('play the run through on a simulated twin of the cluster, in seconds')
    .action((plan: string, options: Options, command: Command) =>
      run(command, (session) => rehearsePlan(session, plan, options)),
    );
}

async function rehearsePlan(session: Session, plan: string, options: Options): Promise<ExitCode> {
  checkOffline(options);
  const asksFor = options.fail.find((fault) => fault.endsWith(':?'));
  if (asksFor !== undefined) return listFaults(session, asksFor.slice(0, -':?'.length));
  const { io } = session;
  const askedMs = options.at === undefined ? undefined : momentOf(options.at, io.timeZone);
  const { definition, snapshot } = await read(session, plan, options, askedMs ?? io.nowMs());
  // Loaded here alone: no other command needs the engine and the simulator.
  const [{ rehearse, startOf }, { renderRehearsal }, { renderGantt }] = await Promise.all([
    import('../../rehearsal/rehearse.ts'),
    import('../render/rehearsal.ts'),
    import('../render/gantt.ts'),
  ]);
  const progress = progressOn(session);
  const rehearsal = await rehearse({
    definition: { ...definition, runId: 'rehearsal' },
    objects: snapshot.objects,
    takenMs: snapshot.takenMs,
    faults: options.fail,
    seed: options.seed,
    startMs: askedMs ?? startOf(definition, io.nowMs()),
    signal: io.signal,
    onProgress: progress.show,
  }).finally(progress.clear);
  if (options.svg !== undefined) await writePicture(resolve(io.cwd, options.svg), renderGantt(rehearsal, io.timeZone));
  await session.print(rehearsal, () => renderRehearsal(rehearsal, session.view()));
  if (session.format === 'text')
    sayNext(session, rehearsal.outcome === 'done' ? [`start ${plan} --watch`] : [`plan ${plan}`]);
  return rehearsal.outcome === 'done' ? ExitCode.done : ExitCode.runFailed;
}

async function listFaults(session: Session, server: string): Promise<ExitCode> {
  const { knownFaults } = await import('../../rehearsal/faults.ts');
  const faults = knownFaults(server);
  const nameWidth = Math.max(...faults.map(({ name }) => name.length));
  const { width } = session.view();
  await session.print(faults, () =>
    faults.flatMap(({ name, says }) => wrapSegments([says], ` ${pad(name, nameWidth)}  `, width)).join('\n'),
  );
  return ExitCode.done;
}

async function read(
  session: Session,
  plan: string,
  options: Options,
  nowMs: number,
): Promise<{ definition: RunDefinition; snapshot: Snapshot }> {
  if (options.snapshot !== undefined) {
    const { preview, snapshot } = await readOffline(session, plan, options.snapshot, options, nowMs);
    return { definition: preview.definition, snapshot };
  }
  const client = await session.client();
  const { definition } = await client.preview(plan);
  return { definition, snapshot: await client.snapshot() };
}

/** One line that is written over, on a terminal only. */
function progressOn({ io }: Session): { show: (progress: RehearsalProgress) => void; clear: () => void } {
  if (!io.stderr.isTTY) return { show: () => undefined, clear: () => undefined };
  const { timeZone } = io;
  return {
    show: ({ atMs, ended, servers }) => {
      const when = `${day(atMs, timeZone)} ${clockSeconds(atMs, timeZone).slice(0, 5)}`;
      io.stderr.write(`\rrehearsing: ${when}, ${ended} of ${servers} servers\u001B[K`);
    },
    clear: () => void io.stderr.write('\r\u001B[K'),
  };
}

async function writePicture(path: string, picture: string): Promise<void> {
  try {
    await writeFile(path, picture);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw new UsageError(`cannot write ${path}: ${code}`, 'name a file in a folder that you may write to');
  }
}

/** An instant, a moment with its zone, or wall-clock time where the person is. */
function momentOf(text: string, timeZone: string): number {
  const readers = [
    (): Temporal.Instant => Temporal.Instant.from(text),
    (): Temporal.Instant => Temporal.ZonedDateTime.from(text).toInstant(),
    (): Temporal.Instant => Temporal.PlainDateTime.from(text.replace(' ', 'T')).toZonedDateTime(timeZone).toInstant(),
  ];
  for (const reader of readers) {
    try {
      return reader().epochMilliseconds;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  throw new UsageError(
    `"${text}" is no time`,
    'write it like 2026-11-28T22:00, or with its zone: 2026-11-28T22:00+01:00',
  );
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError('It is a whole number from 0.');
}
