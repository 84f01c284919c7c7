/**
 * A watch on one kind: what it sends first, and how each later change looks through its selectors.
 *
 * It never holds a connection; whoever asked subscribes and carries the events on.
 */
import { apiVersionOf, type Kind } from './kinds.ts';
import type { ApiObject } from './objects.ts';
import { Refusal, tooLarge, tooOld, watchListRefused, type StatusBody } from './refusal.ts';
import type { Matcher } from './selectors.ts';
import type { Change, Store } from './store.ts';

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

export interface WatchScope {
  readonly kind: Kind;
  readonly namespace: string;
  readonly matches: Matcher;
}

export interface WatchAnswer {
  readonly kind: 'watch';
  readonly initial: readonly WatchEvent[];
  /** An ERROR was sent first, and nothing follows. */
  readonly isOver: boolean;
  readonly timeoutMs: number | undefined;
  readonly wantsBookmarks: boolean;
  subscribe(listener: (event: WatchEvent) => void): () => void;
  /** Everything up to the present revision has been sent. */
  bookmark(): WatchEvent;
}

const initialEventsEnd = { 'k8s.io/initial-events-end': 'true' };

export function startWatch(
  store: Store,
  scope: WatchScope,
  query: URLSearchParams,
  servesWatchList: boolean,
): WatchAnswer {
  const timeoutSeconds = Number(query.get('timeoutSeconds') ?? '');
  const common = {
    kind: 'watch',
    timeoutMs: timeoutSeconds > 0 ? timeoutSeconds * 1000 : undefined,
    wantsBookmarks: isTrue(query.get('allowWatchBookmarks')),
    bookmark: () => bookmark(store, scope.kind),
  } as const;
  try {
    const initial = firstEvents(store, scope, query, servesWatchList);
    return { ...common, initial, isOver: false, subscribe: (listener) => follow(store, scope, listener) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { ...common, initial: [errorEvent(error.body)], isOver: true, subscribe: () => () => undefined };
  }
}

function errorEvent(object: StatusBody): WatchEvent {
  return { type: 'ERROR', object };
}

export function isTrue(value: string | null): boolean {
  return value === '1' || value === 'true';
}

function firstEvents(store: Store, scope: WatchScope, query: URLSearchParams, servesWatchList: boolean): WatchEvent[] {
  const version = Number(query.get('resourceVersion') ?? '0');
  if (version > store.revision) throw tooLarge(version, store.revision);
  const present = (): WatchEvent[] =>
    store
      .list(scope.kind)
      .filter((object) => isSeen(scope, object))
      .map((object) => ({ type: 'ADDED', object }));
  if (isTrue(query.get('sendInitialEvents'))) {
    if (!servesWatchList) throw watchListRefused();
    return [...present(), bookmark(store, scope.kind, initialEventsEnd)];
  }
  // No version, and 0, mean: begin with what is there now.
  if (version === 0) return present();
  const missed = store.since(scope.kind, version);
  if ('oldest' in missed) throw tooOld(version, missed.oldest);
  return missed.flatMap((change) => seenThrough(scope, change) ?? []);
}

function bookmark(store: Store, kind: Kind, annotations?: Readonly<Record<string, string>>): WatchEvent {
  return {
    type: 'BOOKMARK',
    object: {
      kind: kind.kind,
      apiVersion: apiVersionOf(kind),
      metadata: {
        resourceVersion: String(store.revision),
        creationTimestamp: null,
        ...(annotations && { annotations }),
      },
    },
  };
}

function follow(store: Store, scope: WatchScope, listener: (event: WatchEvent) => void): () => void {
  return store.subscribe((change) => {
    if (change.kind !== scope.kind) return;
    const event = seenThrough(scope, change);
    if (event) listener(event);
  });
}

function isSeen(scope: WatchScope, object: ApiObject): boolean {
  return (scope.namespace === '' || object.metadata.namespace === scope.namespace) && scope.matches(object);
}

/** An object that comes to match is ADDED, one that no longer does is DELETED, whatever happened to it really. */
function seenThrough(scope: WatchScope, change: Change): WatchEvent | undefined {
  const { object, previous } = change;
  const isNow = change.type !== 'DELETED' && isSeen(scope, object);
  const wasBefore = previous !== undefined && isSeen(scope, previous);
  if (isNow) return { type: wasBefore ? 'MODIFIED' : 'ADDED', object };
  return wasBefore ? { type: 'DELETED', object } : undefined;
}
