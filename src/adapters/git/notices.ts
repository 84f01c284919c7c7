/** Why the documents in use may not be what people expect, in words. Pure. */
import type { MaintenanceError } from '../../errors/maintenance-error.ts';
import { shortCommit } from './tree.ts';

export interface GitState {
  /** The newest commit, where it cannot be used. */
  readonly rejected?: { readonly commit: string; readonly error: MaintenanceError } | undefined;
  readonly unreachable?: { readonly sinceMs: number; readonly error: MaintenanceError } | undefined;
  /** The newest commit does not follow from the one before. */
  readonly rewritten?: { readonly from: string; readonly to: string } | undefined;
}

const problemsShownMax = 3;

export function noticesOf({ rejected, unreachable, rewritten }: GitState, used: string): string[] {
  const inUse = `commit ${shortCommit(used)} stays in use`;
  const notices: string[] = [];
  if (rejected)
    notices.push(`commit ${shortCommit(rejected.commit)} is not used: ${firstLines(rejected.error.message)}; ${inUse}`);
  if (unreachable) {
    const since = Temporal.Instant.fromEpochMilliseconds(unreachable.sinceMs).toString({ smallestUnit: 'second' });
    notices.push(`the repository cannot be fetched since ${since}: ${firstLines(unreachable.error.message)}; ${inUse}`);
  }
  if (rewritten) {
    const { from, to } = rewritten;
    notices.push(
      `the history of the branch was rewritten: ${shortCommit(to)} does not follow from ${shortCommit(from)}`,
    );
  }
  return notices;
}

function firstLines(message: string): string {
  const lines = message.split('\n');
  const more = lines.length - problemsShownMax;
  return [...lines.slice(0, problemsShownMax), ...(more > 0 ? [`and ${more} more`] : [])].join(' · ');
}
