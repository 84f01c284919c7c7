/**
 * The pods' network as the servers' CNI is told it, one flat network over all servers. Who gives out the addresses differs:
 *
 * - `lab-ipam`: one pool for all servers; a pod that asks for an address gets it, also while another has it.
 * - `host-local`: the plugin that most networks use: each server has addresses of its own and gives none out a second time.
 * - `host-local-dual`: the same with an IPv6 address for each pod, too.
 */
export type PodNetwork = 'lab-ipam' | 'host-local' | 'host-local-dual';

/** `number` is that of the server, from 1. */
export function podNetworkConfig(network: PodNetwork, number: number): unknown {
  const bridge = { type: 'bridge', bridge: 'cni0', ipam: ipamOf(network, number) };
  const capabilities = { 'io.kubernetes.cri.pod-annotations': true };
  return {
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [network === 'lab-ipam' ? { ...bridge, capabilities } : bridge],
  };
}

function ipamOf(network: PodNetwork, number: number): unknown {
  if (network === 'lab-ipam') return { type: 'lab-ipam' };
  const part = `10.88.${number}`;
  const ranges = [[{ subnet: '10.88.0.0/16', rangeStart: `${part}.1`, rangeEnd: `${part}.250` }]];
  const six = { subnet: 'fd88::/64', rangeStart: `fd88::${number}:1`, rangeEnd: `fd88::${number}:ffff` };
  return { type: 'host-local', ranges: network === 'host-local-dual' ? [...ranges, [six]] : ranges };
}
