/** The measured figures as text, in the tables that docs/measurements.md shows. It computes and prints, and judges nothing. */
import { cpuShare, medianOf, ownPhases, plateau, shareOfRunMs, type Measured } from './measure.ts';
import { median, quantile, type Sample } from './process-usage.ts';

export interface Row {
  readonly servers: number;
  readonly atOnce: number;
  readonly measured: Measured;
  /** The same questions without an engine, one server, nobody else at work. */
  readonly bareMs: number;
}

export const definition = [
  "The engine's own overhead of a server = its time from its place in the budget to its end, less the phases evacuating,",
  'servicing and rebooting. So it is made of: waiting in the queue, preparing, cordoning, rejoining, verifying, returning.',
  'The playbook’s own scripts do nothing, and the cluster’s own times are set as short as they can be.',
  '"share of run": the run less the median evacuation, service and reboot of each batch, divided by the servers.',
  '"bare" is what the protocols take for the same questions to one server without an engine, nobody else at work.',
  '"lab" is this process and the shells of its servers, without the BMCs; "machine" is everything, strangers included.',
  'Lab (SSH servers, BMCs, Kubernetes API) and daemon share this machine; all servers are simulated.',
];

export function overheadTable(rows: readonly Row[]): string {
  const head = ['servers', 'at once', 'run', 'overhead: median', 'p90', 'worst', 'share of run', 'bare', 'handover'];
  return table(head, rows, ({ servers, atOnce, measured, bareMs }) => {
    const overheads = measured.servers.map((server) => server.overheadMs);
    return [
      String(servers),
      String(atOnce),
      seconds(measured.wallMs),
      seconds(median(overheads)),
      seconds(quantile(overheads, 0.9)),
      seconds(Math.max(...overheads)),
      seconds(shareOfRunMs(measured, atOnce)),
      seconds(bareMs),
      measured.handoverMs.length === 0 ? '–' : seconds(median(measured.handoverMs)),
    ];
  });
}

/** Medians of the phases; the last four belong to playbook, pods and machine, and are shown for what hides in them. */
export function phaseTable(rows: readonly Row[]): string {
  const foreign = ['evacuating', 'servicing', 'rebooting'] as const;
  const head = ['servers', 'at once', 'queue', ...ownPhases, ...foreign, 'ask', 'notice'];
  return table(head, rows, ({ servers, atOnce, measured }) => [
    String(servers),
    String(atOnce),
    seconds(medianOf(measured, (server) => server.queueMs)),
    ...[...ownPhases, ...foreign].map((phase) => seconds(medianOf(measured, (server) => server.phaseMs[phase]))),
    seconds(medianOf(measured, (server) => server.rebootAskMs)),
    seconds(medianOf(measured, (server) => server.rebootSeenMs)),
  ]);
}

const cpuReaders = {
  daemon: (sample: Sample) => sample.daemon.cpuMs,
  ipmitool: (sample: Sample) => sample.daemon.childrenCpuMs,
  redis: (sample: Sample) => sample.redis.cpuMs,
  lab: (sample: Sample) => sample.lab.cpuMs + sample.lab.childrenCpuMs,
  machine: (sample: Sample) => sample.machine.busyMs,
};

export function usageTable(rows: readonly Row[]): string {
  const head = [
    'servers',
    'at once',
    'process',
    'CPU',
    'CPU a server',
    'MiB idle',
    'MiB waiting',
    'MiB peak',
    'CPU waiting',
  ];
  const names = ['daemon', 'ipmitool', 'redis', 'lab', 'machine'] as const;
  const lines = rows.flatMap((row) => names.map((name) => ({ ...row, name })));
  return table(head, lines, ({ servers, atOnce, measured, name }) => {
    const { samples } = measured;
    const waiting = plateau(samples);
    const cpuOf = cpuReaders[name];
    const usageOf = (sample: Sample): Sample['daemon'] => (name === 'redis' ? sample.redis : sample.daemon);
    const cpuMs = cpuOf(samples.at(-1) ?? noSample()) - cpuOf(samples[0] ?? noSample());
    const memory =
      name !== 'daemon' && name !== 'redis'
        ? ['–', '–', '–']
        : [
            usageOf(samples[0] ?? noSample()).rssMiB,
            median(waiting.map((sample) => usageOf(sample).rssMiB)),
            usageOf(samples.at(-1) ?? noSample()).peakMiB,
          ].map((value) => value.toFixed(0));
    const share = `${(cpuShare(waiting, cpuOf) * 100).toFixed(0)} %`;
    return [String(servers), String(atOnce), name, seconds(cpuMs), seconds(cpuMs / servers), ...memory, share];
  });
}

function noSample(): never {
  throw new Error('nothing was sampled');
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1_000).toFixed(2)} s`;
}

/** Markdown, so that it can be pasted. */
function table<Line>(
  head: readonly string[],
  lines: readonly Line[],
  cellsOf: (line: Line) => readonly string[],
): string {
  const rows = [head, ...lines.map(cellsOf)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const drawn = rows.map((row) => `| ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join(' | ')} |`);
  const rule = `|${widths.map((width) => `${'-'.repeat(width + 1)}:`).join('|')}|`;
  return [drawn[0], rule, ...drawn.slice(1)].join('\n');
}
