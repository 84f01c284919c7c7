/**
 * One command being carried out: its options made useful. Where the daemon is, how results are printed, how a person
 * is asked.
 *
 * Results go to stdout, everything else to stderr. It never prints the token and never takes it from the arguments.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { ApiClient } from '../api/client.ts';
import type { ServerAddress } from '../api/transport.ts';
import { isLoopback } from '../api/wire.ts';
import type { ExitCode } from '../errors/codes.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { Interrupted, UsageError, type CliIo, type DemoIo, type Loaders } from './io.ts';
import { clean, type View } from './render/text.ts';
import { viewOf } from './view.ts';

export const formats = ['text', 'json', 'yaml'] as const;
export type Format = (typeof formats)[number];

export interface GlobalOptions {
  readonly server?: string;
  readonly data?: string;
  readonly tokenFile?: string;
  readonly format: Format;
  readonly color: boolean;
  readonly yes?: boolean;
}

/** Carries a command's work out with the options it was given, and sets the exit code from its answer. */
export type Run = (command: Command, work: (session: Session) => Promise<ExitCode>) => Promise<void>;

const systemData = '/var/lib/pitcrew';

export class Session {
  readonly io: CliIo;
  readonly loaders: Loaders;
  readonly format: Format;
  /** Runs another command line on the same streams, as if it were typed. */
  readonly pitcrew: DemoIo['pitcrew'];
  readonly #options: GlobalOptions;

  constructor(io: CliIo, loaders: Loaders, options: GlobalOptions, pitcrew: DemoIo['pitcrew']) {
    this.io = io;
    this.pitcrew = pitcrew;
    this.loaders = loaders;
    this.format = options.format;
    this.#options = options;
  }

  /** The data folder: the one given, one here, or the system's. */
  get data(): string {
    const here = resolve(this.io.cwd, this.#options.data ?? '.pitcrew');
    return this.#options.data === undefined && !existsSync(here) && existsSync(systemData) ? systemData : here;
  }

  view(): View {
    return viewOf(this.io, this.io.stdout, this.#options.color);
  }

  async client(signal: AbortSignal = this.io.signal): Promise<ApiClient> {
    // Loaded here alone: what works from a file needs no HTTP.
    const [client, { parseAddress }] = await Promise.all([import('../api/client.ts'), import('../api/transport.ts')]);
    const address = this.#address(parseAddress);
    return new client.ApiClient({ address, token: await this.#token(address), by: this.io.by, signal });
  }

  /** The result: the object itself, or the text made of it. */
  async print(value: unknown, text: () => string): Promise<void> {
    switch (this.format) {
      case 'text':
        this.io.stdout.write(`${text()}\n`);
        return;
      case 'json':
        this.io.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
        return;
      case 'yaml': {
        const { stringify } = await import('yaml');
        this.io.stdout.write(stringify(value, { aliasDuplicateObjects: false }));
      }
    }
  }

  /** Talk: what goes on, what comes next. */
  say(text: string): void {
    this.io.stderr.write(`${text}\n`);
  }

  /** Something to know that keeps nothing from being done; where it comes from is not to be trusted with the terminal. */
  warn(text: string): void {
    this.say(`warning: ${clean(text)}`);
  }

  /** Demands a yes before something that cannot be taken back; without a terminal only `--yes` counts as one. */
  async confirm(question: string): Promise<boolean> {
    if (this.#options.yes === true) return true;
    const { stdin, stderr, signal } = this.io;
    if (!stdin.isTTY || !stderr.isTTY) {
      throw new UsageError(`nobody is here to answer "${question}"`, 'add --yes to do it without being asked');
    }
    const prompt = createInterface({ input: stdin, output: stderr });
    try {
      const ended = new Promise<string>((done) => {
        prompt.once('close', () => done(''));
      });
      const interrupted = new AbortController();
      prompt.once('SIGINT', () => interrupted.abort(new Interrupted('interrupted')));
      const asked = prompt.question(`${question} [y/N] `, { signal: AbortSignal.any([signal, interrupted.signal]) });
      const answer = await Promise.race([asked, ended]).catch(() => {
        throw new Interrupted('interrupted');
      });
      if (/^y(?:es)?$/i.test(answer.trim())) return true;
      this.say('nothing was done');
      return false;
    } finally {
      prompt.close();
    }
  }

  #address(parseAddress: (text: string) => ServerAddress): ServerAddress {
    const given = this.#options.server ?? this.io.env['PITCREW_SERVER'] ?? '';
    const address = parseAddress(given === '' ? join(this.data, 'daemon.sock') : given);
    return address.kind === 'socket' ? { ...address, path: resolve(this.io.cwd, address.path) } : address;
  }

  async #token(address: ServerAddress): Promise<string> {
    const { tokenFile } = this.#options;
    if (tokenFile !== undefined) return readToken(resolve(this.io.cwd, tokenFile), true);
    const fromEnvironment = this.io.env['PITCREW_TOKEN'] ?? '';
    if (fromEnvironment !== '') return tokenIn(fromEnvironment, 'PITCREW_TOKEN');
    if (address.kind === 'socket') return readToken(join(dirname(address.path), 'token'), false);
    // The token of this machine's daemon is nobody else's business.
    return isLoopback(address.url.hostname) ? readToken(join(this.data, 'token'), false) : '';
  }
}

/** Without a token file where one is only expected, the daemon is asked all the same: it may not even be there. */
async function readToken(path: string, isNeeded: boolean): Promise<string> {
  try {
    return tokenIn(await readFile(path, 'utf8'), path);
  } catch (cause) {
    if (cause instanceof MaintenanceError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown reason';
    if (code === 'ENOENT' && !isNeeded) return '';
    throw new MaintenanceError('secret/unreadable', 'halt', `cannot read the token file ${path}: ${code}`, { cause });
  }
}

/** What could not stand in a header of HTTP (RFC 9110, 5.5) is some other file. Says nothing of what is in it. */
function tokenIn(text: string, from: string): string {
  const token = text.trim();
  if (/^[!-~]*$/.test(token)) return token;
  throw new MaintenanceError('secret/unreadable', 'halt', `${from} holds no token: it is one word on one line`);
}
