/** Takes the two streams of one execution apart: what the job wrote, and what the job runner says about it. */
import { StringDecoder } from 'node:string_decoder';

/** Lets bytes through from a mark on: what login scripts print comes before it. */
export class AfterMark {
  readonly #mark: Buffer;
  readonly #pass: (chunk: Buffer) => void;
  #before: Buffer = Buffer.alloc(0);
  #passing = false;

  constructor(mark: string, pass: (chunk: Buffer) => void) {
    this.#mark = Buffer.from(mark);
    this.#pass = pass;
  }

  add(chunk: Buffer): void {
    if (this.#passing) {
      this.#pass(chunk);
      return;
    }
    const all = Buffer.concat([this.#before, chunk]);
    const at = all.indexOf(this.#mark);
    if (at < 0) {
      // Only the part in which the mark may begin is kept, however much a login script has to say.
      this.#before = all.subarray(Math.max(0, all.length - this.#mark.length));
      return;
    }
    this.#passing = true;
    this.#before = Buffer.alloc(0);
    const rest = all.subarray(at + this.#mark.length);
    if (rest.length > 0) this.#pass(rest);
  }
}

/** The runner's lines on stderr, told from all others by the nonce. */
export class Said {
  readonly #nonce: string;
  readonly #onClaimed: () => void;
  #text = '';
  #last: readonly string[] = [];
  #others: string[] = [];
  claimed = false;

  constructor(nonce: string, onClaimed: () => void) {
    this.#nonce = nonce;
    this.#onClaimed = onClaimed;
  }

  add(chunk: Buffer): void {
    const lines = (this.#text + chunk.toString('utf8')).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  /** What was said last; empty where nothing was, or only that the job is claimed. */
  last(): readonly string[] {
    return this.#last;
  }

  /** What others said, e.g. `sudo: a password is required`; the last lines of it. */
  others(): string {
    return [...this.#others, this.#text].join(' ').trim().slice(-500);
  }

  #line(line: string): void {
    const [first, ...words] = line.trimEnd().split(' ');
    if (first !== this.#nonce) {
      this.#others = [...this.#others, line].slice(-10);
      return;
    }
    if (words[0] !== 'claimed') {
      this.#last = words;
      return;
    }
    this.claimed = true;
    this.#onClaimed();
  }
}

/** What is held back of a line without an end: no line that is worth reading is longer. */
const lineMax = 8_192;

/**
 * What a job wrote: counted in bytes for picking it up again, handed on in whole lines, and only its end kept. Half a
 * line may be half a secret, and whoever looks for secrets in it would find none.
 */
export class Output {
  readonly #tailMax: number;
  readonly #onText: ((text: string) => void) | undefined;
  /** A character may be cut in two by a chunk, and by a connection. */
  readonly #decoder = new StringDecoder('utf8');
  #tail = '';
  #unfinished = '';
  bytes = 0;

  constructor(tailMax: number, onText?: (text: string) => void) {
    this.#tailMax = tailMax;
    this.#onText = onText;
  }

  add(chunk: Buffer): void {
    this.bytes += chunk.length;
    const text = this.#unfinished + this.#decoder.write(chunk);
    // Progress is often drawn over the same line again and again.
    const end = text.length > lineMax ? text.length : Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1;
    this.#unfinished = text.slice(end);
    this.#text(text.slice(0, end));
  }

  /** The end of it all. */
  finish(): string {
    this.#text(this.#unfinished + this.#decoder.end());
    this.#unfinished = '';
    return this.#tail;
  }

  #text(text: string): void {
    if (text === '') return;
    this.#tail = (this.#tail + text).slice(-this.#tailMax);
    this.#onText?.(text);
  }
}
