/** Whether live moves can be made at all, and which servers take no part in them and why, in words for people. Pure. */
import type { Detection } from '../../ports/movers.ts';
import { serverBlockers } from './readiness.ts';
import type { Look } from './server-looks.ts';
import { keepsAddress } from './steering.ts';

/** More of them say nothing that these do not: mostly it is the same everywhere. */
const namedMax = 3;

export function detectionOf(looks: ReadonlyMap<string, Look>): Detection {
  const judged = [...looks]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([node, look]) =>
      look.kind === 'seen'
        ? { reasons: serverBlockers(node, look.facts), network: look.facts.network }
        : { reasons: [`${node}: ${look.because}`], network: '' },
    );
  const ready = judged.filter(({ reasons }) => reasons.length === 0);
  const unready = unreadyText(judged.flatMap(({ reasons }) => (reasons.length > 0 ? [reasons] : [])));
  if (ready.length < 2) {
    const because = `${ready.length} servers are ready for it, two are needed: ${unready || 'none is known'}`;
    return { kind: 'missing', because };
  }
  const kept = keptText(ready.map(({ network }) => network));
  const text = [`${ready.length} of ${looks.size} servers ready`, unready, kept].filter((part) => part !== '');
  return { kind: 'ready', text: text.join('; '), atOnce: { perServer: 1 } };
}

function unreadyText(unready: readonly (readonly string[])[]): string {
  const named = unready.slice(0, namedMax).map((reasons) => reasons.join(', '));
  const more = unready.length - named.length;
  if (more > 0) named.push(`${more} more are not ready`);
  return named.join('; ');
}

/** What a pod on these networks keeps, where that is less than everything. */
function keptText(networks: readonly string[]): string {
  const others = [...new Set(networks)].filter((network) => !keepsAddress(network)).sort();
  if (others.length === 0) return '';
  const names = others.map((name) => name || 'unknown').join(', ');
  return `a pod keeps its memory, gets another address, and connections are closed (network ${names})`;
}
