/**
 * Turns what zod says into sentences for a tired person: what is wrong, and what to do.
 *
 * It decides which branch of a union was meant, by its keys; it never decides whether a document is valid. It never
 * repeats a value that stands where a secret belongs.
 */
import type { z } from 'zod';
import type { Problem } from './problem.ts';
import { didYouMean, listed } from './problem.ts';
import type { Remark, SourceDocument, ValuePath } from './source.ts';
import type { Schema } from './schema-walk.ts';
import { expectationOf, isSame, keysOf, meantOption, optionsOf, placesOf, schemaAt } from './schema-walk.ts';
import { SecretRef } from './values.ts';
import { notYetKey, notYetValue } from './not-yet.ts';

type Issue = z.core.$ZodIssue;

/** Where a schema has no words of its own; told from a sentence by being empty. */
const noWords = '';

interface Context {
  readonly document: SourceDocument;
  readonly kind: string;
  readonly schema: Schema;
}

export function problemsOf(document: SourceDocument, kind: string, schema: Schema): Problem[] {
  const result = (schema as z.ZodType).safeParse(document.value, { error: () => noWords });
  if (result.success) return [];
  return result.error.issues.flatMap((issue) => explain({ document, kind, schema }, issue, []));
}

/** Must run before any problem of this file is made, so that no frame shows a literal secret. */
export function coverSecrets(document: SourceDocument, schema: Schema): void {
  for (const path of placesOf(SecretRef, schema, document.value)) {
    if (!SecretRef.safeParse(document.valueAt(path)).success) document.coverAt(path);
  }
}

/** `"soak"`, or `entry 2 of "waves"`. */
function nameOf(path: ValuePath): string {
  const last = path.at(-1);
  if (last === undefined) return 'the document';
  if (typeof last !== 'number') return `"${String(last)}"`;
  return `entry ${last + 1} of ${nameOf(path.slice(0, -1))}`;
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeNames[typeof value] ?? 'something else';
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys and values',
  record: 'a map of keys and values',
  array: 'a list',
};

/** As it was written, if that is short and no secret; its type otherwise. */
function shownAt(document: SourceDocument, path: ValuePath): string {
  const value = document.valueAt(path);
  if (document.file.isSecret(document.rangeAt(path))) return typeName(value);
  if (typeof value === 'string' && value.length <= 60 && !value.includes('\n')) return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeName(value);
}

function explain(context: Context, issue: Issue, base: ValuePath): Problem[] {
  const { document, schema } = context;
  const path = [...base, ...issue.path];
  const value = document.valueAt(path);
  const here = schemaAt(schema, path, document.value);
  const secretPath = secretPlaceIn(context, path);
  if (secretPath !== undefined) return [explainSecret(document, secretPath)];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => explainKey(context, path, key, here === undefined ? [] : keysOf(here)));
  }
  if (value === undefined && issue.code !== 'invalid_key') {
    const message = `${nameOf(path)} is missing${path.length > 1 ? ` in ${nameOf(path.slice(0, -1))}` : ''}`;
    const expectation = here && expectationOf(here);
    return [document.problemAtKey(path.slice(0, -1), { message, hint: expectation && `it must be ${expectation}` })];
  }
  if (value === null) {
    return [
      document.problemAt(path, { message: `${nameOf(path)} is empty`, hint: 'give it a value, or take the key away' }),
    ];
  }
  if (issue.code === 'invalid_union') return explainUnion(context, issue, path, value, here);
  if (issue.code === 'invalid_key') {
    const message = `the name ${nameOf(path)} must be ${issue.issues[0]?.message || 'another'}`;
    return [document.problemAtKey(path, { message })];
  }
  const expectation = (here && expectationOf(here)) ?? (issue.message === noWords ? undefined : issue.message);
  return [document.problemAt(path, explainValue(issue, document, path, expectation))];
}

/** The part of the path that leads to a reference to a secret, if it goes there at all. */
function secretPlaceIn({ document, schema }: Context, path: ValuePath): ValuePath | undefined {
  for (let length = 0; length <= path.length; length += 1) {
    const here = schemaAt(schema, path.slice(0, length), document.value);
    if (here !== undefined && isSame(here, SecretRef)) return path.slice(0, length);
  }
  return undefined;
}

/** Says nothing of what stands there. */
function explainSecret(document: SourceDocument, path: ValuePath): Problem {
  const value = document.valueAt(path);
  const name = typeof path.at(-1) === 'string' ? nameOf(path) : 'this';
  const hint = 'put it into a file or the environment and write { file: /path } or { env: NAME }';
  if (value === null) return document.problemAt(path, { message: `${name} is empty`, hint });
  const message =
    typeof value === 'object'
      ? `${name} must be a reference to a secret: an absolute path as { file: /path }, or { env: NAME } in capitals`
      : `${name} is written out; a secret never stands in a document`;
  return document.problemAt(path, typeof value === 'object' ? { message } : { message, hint });
}

