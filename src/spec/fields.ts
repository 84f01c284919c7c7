/**
 * All fields that a document can have, as people look them up: name, values, what holds where one is left out, meaning.
 *
 * Read out of the schemas that judge the documents, so the two cannot differ; the words stand in the schemas (`meta`):
 * `description`; `default` where something left out is as if that had been written; `absent` where that takes words;
 * `valueKind` where a value has a name of its own.
 */
import { z } from 'zod';
import { definitionOf, innerOf, optionsOf, unwrap, type Schema } from './schema-walk.ts';
import type { ValueKind } from './values.ts';

export interface Field {
  /** Dotted; `[]` after a list, `*` for any key. */
  readonly path: string;
  readonly values: string;
  readonly absent: string;
  readonly meaning: string;
  /** As people write it. */
  readonly default?: unknown;
}

type Definition = ReturnType<typeof definitionOf>;

interface Meta {
  readonly description?: string | undefined;
  readonly default?: unknown;
  readonly absent?: string;
  readonly valueKind?: ValueKind;
}

export interface Fields {
  readonly fields: readonly Field[];
  /** What lists of steps may hold, each step once. */
  readonly steps: readonly Field[];
  readonly kinds: readonly ValueKind[];
}

export function fieldsOf(schema: Schema): Fields {
  // A list of one kind of step looks like any other list, until that kind was seen among others.
  const first = new Walk();
  first.below(schema, '');
  const walk = new Walk(first.stepForms);
  const fields = walk.below(schema, '');
  return { fields, steps: [...walk.steps.values()].flat(), kinds: [...walk.kinds.values()] };
}

class Walk {
  readonly steps = new Map<string, readonly Field[]>();
  readonly kinds = new Map<string, ValueKind>();
  readonly stepForms: Set<Definition>;

  constructor(stepForms: ReadonlySet<Definition> = new Set()) {
    this.stepForms = new Set(stepForms);
  }

  /** The fields inside a value of this schema. */
  below(schema: Schema, path: string): Field[] {
    if (metaOf(schema).valueKind !== undefined) return [];
    const definition = definitionOf(unwrap(schema));
    if (definition.type === 'object') return this.stepForms.has(definition) ? [] : this.#keys([schema], path);
    if (definition.type === 'array') return this.below(definition.element, `${path}[]`);
    if (definition.type === 'record') return this.below(definition.valueType, `${path}.*`);
    if (definition.type !== 'union') return [];
    if (!areSteps(definition.options)) {
      return definition.options.every(isObject) ? this.#keys(definition.options, path) : [];
    }
    for (const option of definition.options) this.#addStep(option);
    return [];
  }

  /** Of one object, or of several that can stand at the same place. */
  #keys(forms: readonly Schema[], path: string): Field[] {
    const shapes = forms.map(shapeOf);
    const keys = [...new Set(shapes.flatMap((shape) => Object.keys(shape)))];
    return keys.flatMap((key) => {
      const [schema] = shapes.flatMap((shape) => shape[key] ?? []);
      if (!schema) return [];
      const below = path === '' ? key : `${path}.${key}`;
      return [this.#field(schema, below, whereLeftOut(schema, key, shapes)), ...this.below(schema, below)];
    });
  }

  #field(schema: Schema, path: string, absent: string): Field {
    const { description = '', default: preset } = metaOf(schema);
    return { path, values: this.#values(schema), absent, meaning: description, default: preset };
  }

