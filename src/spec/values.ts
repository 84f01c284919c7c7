/** The small values that documents are made of: lengths of time, amounts, references to secrets, label selectors. */
import { z } from 'zod';

/** For schemas of values that have a name of their own where the documents are explained (fields.ts). */
export function valueKind(name: string, meaning: string): { description: string; valueKind: ValueKind } {
  return { description: meaning, valueKind: { name, meaning } };
}

export interface ValueKind {
  readonly name: string;
  readonly meaning: string;
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90m`, `6h`, `1h30m`, `2d`; units from large to small. `undefined` where the text is no length. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  if (!match || text === '') return undefined;
  const [, d = '0', h = '0', m = '0', s = '0'] = match;
  return Number(d) * unitMs.d + Number(h) * unitMs.h + Number(m) * unitMs.m + Number(s) * unitMs.s;
}

/** A length of time; the parsed value is in milliseconds. */
const lengthWords = 'a length like "90m", "6h", "1h30m" or "2d", greater than zero';
export const Duration = z
  .string({ error: lengthWords })
  .refine((text) => (parseDurationMs(text) ?? 0) > 0, { error: lengthWords })
  .transform((text) => parseDurationMs(text) ?? 0)
  .meta({
    ...valueKind('length', 'A length of time: 90s, 20m, 6h, 1h30m, 2d'),
    examples: ['20m', '1h30m'],
    pattern: '^(?=.)(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?$',
  });

/** A number of servers: a whole number, or a percentage (rounded down, but at least 1; a literal 0 stops). */
export type Amount =
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'percent'; readonly percent: number };

export const Amount = z
  .union([z.int().min(0), z.string().regex(/^(?:\d{1,2}|100)%$/)], {
    error: 'a whole number of servers, or a percentage between "0%" and "100%"',
  })
  .transform((value): Amount =>
    typeof value === 'number'
      ? { kind: 'count', count: value }
      : { kind: 'percent', percent: Number(value.slice(0, -1)) },
  )
  .meta({
    ...valueKind(
      'amount',
      'A number of servers, or a percentage of the targets: rounded down, but at least 1; 0 is none',
    ),
    examples: [1, '10%'],
  });

/** How many of `total` servers an amount stands for. Percentages are rounded down, but at least 1; a literal 0 stays 0. */
export function countOf(amount: Amount, total: number): number {
  if (amount.kind === 'count') return amount.count;
  if (amount.percent === 0) return 0;
  return Math.max(1, Math.floor((amount.percent * total) / 100));
}

/**
 * Where a secret is to be found. The value itself never stands in a document: the forms are so narrow that a password
 * written by mistake behind `file` or `env` does not pass for one either.
 */
export const SecretRef = z
  .union(
    [
      z.strictObject({ file: z.string().regex(/^\/./) }),
      z.strictObject({ env: z.string().regex(/^[A-Z_][A-Z0-9_]*$/) }),
    ],
    { error: 'a reference to a secret: { file: /path } or { env: NAME }' },
  )
  .meta({
    ...valueKind(
      'secret',
      'Where a secret is to be found on the machine of the daemon: { file: /path } or { env: NAME }; never the secret itself',
    ),
  });
export type SecretRef = z.infer<typeof SecretRef>;

export const ParameterValue = z
  .union([z.string(), z.int(), z.boolean()], { error: 'text, a whole number, or true or false' })
  .meta(valueKind('value', 'Text, a whole number, or true or false'));

const Labels = z.record(z.string().min(1), z.string());

/**
 * A host name or an IP address without a port. It can never begin with "-": it becomes an argument of other programs.
 */
export const Address = z
  .string()
  .regex(/^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|(?=.*:.*:)[0-9a-fA-F:.]+(?:%[A-Za-z0-9]+)?)$/, {
    error: 'a host name or an IP address, without port',
  })
  .meta(valueKind('address', 'A host name or an IP address, without a port'));

export const Selector = z.strictObject({
  matchLabels: Labels.optional().meta({ description: 'Labels that a server must have' }),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string().min(1).meta({ description: 'The label in question' }),
        operator: z
          .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
          .meta({ description: 'What must hold of it; a server without the label passes `NotIn`' }),
        values: z.array(z.string()).optional().meta({ description: 'For `In` and `NotIn`, and only there' }),
      }),
    )
    .optional()
    .meta({ description: 'Further conditions; all of them must hold' }),
});

/** Names of documents, servers, runs: as in DNS labels, with dots for servers. */
export const Name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/, {
    error: 'made of lower-case letters, digits, "-" and ".", at most 63 of them',
  })
  .meta(valueKind('name', 'Lower-case letters, digits, "-" and ".", at most 63 of them'));

export const Metadata = z.strictObject({
  name: Name.meta({ description: 'How the document is called elsewhere; once per kind' }),
  description: z.string().optional().meta({ description: 'For people' }),
});

export const metadataMeta = { description: 'What it is called' };
export const kindMeta = { description: 'Which of the three documents it is' };

export const ApiVersion = z
  .literal('pitcrew.dev/v1', { error: '"pitcrew.dev/v1"' })
  .meta({ description: 'The form of these documents' });

/** Which ones there are is looked at later, where the place in the document is known. */
export const ZoneName = z
  .string()
  .min(1)
  .meta({
    ...valueKind('time zone', 'An IANA time zone: Europe/Berlin, UTC'),
    examples: ['Europe/Berlin', 'UTC'],
  });

export const LocalTime = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2})?$/, {
    error: 'a date like 2026-12-19, or a time like 2026-12-19T22:00',
  })
  .meta(valueKind('time', 'A date, or a date and a time of day: 2026-12-19, 2026-12-19T22:00'));

/** Beside the document that names it, so that no document can fetch the orchestrator's own secrets. */
export const BesidePath = z
  .string()
  .regex(/^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))[^\\]+$/, {
    error: 'a path inside the folder of this document, without ".."',
  })
  .meta(valueKind('file beside', 'A path inside the folder of this document, without ".."'));
