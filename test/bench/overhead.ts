/**
 * `npm run bench`: the engine's own overhead per server for 1, 10 and 100 simulated servers over the real protocols, with
 * CPU and memory of the daemon. `--quick` (1 and 5 servers) fails where the overhead is out of all proportion to what the
 * protocols alone take on the same machine, and is meant for CI.
 *
 * It leaves nothing behind: no process, no file. Options: --quick, --fleets 10,100, --cpu-prof FOLDER.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Lab } from '../../src/lab/lab.ts';
import { bareProtocolsMs } from './bare.ts';
import { startDaemon, startFleet, type Daemon } from './fleet.ts';
import { measure, medianOf } from './measure.ts';
import { definition, overheadTable, phaseTable, usageTable, type Row } from './report.ts';

interface Size {
  readonly servers: number;
  readonly bootMs: number;
  readonly atOnce: number;
}

/** A hundred take long enough to boot that for a while all of them wait. */
const fullSizes: readonly Size[] = [
  { servers: 1, bootMs: 3_000, atOnce: 1 },
  { servers: 10, bootMs: 5_000, atOnce: 10 },
  { servers: 100, bootMs: 45_000, atOnce: 100 },
  { servers: 100, bootMs: 5_000, atOnce: 20 },
];
const quickSizes: readonly Size[] = [
  { servers: 1, bootMs: 1_000, atOnce: 1 },
  { servers: 5, bootMs: 1_000, atOnce: 5 },
];
const runMs = 240_000;
/** Of the time that the protocols alone take; servers at once share two cores with each other and with the lab. */
const absurdFactor = 8;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    fleets: { type: 'string' },
    'cpu-prof': { type: 'string' },
  },
});
const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(name, () => interruption.abort(new Error(`ended by ${name}`)));
}

function sizes(): readonly Size[] {
  if (values.quick) return quickSizes;
  const wanted = values.fleets?.split(',').map(Number);
  const chosen = wanted ? fullSizes.filter(({ servers }) => wanted.includes(servers)) : fullSizes;
  if (chosen.length === 0) throw new Error('--fleets takes any of 1, 10 and 100, separated by commas');
  return chosen;
}

async function measureSize({ servers, bootMs, atOnce }: Size, parent: string): Promise<Row> {
  const folder = path.join(parent, `${servers}-${atOnce}`);
  const { signal } = interruption;
  let lab: Lab | undefined;
  let daemon: Daemon | undefined;
  try {
    console.error(`${servers} servers, ${atOnce} at once: starting the lab`);
    lab = await startFleet({ size: servers, bootMs, folder });
    signal.throwIfAborted();
    const bareMs = await bareProtocolsMs(lab, signal);
    console.error(`${servers} servers, ${atOnce} at once: running`);
    const profile = values['cpu-prof'];
    const nodeArguments = profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', path.resolve(profile)];
    daemon = await startDaemon({ folder, atOnce, lab, signal, nodeArguments });
    return { servers, atOnce, bareMs, measured: await measure(lab, daemon, runMs, signal) };
  } catch (error) {
    if (daemon && !signal.aborted) console.error(await daemon.logTail());
    throw error;
  } finally {
    await daemon?.stop();
    await lab?.stop();
  }
}

function complaints(rows: readonly Row[]): string[] {
  return rows.flatMap(({ servers, atOnce, measured, bareMs }) => {
    const overheadMs = medianOf(measured, (server) => server.overheadMs);
    // Two cores: what n servers ask at once takes n/2 times as long, even without an engine.
    const fairMs = bareMs * Math.max(1, atOnce / 2);
    const factor = overheadMs / fairMs;
    const text = `${servers} servers: overhead is ${factor.toFixed(1)} times what the protocols alone take`;
    console.log(text);
    return factor > absurdFactor ? [`${text}; more than ${absurdFactor} is absurd`] : [];
  });
}

const folder = await mkdtemp(path.join(tmpdir(), 'pitcrew-bench-'));
try {
  const rows: Row[] = [];
  for (const size of sizes()) rows.push(await measureSize(size, folder));
  console.log([...definition, ''].join('\n'));
  console.log([overheadTable(rows), phaseTable(rows), usageTable(rows)].join('\n\n'));
  const found = values.quick ? complaints(rows) : [];
  for (const text of found) console.error(text);
  if (found.length > 0) process.exitCode = 1;
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = interruption.signal.aborted ? 130 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
