import { describe, expect, it } from 'vitest';
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import { Capacity } from '../../src/planner/capacity.ts';
import { ControlPlane } from '../../src/cluster/control-plane.ts';
import { defaultEvacuation } from '../../src/spec/plan.ts';
import { fleetNode, fleetPod, fleetView } from './fleet.ts';

function capacityOf(nodes: NodeView[], pods: PodView[], servers = nodes.map(({ name }) => name)): Capacity {
  return new Capacity({
    view: fleetView(nodes, pods),
    servers: servers.map((name) => ({ name: `server-${name}`, node: name })),
    ended: new Set(),
    evacuation: defaultEvacuation,
  });
}

const out = (...names: string[]): Set<string> => new Set(names.map((name) => `server-${name}`));
const nodes = ['a', 'b', 'c'].map((name) => fleetNode(name));
/** 10 of 16 GiB on each of a and b, c is empty: one of them may go out, not both. */
const pods = [fleetPod('on-a', 'a', { memoryGib: 10 }), fleetPod('on-b', 'b', { memoryGib: 10 })];

describe('servers that may be out together', () => {
  it('are those whose pods fit on the others', () => {
    const capacity = capacityOf(nodes, pods);
    expect(capacity.refuses('server-a', out())).toBeUndefined();
    expect(capacity.refuses('server-b', out('a'))).toBe(
      'shop/on-b (100m CPU, 10 GiB memory) fits nowhere: of 1 open servers 1 lack memory',
    );
    expect(capacity.moves.get('server-a')?.map(({ to }) => to)).toEqual(['c']);
  });

  it('are reckoned with, although nobody has asked about them before', () => {
    expect(capacityOf(nodes, pods).refuses('server-b', out('a'))).toContain('1 lack memory');
  });

  it('are empty and welcome when they have come back', () => {
    const capacity = capacityOf(nodes, pods);
    capacity.refuses('server-a', out());
    expect(capacity.refuses('server-b', out())).toBeUndefined();
    expect(capacity.moves.get('server-b')?.map(({ to }) => to)).toEqual(['a']);
  });

  it('have their room kept while they are being emptied, by whichever run', () => {
    const begun = [fleetNode('a', { cordonedBy: 'other-run' }), ...nodes.slice(1)];
    expect(capacityOf(begun, pods, ['b']).refuses('server-b', out())).toContain('1 lack memory');
    // A cordon of somebody who empties nothing keeps pods off, and needs no room.
    const foreign = [fleetNode('a', { cordonedBy: '' }), ...nodes.slice(1)];
    expect(capacityOf(foreign, pods, ['b']).refuses('server-b', out())).toBeUndefined();
  });

  it('wait while one of them has pods that fit nowhere', () => {
    const begun = [fleetNode('a', { cordonedBy: 'run' }), ...nodes.slice(1)];
    const huge = [fleetPod('huge', 'a', { memoryGib: 17 }), fleetPod('small', 'b')];
    expect(capacityOf(begun, huge).refuses('server-b', out('a'))).toMatch(/^a is still being emptied, and shop\/huge/);
  });

  it('leave room where nobody is a target, and where nobody may move nobody needs any', () => {
    const bare = [
      fleetPod('bare', 'a', { memoryGib: 16, owner: 'DaemonSet' }),
      fleetPod('on-b', 'b', { memoryGib: 10 }),
    ];
    expect(capacityOf(nodes, bare, ['a', 'b']).refuses('server-a', out('b'))).toBeUndefined();
  });

  it('cannot be all of them', () => {
    const capacity = capacityOf(nodes, [fleetPod('web', 'a')]);
    expect(capacity.refuses('server-b', out())).toBeUndefined();
    expect(capacity.refuses('server-c', out('b'))).toBeUndefined();
    expect(capacity.refuses('server-a', out('b', 'c'))).toContain('no other server is open');
  });
});

describe('the control plane', () => {
  const labels = { 'node-role.kubernetes.io/control-plane': '' };
  const cp = (name: string, more = {}): NodeView => fleetNode(name, { labels, ...more });
  const etcd = (node: string, ready = true, component = 'etcd'): PodView =>
    fleetPod(`${component}-${node}`, node, { namespace: 'kube-system', owner: 'Node', ready, labels: { component } });
  const three = [cp('a'), cp('b'), cp('c'), fleetNode('d')];
  const members = [etcd('a'), etcd('b'), etcd('c')];
  const refusal = (all: NodeView[], seen: PodView[], name: string, away: string[] = []): string | undefined =>
    new ControlPlane(fleetView(all, seen)).refusal(name, new Set(away));

  it('goes one server at a time, whatever the budget', () => {
    expect(refusal(three, members, 'a')).toBeUndefined();
    expect(refusal(three, members, 'a', ['d'])).toBeUndefined();
    expect(refusal(three, members, 'a', ['b'])).toBe('control plane: one server at a time, and b is out of service');
    expect(refusal([...three.slice(1), cp('a'), cp('e', { cordonedBy: 'other' })], members, 'a')).toContain('e is out');
    expect(refusal(three, members, 'd', ['a', 'b'])).toBeUndefined();
  });

  it('waits until etcd and the API servers of the others are Ready', () => {
    expect(refusal(three, [etcd('a'), etcd('b', false), etcd('c')], 'a')).toBe('control plane: not Ready: etcd-b');
    const api = [...members, etcd('c', false, 'kube-apiserver')];
    expect(refusal(three, api, 'a')).toBe('control plane: not Ready: kube-apiserver-c');
    expect(refusal([cp('a'), cp('b', { ready: false }), cp('c')], members, 'a')).toBe('control plane: not Ready: b');
    // The one that is to go may be ill: that may be the reason.
    expect(refusal(three, [etcd('a', false), etcd('b'), etcd('c')], 'a')).toBeUndefined();
  });

  it('keeps its majority: of two members neither may go, a single one has none to keep', () => {
    expect(refusal([cp('a'), cp('b')], [etcd('a'), etcd('b')], 'a')).toContain('2 members and needs both');
    expect(refusal([cp('a')], [etcd('a')], 'a')).toBeUndefined();
    // An etcd that is not to be seen is somebody else's.
    expect(refusal([cp('a'), cp('b')], [], 'a')).toBeUndefined();
  });

  it('is well again only with the server that came back', () => {
    const illness = (seen: PodView[], name = 'a') => new ControlPlane(fleetView(three, seen)).illness(name);
    expect(illness(members)).toBeUndefined();
    expect(illness([etcd('a', false), etcd('b'), etcd('c')])).toBe('control plane: not Ready: etcd-a');
    expect(illness([etcd('a', false)], 'd')).toBeUndefined();
  });

  it('is asked before any room is looked for', () => {
    expect(capacityOf(three, members).refuses('server-a', out('b'))).toContain('one server at a time');
  });
});
