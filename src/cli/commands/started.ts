/** What all commands that begin a run have in common: print its id, then follow it or name the next command. */
import type { ApiClient } from '../../api/client.ts';
import type { ExitCode } from '../../errors/codes.ts';
import type { Session } from '../session.ts';
import { watchRun } from '../watch.ts';
import { request } from './requested.ts';

export interface WatchOptions {
  readonly watch?: boolean;
}

export interface Beginning {
  readonly begin: (client: ApiClient) => Promise<{ runId: string }>;
  /** What the run is, e.g. `weekly-kernel`. */
  readonly title: string;
}

export async function beginRun(
  session: Session,
  { begin, title }: Beginning,
  { watch }: WatchOptions,
): Promise<ExitCode> {
  const text = ({ runId }: { runId: string }): string => `run ${runId} started · ${title}`;
  if (watch !== true) {
    return request(session, {
      ask: begin,
      text,
      next: ({ runId }) => [`status ${runId} --watch`, `pause ${runId}`, `stop ${runId}`],
    });
  }
  const started = await begin(await session.client());
  // On stderr: with --watch, the result is the run itself.
  session.say(text(started));
  return watchRun(session, started.runId);
}
