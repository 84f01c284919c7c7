/**
 * How long servers take to go down and to boot, as far as nobody has measured it; and why a measured server boots as long
 * as it does. Both are kept within what the playbook allows for a reboot: who wrote that knows their servers.
 */
import type { RunDefinition } from '../workflow/definition.ts';

const usualBootMs = 120_000;
const usualShutdownMs = 20_000;
const leastBootMs = 30_000;
/** What a server takes besides booting, in the twin: to prepare, to be emptied, to be serviced, to go down. */
const besidesBootMs = 150_000;

/** The shortest limit of any reboot of the playbook. */
function limitMs({ program }: RunDefinition): number {
  return Math.min(20 * 60_000, ...program.flatMap((step) => (step.kind === 'reboot' ? step.timeoutMs : [])));
}

export function shutdownMsOf(definition: RunDefinition): number {
  return Math.min(usualShutdownMs, limitMs(definition) / 10);
}

function assumedBootMs(definition: RunDefinition): number {
  return Math.min(usualBootMs, limitMs(definition) * 0.3);
}

/** As long as its group was measured to take, as far as the reboot's limit lets it; else what is assumed. */
export function bootMsOf(definition: RunDefinition, server: string): number {
  const takes = definition.servers.find(({ name }) => name === server)?.takes;
  if (!takes || takes.measured === 0) return assumedBootMs(definition);
  return Math.min(limitMs(definition) * 0.8, Math.max(leastBootMs, takes.p50Ms - besidesBootMs));
}

/** For people: one sentence. */
export function sayTimes(definition: RunDefinition): string {
  const { servers } = definition;
  const measured = servers.filter(({ takes }) => takes !== undefined && takes.measured > 0).length;
  const down = seconds(shutdownMsOf(definition));
  const assumed = `a server takes ${down} to go down and ${seconds(assumedBootMs(definition))} to boot`;
  if (measured === 0) return assumed;
  const rest = servers.length - measured;
  return `servers boot as long as earlier runs were measured to take${rest > 0 ? `; ${rest} others: ${assumed}` : ''}`;
}

function seconds(lengthMs: number): string {
  return `${Math.round(lengthMs / 100) / 10} s`;
}
