/** Runs one of the scripts on a server, at most once under its id, and reads its last word. It decides nothing. */
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Shell } from '../../ports/shell.ts';

export type JobResult =
  /** `word` is the first word of the last line, `rest` the others. */
  | { readonly kind: 'said'; readonly word: string; readonly rest: string; readonly output: string }
  /** The server was started anew since then, and what the script was about went with the old boot. */
  | { readonly kind: 'rebooted' }
  /** It goes on, and is asked again later. */
  | { readonly kind: 'running' }
  /** The script broke off: nobody knows how far it came. */
  | { readonly kind: 'lost'; readonly because: string };

export interface Job {
  readonly id: string;
  readonly script: string;
  readonly timeoutMs: number;
  /** How long this call waits for its end. */
  readonly patienceMs: number;
}

export async function runJob(shell: Shell, job: Job, signal: AbortSignal): Promise<JobResult> {
  const patience = AbortSignal.timeout(job.patienceMs);
  let output = '';
  const onOutput = (text: string): void => {
    output += text;
  };
  const { id, script, timeoutMs } = job;
  try {
    const outcome = await shell.run({ id, script, timeoutMs, onOutput }, AbortSignal.any([signal, patience]));
    if (outcome.kind === 'lost') return { kind: 'rebooted' };
    if (outcome.kind === 'timedOut') return { kind: 'lost', because: `${id} took too long` };
    const lines = output.split('\n').filter((line) => line.trim() !== '');
    const last = lines.findLast((line) => !/^(?:note|fact) /.test(line)) ?? '';
    if (outcome.exitCode !== 0) return { kind: 'lost', because: `${id} ended with code ${outcome.exitCode}: ${last}` };
    const [word = '', ...rest] = last.split(' ');
    return { kind: 'said', word, rest: rest.join(' '), output };
  } catch (error) {
    if (patience.aborted && !signal.aborted) return { kind: 'running' };
    throw error;
  }
}

/** For scripts that only ever end well. @throws MaintenanceError */
export async function runToEnd(shell: Shell, job: Omit<Job, 'patienceMs'>, signal: AbortSignal): Promise<string> {
  const result = await runJob(shell, { ...job, patienceMs: job.timeoutMs + 30_000 }, signal);
  if (result.kind === 'said') return result.output;
  const because =
    result.kind === 'lost' ? result.because : `it ${result.kind === 'rebooted' ? 'broke off' : 'does not end'}`;
  throw new MaintenanceError('service/failed', 'retry', `${job.id}: ${because}`);
}
