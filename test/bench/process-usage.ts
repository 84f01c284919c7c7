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
}

/** Median; 0 of nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