  #addStep(option: Schema): void {
    this.stepForms.add(definitionOf(unwrap(option)));
    const [first, ...others] = this.#keys([option], '');
    // The first list that has a step of this name says the most of it.
    if (first && !this.steps.has(first.path)) this.steps.set(first.path, [{ ...first, absent: '' }, ...others]);
  }

  /** What may be written, in Markdown. */
  #values(schema: Schema): string {
    const { valueKind } = metaOf(schema);
    if (valueKind) {
      this.kinds.set(valueKind.name, valueKind);
      return valueKind.name;
    }
    const definition = definitionOf(unwrap(schema));
    if (definition.type === 'object') return 'map';
    if (definition.type === 'array') return this.#list(definition.element);
    if (definition.type === 'record') return `map of ${manyOf(this.#values(definition.valueType))}`;
    if (definition.type === 'union') return alternatives(definition.options.map((one) => this.#values(one)));
    if (definition.type === 'enum') return quoted(Object.values(definition.entries));
    if (definition.type === 'literal') return quoted(definition.values);
    if (definition.type === 'boolean') return quoted([true, false]);
    return definition.type === 'number' ? wholeNumber(schema) : 'text';
  }

  #list(element: Schema): string {
    const options = optionsOf(element) ?? [element];
    const names = options.map((option) => `\`${Object.keys(shapeOf(option))[0] ?? ''}\``);
    if (options.every((option) => this.stepForms.has(definitionOf(unwrap(option))))) {
      return `steps: ${alternatives(names)}`;
    }
    const values = this.#values(element);
    return `list of ${manyOf(values)}`;
  }
}

/** What is said of a schema, and of what it wraps where it says nothing itself. */
function metaOf(schema: Schema): Meta {
  const inner = innerOf(schema);
  const own = (z.globalRegistry.get(schema as z.ZodType) ?? {}) as Meta;
  const meta = { ...(inner ? metaOf(inner) : {}), ...own };
  // What a kind of value is says nothing about the field that has one.
  const isOfKind = meta.valueKind !== undefined && meta.description === meta.valueKind.meaning;
  return isOfKind ? { ...meta, description: undefined } : meta;
}

function isObject(schema: Schema): boolean {
  return metaOf(schema).valueKind === undefined && definitionOf(unwrap(schema)).type === 'object';
}

function shapeOf(schema: Schema): Readonly<Record<string, Schema>> {
  const definition = definitionOf(unwrap(schema));
  return definition.type === 'object' ? definition.shape : {};
}

/** Steps are what has one key, which says what it is. */
function areSteps(options: readonly Schema[]): boolean {
  return options.every((option) => isObject(option) && Object.keys(shapeOf(option)).length === 1);
}

function isOptional(schema: Schema): boolean {
  return definitionOf(schema).type === 'optional';
}

/** Where a key can stand in some of the forms only, whoever does not write it writes what the others need. */
function whereLeftOut(schema: Schema, key: string, shapes: readonly Readonly<Record<string, Schema>>[]): string {
  const meta = metaOf(schema);
  if (meta.absent !== undefined) return meta.absent;
  if (meta.default !== undefined) return code(meta.default);
  if (isOptional(schema)) return '';
  const others = shapes.filter((shape) => !Object.hasOwn(shape, key));
  const instead = others.flatMap((shape) =>
    Object.entries(shape).flatMap(([name, value]) =>
      isOptional(value) || shapes.every((one) => name in one) ? [] : [name],
    ),
  );
  const names = [...new Set(instead)].map((name) => `\`${name}\``);
  return names.length === 0 ? '**required**' : `**required**, or ${alternatives(names)}`;
}

/** As YAML has it in one line. */
function code(value: unknown): string {
  return `\`${Array.isArray(value) ? `[${value.join(', ')}]` : String(value)}\``;
}

function alternatives(texts: readonly string[]): string {
  return [...new Set(texts)].join(', ');
}

function quoted(values: readonly unknown[]): string {
  return alternatives(values.map((value) => `\`${String(value)}\``));
}

const plurals: Readonly<Record<string, string>> = { text: 'texts', value: 'values', map: 'maps' };

function manyOf(values: string): string {
  return plurals[values] ?? values;
}

function wholeNumber(schema: Schema): string {
  const { minimum, maximum } = z.toJSONSchema(schema as z.ZodType, { io: 'input' });
  const least = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? minimum : undefined;
  const most = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? maximum : undefined;
  if (least === undefined) return 'whole number';
  return most === undefined ? `whole number from ${least}` : `whole number, ${least} to ${most}`;
}
