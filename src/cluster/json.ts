/**
 * Careful access to JSON of unknown shape. It never throws: what is missing or of another type reads as empty, because
 * an API server leaves out whatever is empty.
 */

export type JsonRecord = Readonly<Record<string, unknown>>;

const emptyRecord: JsonRecord = {};
const emptyList: readonly unknown[] = [];

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function recordAt(value: unknown, key: string): JsonRecord {
  const found = isRecord(value) ? value[key] : undefined;
  return isRecord(found) ? found : emptyRecord;
}

export function listAt(value: unknown, key: string): readonly unknown[] {
  const found = isRecord(value) ? value[key] : undefined;
  return Array.isArray(found) ? (found as unknown[]) : emptyList;
}

export function textAt(value: unknown, key: string): string {
  const found = isRecord(value) ? value[key] : undefined;
  return typeof found === 'string' ? found : '';
}

export function optionalTextAt(value: unknown, key: string): string | undefined {
  const found = isRecord(value) ? value[key] : undefined;
  return typeof found === 'string' ? found : undefined;
}

export function numberAt(value: unknown, key: string, otherwise = 0): number {
  const found = isRecord(value) ? value[key] : undefined;
  return typeof found === 'number' ? found : otherwise;
}

/** A point in time as the Kubernetes API writes it (`2026-11-22T13:00:00Z`), in milliseconds; 0 for what is none. */
export function timeAt(value: unknown, key: string): number {
  const text = textAt(value, key);
  try {
    return text === '' ? 0 : Temporal.Instant.from(text).epochMilliseconds;
  } catch {
    return 0;
  }
}

export function flagAt(value: unknown, key: string): boolean {
  return isRecord(value) && value[key] === true;
}

/** Only the entries that are texts: labels, annotations, selectors. */
export function textsAt(value: unknown, key: string): Readonly<Record<string, string>> {
  const found = recordAt(value, key);
  for (const entry of Object.values(found)) {
    if (typeof entry !== 'string') return onlyTexts(found);
  }
  return found as Readonly<Record<string, string>>;
}

function onlyTexts(found: JsonRecord): Record<string, string> {
  return Object.fromEntries(
    Object.entries(found).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
