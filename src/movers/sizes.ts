/** How long the copying of memory takes and may take. Pure. */

const mebibyte = 1_048_576;
const gibibyte = 1_024 * mebibyte;

/** Paguro's own rule for its estimates (docs/OPERATIONS.md): 10 s, and the memory at 96 MiB/s. */
export function predictedCopyMs(memoryBytes: number): number {
  return 10_000 + Math.round((memoryBytes / (96 * mebibyte)) * 1_000);
}

/** KubeVirt's default (`completionTimeoutPerGiB`), used where a mover says nothing of its own. */
export const secondsPerGibibyte = 150;
/** Checks, images and the new pod's start take their time whatever the memory. */
const startMs = 5 * 60_000;

export function copyTimeoutMs(memoryBytes: number, perGibibyte = secondsPerGibibyte): number {
  return startMs + Math.ceil(Math.max(1, memoryBytes / gibibyte) * perGibibyte) * 1_000;
}
