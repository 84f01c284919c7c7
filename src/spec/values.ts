/** The small values that documents are made of: lengths of time, amounts, references to secrets, label selectors. */
import { z } from 'zod';

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
    description: 'A length of time: 90s, 20m, 6h, 1h30m, 2d',
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
  .meta({ description: 'A number of servers, or a percentage of the targets', examples: [1, '10%'] });

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
export const SecretRef = z.union(
  [z.strictObject({ file: z.string().regex(/^\/./) }), z.strictObject({ env: z.string().regex(/^[A-Z_][A-Z0-9_]*$/) })],
  { error: 'a reference to a secret: { file: /path } or { env: NAME }' },
);
export type SecretRef = z.infer<typeof SecretRef>;

export const ParameterValue = z.union([z.string(), z.int(), z.boolean()], {
  error: 'text, a whole number, or true or false',
});

const Labels = z.record(z.string().min(1), z.string());

/**
 * A host name or an IP address without a port. It can never begin with "-": it becomes an argument of other programs.
 */
export const Address = z
  .string()
  .regex(/^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|(?=.*:.*:)[0-9a-fA-F:.]+(?:%[A-Za-z0-9]+)?)$/, {
    error: 'a host name or an IP address, without port',
  });

export const Selector = z.strictObject({
  matchLabels: Labels.optional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string().min(1),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});

/** Names of documents, servers, runs: as in DNS labels, with dots for servers. */
export const Name = z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/, {
  error: 'made of lower-case letters, digits, "-" and ".", at most 63 of them',
});

export const Metadata = z.strictObject({ name: Name, description: z.string().optional() });

export const ApiVersion = z.literal('pitcrew.dev/v1', { error: '"pitcrew.dev/v1"' });

/** Which ones there are is looked at later, where the place in the document is known. */
export const ZoneName = z
  .string()
  .min(1)
  .meta({
    description: 'An IANA time zone: Europe/Berlin, UTC',
    examples: ['Europe/Berlin', 'UTC'],
  });

export const LocalTime = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2})?$/, {
    error: 'a date like 2026-12-19, or a time like 2026-12-19T22:00',
  })
  .meta({ description: 'A date, or a date and a time of day' });

/** Beside the document that names it, so that no document can fetch the orchestrator's own secrets. */
export const BesidePath = z.string().regex(/^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))[^\\]+$/, {
  error: 'a path inside the folder of this document, without ".."',
});
