/**
 * Expressions of admission policies. The CEL library knows no object construction (`Object.spec{…}`, `JSONPatch{…}`), so those are
 * rewritten into maps first, and their type names are checked as a real server checks them.
 *
 * It never touches the cluster: an expression sees what it is given.
 */
import { Environment } from '@marcbachmann/cel-js';
import { isRecord } from '../../../cluster/json.ts';

/** An expression that cannot be compiled, or that failed on what it was given. */
export class ExpressionError extends Error {}

export interface Expression {
  readonly text: string;
  evaluate(variables: Readonly<Record<string, unknown>>): unknown;
}

const environment = new Environment({
  unlistedVariablesAreDyn: true,
  homogeneousAggregateLiterals: false,
  enableOptionalTypes: true,
}).registerFunction('jsonpatchEscapeKey(string): string', (key: string) =>
  key.replaceAll('~', '~0').replaceAll('/', '~1'),
);

/** Throws an ExpressionError where it makes no sense. */
export function compile(text: string): Expression {
  if (text.trim() === '') throw new ExpressionError('expression is empty');
  const run = guarded(() => environment.parse(rewrite(text)));
  return {
    text,
    evaluate: (variables) => guarded(() => fromCel(run(toCel(variables) as Record<string, unknown>))),
  };
}

function guarded<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof ExpressionError) throw error;
    const [firstLine = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new ExpressionError(firstLine);
  }
}

/** Whole numbers of JSON are `int` for CEL. */
function toCel(value: unknown): unknown {
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(toCel);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, toCel(entry)]));
}

function fromCel(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(fromCel);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, entry]) => [String(key), fromCel(entry)]));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, fromCel(entry)]));
}

/** What stands in an open bracket: a constructed object knows its type and the field that is being set. */
interface Frame {
  readonly type: string | undefined;
  expectsField: boolean;
  field: string;
}

const token =
  /\s+|\/\/[^\n]*|[rR]?(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|[A-Za-z_]\w*|[\s\S]/y;

function rewrite(text: string): string {
  const frames: Frame[] = [];
  let output = '';
  token.lastIndex = 0;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [part] = match;
    const frame = frames.at(-1);
    const opened = openingOf(text, match.index);
    if (opened) {
      checkType(opened.type, frames);
      frames.push({ type: opened.type, expectsField: true, field: '' });
      output += '{';
      token.lastIndex = opened.end;
    } else if (text.startsWith('jsonpatch.escapeKey(', match.index)) {
      output += 'jsonpatchEscapeKey';
      token.lastIndex = match.index + 'jsonpatch.escapeKey'.length;
    } else if (frame?.type !== undefined && frame.expectsField && /^\w/.test(part)) {
      frame.field = part;
      frame.expectsField = false;
      output += JSON.stringify(part);
    } else {
      if ('([{'.includes(part)) frames.push({ type: undefined, expectsField: false, field: '' });
      else if (')]}'.includes(part)) frames.pop();
      else if (part === ',' && frame) frame.expectsField = true;
      output += part;
    }
  }
  return output;
}

const opening = /(Object(?:\.\w+)*|JSONPatch)\s*\{/y;

function openingOf(text: string, at: number): { type: string; end: number } | undefined {
  opening.lastIndex = at;
  const match = opening.exec(text);
  const isWhole = !/[\w.]/.test(text.charAt(at - 1));
  return match && isWhole ? { type: match[1] ?? '', end: opening.lastIndex } : undefined;
}

/** An object inside of another one is named after the way to it; inside of a patch's value any is right. */
function checkType(type: string, frames: readonly Frame[]): void {
  const parent = frames.findLast((frame) => frame.type !== undefined);
  if (type === 'JSONPatch' || parent?.type === 'JSONPatch') return;
  const expected = parent ? `${parent.type}.${parent.field}` : 'Object';
  if (type !== expected) {
    const because = 'which matches field name path from root Object type';
    throw new ExpressionError(`type mismatch: unexpected type name "${type}", expected "${expected}", ${because}`);
  }
}