function explainKey({ document, kind }: Context, parent: ValuePath, key: string, known: string[]): Problem {
  const path = [...parent, key];
  if (document.file.isSecret(document.keyRangeAt(path))) {
    return document.problemAtKey(path, { message: 'this is no "key: value"', hint: 'is a colon or a space missing?' });
  }
  const notYet = notYetKey(kind, parent, key);
  if (notYet !== undefined) {
    return document.problemAtKey(path, { message: `this version does not act on "${key}" yet`, hint: notYet });
  }
  if (known.includes(key)) {
    // Known to another branch of a union: mostly a missing "-" before it.
    const value = document.valueAt(parent);
    const others =
      typeof value === 'object' && value !== null ? Object.keys(value).filter((other) => other !== key) : [];
    const message = `"${key}" cannot stand beside ${listed(others.filter((other) => known.includes(other)))}`;
    return document.problemAtKey(path, { message, hint: 'make them two entries of the list' });
  }
  if (key === '<<') {
    const message = 'merging maps with "<<" is not supported';
    return document.problemAtKey(path, { message, hint: 'write the keys out, or put them into "defaults"' });
  }
  if (key === 'address' && parent.includes('defaults')) {
    const message = 'an address belongs to one server, so it cannot be a default';
    return document.problemAtKey(path, { message, hint: 'write it at each server' });
  }
  const hint = didYouMean(key, known) ?? (known.length === 0 ? undefined : `known here: ${known.join(', ')}`);
  return document.problemAtKey(path, { message: `unknown key "${key}"`, hint });
}

function explainUnion(
  context: Context,
  issue: z.core.$ZodIssueInvalidUnion,
  path: ValuePath,
  value: unknown,
  here: Schema | undefined,
): Problem[] {
  const options = (here && optionsOf(here)) ?? [];
  const meant = meantOption(options, value);
  const branch = meant === undefined ? undefined : issue.errors[meant];
  if (branch !== undefined) return branch.flatMap((inner) => explain(context, inner, path));
  const expectation = here && expectationOf(here);
  const known = here === undefined ? [] : keysOf(here);
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isMap && expectation === undefined && Object.keys(value).length > 0) {
    return Object.keys(value).map((key) => explainKey(context, path, key, known));
  }
  const { document } = context;
  if (known.length > 0 && expectation === undefined) {
    // The whole list of actions is the best help there is for an entry that is none.
    const message = `${nameOf(path)} must be a map with ${known.length === 1 ? 'the key' : 'one of the keys'} ${listed(known)}`;
    const isKey = typeof value === 'string' && known.includes(value);
    return [document.problemAt(path, { message, hint: isKey ? `write "${value}: …"` : undefined })];
  }
  const types = options.map((option) => typeNames[typeOf(option)] ?? 'something else');
  const wanted = expectation ?? [...new Set(types)].join(' or ');
  return [document.problemAt(path, { message: `${nameOf(path)} must be ${wanted}, not ${shownAt(document, path)}` })];
}

function typeOf(schema: Schema): string {
  return (schema as z.core.$ZodTypes)._zod.def.type;
}

function explainValue(
  issue: Issue,
  document: SourceDocument,
  path: ValuePath,
  expectation: string | undefined,
): Remark {
  const name = nameOf(path);
  const value = document.valueAt(path);
  const shown = shownAt(document, path);
  if (expectation !== undefined) return { message: `${name} must be ${expectation}, not ${shown}` };
  if (issue.code === 'invalid_type') {
    const wanted = typeNames[issue.expected] ?? issue.expected;
    const isScalar = typeof value === 'number' || typeof value === 'boolean';
    const hint =
      issue.expected === 'string' && isScalar
        ? `put it in quotes${shown === String(value) ? `: "${shown}"` : ''}`
        : undefined;
    return { message: `${name} must be ${wanted}, not ${shown}`, hint };
  }
  if (issue.code === 'invalid_value') {
    const wanted = issue.values.map(String);
    const notYet = notYetValue(path, value);
    if (notYet !== undefined) return { message: `this version does not act on ${shown} here yet`, hint: notYet };
    const hint = typeof value === 'string' ? didYouMean(value, wanted) : undefined;
    return { message: `${name} must be ${listed(wanted)}, not ${shown}`, hint };
  }
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return { message: `${name} cannot be ${shown}` };
  const [word, bound] = issue.code === 'too_small' ? ['least', issue.minimum] : ['most', issue.maximum];
  if (issue.origin === 'array')
    return { message: `${name} must have at ${word} ${bound} ${bound === 1 ? 'entry' : 'entries'}` };
  if (issue.origin !== 'string') return { message: `${name} must be at ${word} ${bound}, not ${shown}` };
  if (value === '') return { message: `${name} must not be empty` };
  return { message: `${name} must have at ${word} ${bound} characters` };
}
