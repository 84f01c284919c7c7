/** What all requests about a run have in common: ask the daemon, print its answer, name the next command. */
import type { ApiClient } from '../../api/client.ts';
import { ExitCode } from '../../errors/codes.ts';
import { wrapSegments } from '../render/text.ts';
import type { Session } from '../session.ts';

export interface Request<Answer> {
  readonly ask: (client: ApiClient) => Promise<Answer>;
  readonly text: (answer: Answer) => string;
  /** Commands to go on with, without backticks. */
  readonly next: (answer: Answer) => readonly string[];
}

export async function request<Answer>(session: Session, { ask, text, next }: Request<Answer>): Promise<ExitCode> {
  const answer = await ask(await session.client());
  await session.print(answer, () => text(answer));
  sayNext(session, next(answer));
  return ExitCode.done;
}

export function sayNext(session: Session, commands: readonly string[]): void {
  // A log keeps its lines whole; a terminal would break them inside a command.
  const { isTTY, columns } = session.io.stderr;
  const width = isTTY && columns >= 20 ? columns : Number.POSITIVE_INFINITY;
  const quoted = commands.map((command) => `\`pitcrew ${command}\``);
  session.say(wrapSegments(quoted, 'next: ', width).join('\n'));
}
