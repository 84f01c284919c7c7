/**
 * `npm run bench:plan`: how close plans come to the shortest time there could be, and what making them costs. Each fleet
 * in a process of its own, so that its memory can be told. Then what a rehearsal takes.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { largeFleet, mixedFleet, spareFleet, tightFleet, type Fleet } from './plan-fleets.ts';
import { batchTurns, leastTurns, previewOf, turnMs, turnsOf } from './plan-policies.ts';
import { measureRehearsal } from './rehearsal.ts';

const fleets: Readonly<Record<string, () => Fleet>> = {
  spare: spareFleet,
  mixed: mixedFleet,
  tight: tightFleet,
  'large-500': () => largeFleet(500),
  'large-1000': () => largeFleet(1_000),
  'large-2500': () => largeFleet(2_500),
  'large-5000': () => largeFleet(5_000),
};

interface Measured {
  readonly title: string;
  readonly servers: number;
  readonly pods: number;
  readonly least: number;
  readonly planned: number;
  readonly batches: number;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly peakMb: number;
}

function measure(make: () => Fleet): Measured {
  const fleet = make();
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  const preview = previewOf(fleet);
  const wallSeconds = (performance.now() - beganMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  // Kilobytes, as getrusage says it on Linux; before the other policies take theirs.
  const peakMb = process.resourceUsage().maxRSS / 1_024;
  return {
    title: fleet.title,
    servers: fleet.view.nodes.length,
    pods: fleet.view.pods.length,
    least: leastTurns(fleet),
    planned: turnsOf(preview),
    batches: batchTurns(fleet),
    cpuSeconds: (user + system) / 1e6,
    wallSeconds,
    peakMb,
  };
}

const minutes = (turns: number): string => `${Math.round((turns * turnMs) / 60_000).toLocaleString('en')} min`;

function row({ title, servers, pods, least, planned, batches, ...cost }: Measured): string {
  const cells = [
    title,
    pods.toLocaleString('en'),
    minutes(least),
    `**${minutes(planned)}**`,
    (planned / least).toFixed(2),
    minutes(batches),
    minutes(servers),
    `${cost.cpuSeconds.toFixed(1)} s`,
    `${cost.wallSeconds.toFixed(1)} s`,
    `${Math.round(cost.peakMb)} MB`,
  ];
  return `| ${cells.join(' | ')} |`;
}

async function sayRehearsal(): Promise<void> {
  const { servers, pods, podsMoved, wallSeconds } = await measureRehearsal(3);
  const times = wallSeconds.map((seconds) => `${seconds.toFixed(1)} s`).join(', ');
  const fleet = `${servers} servers, ${pods.toLocaleString('en')} pods, ${podsMoved.toLocaleString('en')} of them moved`;
  process.stdout.write(`rehearsed, the whole command: ${fleet}: ${times}\n`);
}

const [only] = process.argv.slice(2);
const chosen = only === undefined ? undefined : fleets[only];
if (only === 'rehearsal') await sayRehearsal();
else if (chosen) process.stdout.write(`${JSON.stringify(measure(chosen))}\n`);
else if (only !== undefined)
  throw new Error(`no fleet ${only}; there are: ${Object.keys(fleets).join(', ')}, rehearsal`);
else {
  const titles = [
    'fleet',
    'pods',
    'at least',
    'Pitcrew',
    'ratio',
    'fixed batches',
    'one at a time',
    'CPU',
    'wall',
    'peak',
  ];
  process.stdout.write(
    `| ${titles.join(' | ')} |\n|---|${titles
      .slice(1)
      .map(() => '---:')
      .join('|')}|\n`,
  );
  for (const name of Object.keys(fleets)) {
    const { stdout } = await promisify(execFile)(process.execPath, [import.meta.filename, name]);
    process.stdout.write(`${row(JSON.parse(stdout) as Measured)}\n`);
  }
  await sayRehearsal();
}
