/** What one process of this machine uses, as the kernel counts it in /proc. It only reads. */
import { readFileSync } from 'node:fs';

/** `getconf CLK_TCK` is 100 on every Linux that Node runs on. */
const msPerTick = 1_000 / 100;

export interface Usage {
  /** Of the process itself, user and system together. */
  readonly cpuMs: number;
  /** Of its children that have ended and were waited for: the `ipmitool` of the daemon. */
  readonly childrenCpuMs: number;
  readonly rssMiB: number;
  /** The most it ever was. */
  readonly peakMiB: number;
}

/** @throws where the process is not there any more. */
export function readUsage(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The fields are counted from behind the name, which is in brackets and may hold anything: the third is the first here.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const field = (number: number): number => fields[number - 3] ?? 0;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return {
    cpuMs: (field(14) + field(15)) * msPerTick,
    childrenCpuMs: (field(16) + field(17)) * msPerTick,
    rssMiB: kib('VmRSS') / 1_024,
    peakMiB: kib('VmHWM') / 1_024,
  };
}

export interface Sample {
  readonly atMs: number;
  /** How many servers were going down, off or booting. */
  readonly down: number;
  readonly daemon: Usage;
  readonly redis: Usage;
  /** This process: Kubernetes API and SSH servers; its children are the shells of the simulated servers. */
  readonly lab: Usage;
  /** Of all cores, since the machine was started: everybody's work, strangers' too. */
  readonly machine: { readonly busyMs: number; readonly totalMs: number };
}

/** Waiting for a disk counts as idle. */
export function readMachine(): Sample['machine'] {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '';
  // user nice system idle iowait irq softirq steal; guests are counted in user already.
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, value) => sum + value, 0);
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return { busyMs: (total - idle) * msPerTick, totalMs: total * msPerTick };
}

/** Median; 0 of nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
