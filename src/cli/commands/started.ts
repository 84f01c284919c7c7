/** What all commands that begin a run have in common: print its id, then follow it or name the next command. */
import type { ApiClient } from '../../api/client.ts';
import type { Started } from '../../engine/operations.ts';
import type { ExitCode } from '../../errors/codes.ts';
import type { Session } from '../session.ts';
import { watchRun } from '../watch.ts';
import { request } from './requested.ts';

export interface WatchOptions {
  readonly watch?: boolean;
}

export interface Beginning {
  readonly begin: (client: ApiClient) => Promise<Started>;
  /** What the run is, e.g. `weekly-kernel`. */
  readonly title: string;
}

export async function beginRun(
  session: Session,
  { begin, title }: Beginning,
  { watch }: WatchOptions,
): Promise<ExitCode> {
  const text = ({ runId }: Started): string => `run ${runId} started · ${title}`;
  const ask = async (client: ApiClient): Promise<Started> => {
    const started = await begin(client);
    for (const notice of started.notices ?? []) session.warn(notice);
    return started;
  };
  if (watch !== true) {
    return request(session, {
      ask,
      text,
      next: ({ runId }) => [`status ${runId} --watch`, `pause ${runId}`, `stop ${runId}`],
    });
  }
  const started = await ask(await session.client());
  // On stderr: with --watch, the result is the run itself.
  session.say(text(started));
  return watchRun(session, started.runId);
}
