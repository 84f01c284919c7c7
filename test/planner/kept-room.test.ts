import { describe, expect, it } from 'vitest';
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import { withKeptRoom } from '../../src/planner/kept-room.ts';
import { runServer } from '../workflow/fixtures.ts';
import { fleetNode, fleetPod } from './fleet.ts';

function keepers(nodes: NodeView[], pods: PodView[]): string[] {
  const servers = nodes.map(({ name }) => runServer(name));
  return withKeptRoom(servers, { nodes, pods }).flatMap(({ name, keepsRoom }) => (keepsRoom ? [name] : []));
}

describe('room is kept for large pods', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e'].map((name) => fleetNode(name));

  it('by the emptier half of the servers', () => {
    const pods = [
      fleetPod('1', 'a', { memoryGib: 9 }),
      fleetPod('2', 'b', { memoryGib: 2 }),
      fleetPod('3', 'c', { memoryGib: 8 }),
      fleetPod('4', 'd', { memoryGib: 3 }),
      fleetPod('5', 'e', { memoryGib: 7 }),
    ];
    expect(keepers(nodes, pods)).toEqual(['b', 'd']);
  });

  it('and by those that go first, where all have the same', () => {
    expect(keepers(nodes, [])).toEqual(['a', 'b']);
    expect(keepers(nodes.slice(0, 1), [])).toEqual([]);
  });

  it('where CPU is scarcer than memory, by what is left of CPU', () => {
    const busy = (name: string, node: string, cpu: string): PodView =>
      fleetPod(name, node, { spec: { containers: [{ resources: { requests: { cpu, memory: '1Gi' } } }] } });
    const pods = [busy('1', 'a', '15'), busy('2', 'b', '14'), fleetPod('3', 'c', { memoryGib: 4 })];
    expect(keepers(nodes.slice(0, 4), pods)).toEqual(['c', 'd']);
  });
});
