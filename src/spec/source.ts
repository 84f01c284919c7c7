/**
 * YAML with positions: every value in a document can say on which line and column it stands.
 *
 * It decides what is YAML and what is not; it knows nothing of plans, playbooks and inventories. It never throws on any text.
 */
import { LineCounter, isAlias, isMap, isPair, isScalar, isSeq, parseAllDocuments, visit } from 'yaml';
import type { Document, Node, Pair, Scalar, YAMLError } from 'yaml';
import type { Problem } from './problem.ts';
import { frameLine, holdsSecret, maskText, overlaps, privateKeysIn, secretName, secretsInText } from './mask.ts';
import type { Range } from './mask.ts';
import { yamlSentence } from './yaml-sentences.ts';

export type ValuePath = readonly PropertyKey[];

/** What is wrong, before it is known how the place looks. */
export interface Remark {
  readonly severity?: 'error' | 'warning';
  readonly message: string;
  readonly hint?: string | undefined;
}

export class SourceFile {
  readonly path: string;
  readonly text: string;
  readonly lineCounter = new LineCounter();
  readonly secrets: Range[] = [];

  constructor(path: string, text: string) {
    this.path = path;
    // A byte order mark is no character of the document; with it, the first column would be wrong.
    this.text = text.startsWith('\uFEFF') ? text.slice(1) : text;
    this.secrets.push(...privateKeysIn(this.text));
  }

  isSecret(range: Range): boolean {
    return overlaps(range, this.secrets);
  }

  lineOf(offset: number): number {
    return Math.max(1, this.lineCounter.linePos(offset).line);
  }

  problem(range: Range, { severity = 'error', message, hint }: Remark): Problem {
    const { line, col } = this.lineCounter.linePos(Math.min(range.start, this.text.length));
    const column = Math.max(1, col);
    const lineNumber = Math.max(1, line);
    const lineStart = range.start - (column - 1);
    const source = this.#lineFrom(lineStart);
    const end = Math.max(range.start + 1, Math.min(range.end, lineStart + source.trimEnd().length));
    const marked = { start: range.start, end };
    const frame = [];
    if (lineNumber > 1) {
      const beforeStart = this.text.lastIndexOf('\n', lineStart - 2) + 1;
      frame.push(frameLine(lineNumber - 1, this.#lineFrom(beforeStart), beforeStart, this.secrets, undefined));
    }
    frame.push(frameLine(lineNumber, source, lineStart, this.secrets, marked));
    const masked = this.isSecret(marked);
    return {
      severity,
      path: this.path,
      line: lineNumber,
      column,
      length: masked ? maskText.length : end - range.start,
      text: masked ? maskText : this.text.slice(range.start, end),
      message,
      hint,
      frame,
    };
  }

  #lineFrom(start: number): string {
    const end = this.text.indexOf('\n', start);
    return this.text.slice(start, end === -1 ? undefined : end).replace(/\r$/, '');
  }
}

/** One document of a file. */
export class SourceDocument {
  readonly file: SourceFile;
  /** As plain data, aliases resolved. */
  readonly value: unknown;
  readonly #document: Document;

  constructor(file: SourceFile, document: Document, value: unknown) {
    this.file = file;
    this.value = value;
    this.#document = document;
  }

  get range(): Range {
    return this.#rangeOf(this.#document.contents) ?? { start: 0, end: 0 };
  }

  valueAt(path: ValuePath): unknown {
    let value = this.value;
    for (const key of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
      value = (value as Record<PropertyKey, unknown>)[key];
    }
    return value;
  }

  /** The value's own place; its key's where it is empty; the nearest parent's where there is none. */
  rangeAt(path: ValuePath): Range {
    const found = this.#find(path);
    const range = found && this.#rangeOf(found.value);
    if (range !== undefined && range.start < range.end) return range;
    return path.length === 0 ? this.range : this.keyRangeAt(path);
  }

  keyRangeAt(path: ValuePath): Range {
    for (let length = path.length; length > 0; length -= 1) {
      const found = this.#find(path.slice(0, length));
      const range = found && this.#rangeOf(found.key ?? found.value);
      if (range !== undefined) return range;
    }
    return this.range;
  }

  problemAt(path: ValuePath, remark: Remark): Problem {
    return this.file.problem(this.rangeAt(path), remark);
  }

  problemAtKey(path: ValuePath, remark: Remark): Problem {
    return this.file.problem(this.keyRangeAt(path), remark);
  }

  /** A place inside a text, found by its `${`: the text as written can differ from its value by quotes and indentation. */
  problemAtPlaceholder(path: ValuePath, text: string, offset: number, length: number, remark: Remark): Problem {
    const whole = this.rangeAt(path);
    const before = text.slice(0, offset).split('${').length - 1;
    let start = whole.start - 1;
    for (let count = 0; count <= before; count += 1) {
      start = this.file.text.indexOf('${', start + 1);
      if (start === -1 || start >= whole.end) return this.file.problem(whole, remark);
    }
    return this.file.problem({ start, end: start + length }, remark);
  }

