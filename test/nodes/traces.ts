/** What live moves leave on servers and in the cluster: nothing, that is the law. Here is looked everywhere they have been. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeLab } from '../../src/lab/nodes/node-lab.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';

/** A process that was told to end needs a moment for it. */
const tries = 20;
const betweenTriesMs = 250;

/** One line for everything that is there: files, mounts, keys, rules, queues, processes. */
const look = `
find /run/pitcrew -mindepth 1 2>/dev/null
sed -n 's/^pitcrew \\([^ ]*\\) .*/mount \\1/p' /proc/mounts
sed -n 's/.* \\(pitcrew-[^ ]*\\)$/key \\1/p' /root/.ssh/authorized_keys
nft list tables | grep pitcrew
for netns in /run/netns/*; do
  [ ! -e "$netns" ] || nsenter --net="$netns" nft list tables 2>/dev/null | sed -n "s|.*pitcrew.*|& in $netns|p"
done
tc qdisc show | grep ' tbf '
find /var/lib/pitcrew -mindepth 2 -name 'pitcrew-*' 2>/dev/null
for process in /proc/[0-9]*; do
  # This shell has the words that it looks for in its own command line.
  [ "$process" = "/proc/$$" ] || tr '\\0' ' ' <"$process/cmdline" 2>/dev/null | sed -n "s|.*/run/pitcrew/moves.*|process &|p"
done
pgrep -a -x criu
true`;

export async function leftoversOfMoves(lab: NodeLab): Promise<string[]> {
  let found: string[] = [];
  for (let count = 0; count < tries; count += 1) {
    found = [...(await tracesOnServers(lab)), ...inCluster(lab)];
    if (found.length === 0) return [];
    await sleep(betweenTriesMs);
  }
  return found;
}

/** As it is at this moment: also what a move has that is under way. */
export async function tracesOnServers(lab: NodeLab): Promise<string[]> {
  const found: string[] = [];
  for (const [name, server] of lab.servers) {
    const { stdout } = await server.run(['sh', '-c', look]);
    found.push(...stdout.split('\n').flatMap((line) => (line === '' ? [] : [`${name}: ${line}`])));
  }
  return found;
}

function inCluster({ world }: NodeLab): string[] {
  const policies = [kinds.mutatingAdmissionPolicies, kinds.mutatingAdmissionPolicyBindings];
  return policies.flatMap((kind) =>
    world.api.store.list(kind).map(({ metadata }) => `cluster: ${kind.kind} ${metadata.name}`),
  );
}
