/**
 * Looks into zod schemas: which keys a place knows, which branch of a union a value means, what a place expects in words.
 *
 * It only reads schemas and never validates.
 */
import type { z } from 'zod';
import type { ValuePath } from './source.ts';

export type Schema = z.core.$ZodType;

export function definitionOf(schema: Schema): z.core.$ZodTypes['_zod']['def'] {
  return (schema as z.core.$ZodTypes)._zod.def;
}

/** What is inside a wrapper that does not change what people write. */
export function innerOf(schema: Schema): Schema | undefined {
  const definition = definitionOf(schema);
  if (definition.type === 'pipe') return definition.in;
  return definition.type === 'optional' || definition.type === 'default' ? definition.innerType : undefined;
}

/** Without its wrappers. */
export function unwrap(schema: Schema): Schema {
  const inner = innerOf(schema);
  return inner === undefined ? schema : unwrap(inner);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shapeOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const definition = definitionOf(unwrap(schema));
  return definition.type === 'object' ? definition.shape : undefined;
}

export function optionsOf(schema: Schema): readonly Schema[] | undefined {
  const definition = definitionOf(unwrap(schema));
  return definition.type === 'union' ? definition.options : undefined;
}

/** All keys that any branch knows at this place, sorted as they were written down. */
export function keysOf(schema: Schema): string[] {
  const options = optionsOf(schema);
  if (options !== undefined) return [...new Set(options.flatMap(keysOf))];
  return Object.keys(shapeOf(schema) ?? {});
}

/** The branch that a value means: the one that knows most of its keys. `undefined` where none knows any. */
export function meantOption(options: readonly Schema[], value: unknown): number | undefined {
  if (!isRecord(value)) return undefined;
  const keys = Object.keys(value);
  let best: { index: number; known: number } | undefined;
  for (const [index, option] of options.entries()) {
    const known = new Set(keysOf(option));
    const count = keys.filter((key) => known.has(key)).length;
    if (count > (best?.known ?? 0)) best = { index, known: count };
  }
  return best?.index;
}

/** The schema below a key, given the value that stands at this place. */
function stepInto(schema: Schema, key: PropertyKey, value: unknown): Schema | undefined {
  const definition = definitionOf(unwrap(schema));
  if (definition.type === 'object')
    return Object.hasOwn(definition.shape, key) ? definition.shape[String(key)] : undefined;
  if (definition.type === 'array') return definition.element;
  if (definition.type === 'record') return definition.valueType;
  if (definition.type !== 'union') return undefined;
  const meant = meantOption(definition.options, value);
  const option = meant === undefined ? undefined : definition.options[meant];
  return option && stepInto(option, key, value);
}

export function schemaAt(schema: Schema, path: ValuePath, value: unknown): Schema | undefined {
  let current: Schema | undefined = schema;
  let below: unknown = value;
  for (const key of path) {
    if (current === undefined) return undefined;
    current = stepInto(current, key, below);
    below = typeof below === 'object' && below !== null ? (below as Record<PropertyKey, unknown>)[key] : undefined;
  }
  return current;
}

/** What was written beside the schema as its expectation (`{ error: 'a length like …' }`): the outermost one there is. */
export function expectationOf(schema: Schema): string | undefined {
  const definition = definitionOf(schema);
  const said = definition.error?.({ code: 'custom', input: undefined, path: [] } as never);
  const text = typeof said === 'string' ? said : said?.message;
  if (text !== undefined) return text;
  const inner = innerOf(schema);
  return inner && expectationOf(inner);
}

/** A schema that is described anew at some place is a copy with the same definition. */
export function isSame(schema: Schema, wanted: Schema): boolean {
  return definitionOf(unwrap(schema)) === definitionOf(wanted);
}

/** Every place in the value whose schema is `wanted`, whatever is said about it there. Bounded by the schema, which is never deeper than a few levels. */
export function placesOf(wanted: Schema, schema: Schema, value: unknown, path: ValuePath = []): ValuePath[] {
  if (isSame(schema, wanted)) return [path];
  if (typeof value !== 'object' || value === null) return [];
  const entries: [PropertyKey, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return entries.flatMap(([key, below]) => {
    const next = stepInto(schema, key, value);
    return next === undefined ? [] : placesOf(wanted, next, below, [...path, key]);
  });
}