  /** A place inside a text; all of it where quotes or line breaks make it differ from what is written. */
  problemInText(path: ValuePath, place: { offset: number; length: number }, remark: Remark): Problem {
    const whole = this.rangeAt(path);
    const text = String(this.valueAt(path));
    const begin = whole.start + (/^["']/.test(this.file.text.slice(whole.start, whole.end)) ? 1 : 0);
    if (text === '' || !this.file.text.startsWith(text, begin)) return this.file.problem(whole, remark);
    const start = begin + place.offset;
    return this.file.problem({ start, end: start + place.length }, remark);
  }

  /** `line 47`, or `other.yaml:47` seen from another file. */
  placeAt(path: ValuePath, seenFrom: SourceDocument): string {
    const line = this.file.lineOf(this.rangeAt(path).start);
    return seenFrom.file.path === this.file.path ? `line ${line}` : `${this.file.path}:${line}`;
  }

  #find(path: ValuePath): { key?: unknown; value: unknown } | undefined {
    let found: { key?: unknown; value: unknown } = { value: this.#document.contents };
    for (const step of path) {
      const node = isAlias(found.value) ? found.value.resolve(this.#document) : found.value;
      if (isMap(node)) {
        // The last one, as in the plain data: an earlier one of the same name is a duplicate.
        const pair = node.items.findLast((item) => isScalar(item.key) && String(item.key.value) === String(step));
        if (pair === undefined) return undefined;
        found = { key: pair.key, value: pair.value };
      } else if (isSeq(node) && typeof step === 'number') {
        found = { value: node.items[step] };
      } else {
        return undefined;
      }
    }
    return found;
  }

  #rangeOf(node: unknown): Range | undefined {
    const range = isPair(node) ? (node.key as Node | null)?.range : (node as Node | null | undefined)?.range;
    return range ? { start: range[0], end: range[1] } : undefined;
  }

  /** Remembers that what stands there must never be shown, also where it is an alias of something further up. */
  coverAt(path: ValuePath): void {
    this.#cover(this.#find(path)?.value);
  }

  #cover(node: unknown): void {
    const range = this.#rangeOf(node);
    if (range !== undefined && range.start < range.end) this.file.secrets.push(range);
    if (isAlias(node)) this.#cover(node.resolve(this.#document));
  }

  /** Covers what looks like a secret by its name alone, wherever it stands, also where a colon was forgotten. */
  coverByName(): void {
    const coverPair = (pair: Pair): void => {
      if (!isScalar(pair.key) || !secretName.test(String(pair.key.value))) return;
      const isReference = isMap(pair.value) && (pair.value.has('file') || pair.value.has('env'));
      if (!isReference && !isSeq(pair.value)) this.#cover(pair.value);
    };
    const coverScalar = (scalar: Scalar): void => {
      const range = this.#rangeOf(scalar);
      if (range === undefined) return;
      const isScript = scalar.type?.startsWith('BLOCK');
      if (isScript) this.file.secrets.push(...secretsInText(this.file.text.slice(range.start, range.end), range.start));
      else if (holdsSecret(String(scalar.value))) this.file.secrets.push(range);
    };
    visit(this.#document, { Pair: (_, pair) => coverPair(pair), Scalar: (_, scalar) => coverScalar(scalar) });
  }
}

export interface ReadFile {
  readonly file: SourceFile;
  readonly documents: readonly SourceDocument[];
  /** Documents that could not be read; a file without any counts as one. */
  readonly brokenCount: number;
  readonly failures: readonly { readonly range: Range; readonly remark: Remark }[];
}

const tooDeep: Remark = {
  message: 'this file is nested too deeply, or its aliases unfold without end',
  hint: 'write it out plainly',
};

/** One per line: whatever comes after it on the same line is mostly its echo. */
function failuresOf(file: SourceFile, errors: readonly YAMLError[]): ReadFile['failures'] {
  const seen = new Set<number>();
  return errors.flatMap(({ code, pos: [start, end], message }) => {
    const line = file.lineOf(start);
    if (code !== 'DUPLICATE_KEY' && seen.has(line)) return [];
    seen.add(line);
    const word = code === 'DUPLICATE_KEY' ? /^[\w./-]+/.exec(file.text.slice(start, start + 100))?.[0] : undefined;
    return [{ range: { start, end: word ? start + word.length : end }, remark: yamlSentence(code, message, word) }];
  });
}

/** Reads the documents of a file. Those with errors of syntax are left out; a duplicate key alone does not hide the rest. */
export function readYaml(path: string, text: string): ReadFile {
  const file = new SourceFile(path, text);
  const documents: SourceDocument[] = [];
  const failures: { range: Range; remark: Remark }[] = [];
  let brokenCount = 0;
  try {
    const { lineCounter } = file;
    // Strings as keys only: `1: x` would be a number otherwise, and `{}` may be a key in YAML.
    const parsed = parseAllDocuments(file.text, { lineCounter, prettyErrors: false, stringKeys: true });
    for (const document of Array.isArray(parsed) ? parsed : []) {
      const errors: YAMLError[] = [...document.errors, ...document.warnings];
      failures.push(...failuresOf(file, errors));
      const isBroken = errors.some(({ code }) => code !== 'DUPLICATE_KEY');
      const isEmpty = document.contents === null || (isScalar(document.contents) && document.contents.value === null);
      if (isEmpty && !isBroken) continue;
      const source = new SourceDocument(file, document, isBroken ? undefined : document.toJS());
      // Also of a broken one, whose frames are shown: it is only not judged any further.
      source.coverByName();
      if (isBroken) brokenCount += 1;
      else documents.push(source);
    }
  } catch (error) {
    // Thrown by the library for an unknown alias, too many aliases, and for a stack that is too deep.
    if (!(error instanceof RangeError) && !(error instanceof ReferenceError)) throw error;
    failures.push({ range: { start: 0, end: 1 }, remark: tooDeep });
    brokenCount += 1;
  }
  if (brokenCount > 0) file.secrets.push(...secretsInText(file.text));
  if (documents.length + brokenCount === 0) {
    brokenCount = 1;
    const hint = 'write one, or delete the file';
    failures.push({ range: { start: 0, end: 0 }, remark: { message: 'this file holds no document', hint } });
  }
  return { file, documents, brokenCount, failures };
}
