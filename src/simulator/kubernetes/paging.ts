/** `limit` and `continue` of a list. The token is the server's own and opaque to clients; ours has a real one's form. */
import { Buffer } from 'node:buffer';
import { isRecord } from '../../cluster/json.ts';
import type { ApiObject } from './objects.ts';
import { badRequest, type Refusal } from './refusal.ts';

export interface Page {
  readonly items: readonly ApiObject[];
  readonly continueToken: string | undefined;
  readonly remaining: number;
}

export function pageOf(all: readonly ApiObject[], query: URLSearchParams, revision: number): Page {
  const token = query.get('continue') ?? '';
  const start = token === '' ? undefined : readToken(token);
  const rest = start === undefined ? all : all.filter((object) => keyOf(object) >= start);
  const limit = Number(query.get('limit') ?? '0');
  if (!(limit > 0) || rest.length <= limit) return { items: rest, continueToken: undefined, remaining: 0 };
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  const next = { v: 'meta.k8s.io/v1', rv: revision, start: `${last ? keyOf(last) : ''}\u0000` };
  return {
    items,
    continueToken: Buffer.from(JSON.stringify(next)).toString('base64url'),
    remaining: rest.length - items.length,
  };
}

function keyOf({ metadata: { namespace, name } }: ApiObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function badToken(because: string): Refusal {
  return badRequest(`invalid continue token: continue key is not valid: ${because}`);
}

function readToken(token: string): string {
  const wrong = token.search(/[^\w-]/);
  // Base64 without padding never leaves one letter over.
  const illegal = wrong >= 0 ? wrong : token.length % 4 === 1 ? token.length - 1 : undefined;
  if (illegal !== undefined) throw badToken(`illegal base64 data at input byte ${illegal}`);
  let decoded: unknown;
  try {
    decoded = JSON.parse(Buffer.from(token, 'base64url').toString());
  } catch {
    throw badToken('it is no JSON');
  }
  const start = isRecord(decoded) ? decoded['start'] : undefined;
  if (typeof start !== 'string') throw badToken('it names no start');
  return start;
}
