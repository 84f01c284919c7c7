/** Kubernetes quantities (`100m`, `16Gi`, `1e3`, `0.5`) as numbers. Pure. */

const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

// `E` alone is exa, `E3` an exponent: the exponent needs its digits.
const shape = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/;

/** `undefined` for what is no quantity. */
export function parseQuantity(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string') return undefined;
  if (known.has(value)) return known.get(value);
  const quantity = read(value);
  if (known.size >= knownMax) known.clear();
  known.set(value, quantity);
  return quantity;
}

/** A whole cluster asks for some dozen quantities. Forgetting them costs time and nothing else. */
const known = new Map<string, number | undefined>();
const knownMax = 1_000;

function read(text: string): number | undefined {
  const match = shape.exec(text);
  if (!match) return undefined;
  const [, digits, exponent, suffix] = match;
  if (exponent !== undefined) return Number(`${digits}e${exponent}`);
  const factor = factors[suffix ?? ''];
  return factor === undefined ? undefined : Number(digits) * factor;
}

/** Rounded up, as the scheduler does; a missing or unreadable quantity asks for nothing. */
export function cpuMillisOf(value: unknown): number {
  return roundUp((parseQuantity(value) ?? 0) * 1000);
}

export function memoryBytesOf(value: unknown): number {
  return roundUp(parseQuantity(value) ?? 0);
}

/** Floating point makes 1.1 × 1000 a little more than 1100: that little is not worth another millicore. */
function roundUp(value: number): number {
  return Math.ceil(Number(value.toPrecision(15)));
}
