/**
 * How a shim tells the lab what it did: one line into a named pipe, one line back through a pipe of its own. Plain sh can
 * do that in a millisecond, and it waits for the answer, so that what a script looks at next is already so.
 */
import { execFile } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

export type CallVerb = 'install' | 'reboot' | 'powerOff';

export interface Calls {
  /** For the shims. */
  readonly pipe: string;
  stop(): Promise<void>;
}

function isVerb(word: string | undefined): word is CallVerb {
  return word === 'install' || word === 'reboot' || word === 'powerOff';
}

/** `answer` says whether the machine took the request; what has to wait until the shim knows happens in `afterwards`. */
export async function listenForCalls(
  folder: string,
  answer: (machine: string, verb: CallVerb) => { taken: boolean; afterwards: () => void },
): Promise<Calls> {
  const pipe = join(folder, 'calls');
  await promisify(execFile)('mkfifo', ['-m', '600', pipe]);
  // Open for both, so that it never ends when a shim closes it; without waiting, so that opening does not hang.
  // A number and no handle: the socket closes it.
  const descriptor = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  let text = '';
  socket.on('data', (data: Buffer) => {
    const lines = (text + data.toString('utf8')).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const [machine = '', verb, ...reply] = line.split(' ');
      if (!isVerb(verb)) continue;
      const { taken, afterwards } = answer(machine, verb);
      void writeReply(reply.join(' '), taken ? 'ok' : 'no').then(afterwards, afterwards);
    }
  });
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    socket.destroy();
    await closed;
  };
  return { pipe, stop };
}

/** Without waiting for a reader: one that was killed meanwhile would keep a thread of ours for ever. */
async function writeReply(pipe: string, word: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      const handle = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
      await handle.write(`${word}\n`);
      await handle.close();
      return;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      // ENXIO: nobody reads yet.
      if (code !== 'ENXIO') return;
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    }
  }
}
