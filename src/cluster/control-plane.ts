/**
 * The servers of the control plane: one at a time whatever the budget, and only while all others of it are well, so that
 * etcd keeps its majority. Pure.
 *
 * It looks at nodes and at the static pods of kube-system. Where those are not to be seen (an etcd outside of the cluster,
 * a distribution that runs everything in one process), the nodes alone are what it can judge by.
 */
import type { NodeView } from './node.ts';
import type { PodView } from './pod.ts';
import type { ClusterView } from './view.ts';

/** The first is the one of kubeadm; the second is what some distributions had before it, or have for etcd alone. */
const roleLabels = [
  'node-role.kubernetes.io/control-plane',
  'node-role.kubernetes.io/master',
  'node-role.kubernetes.io/etcd',
];
/** `component` labels that kubeadm and its followers write on their static pods. */
const components: ReadonlySet<string> = new Set(['etcd', 'kube-apiserver']);

interface Member {
  readonly name: string;
  readonly node: string;
  readonly component: string;
  readonly ready: boolean;
}

export class ControlPlane {
  readonly #nodes: readonly NodeView[];
  readonly #pods: readonly PodView[];
  #members: readonly Member[] | undefined;

  constructor({ nodes, pods }: Pick<ClusterView, 'nodes' | 'pods'>) {
    this.#nodes = nodes.filter(({ labels }) => roleLabels.some((label) => label in labels));
    this.#pods = pods;
  }

  /** Why this node may not go out of service beside those; `undefined` where it may, or is no part of it. */
  refusal(name: string, out: ReadonlySet<string>): string | undefined {
    if (!this.#has(name)) return undefined;
    const others = this.#nodes.filter((node) => node.name !== name);
    const away = others.filter((node) => out.has(node.name) || node.cordon.kind === 'ours').map((node) => node.name);
    if (away.length > 0) return `control plane: one server at a time, and ${away.sort().join(', ')} is out of service`;
    const etcd = this.#all().filter(({ component }) => component === 'etcd');
    // With one member there is no majority to keep; with two, both are needed.
    if (etcd.length === 2 && etcd.some(({ node }) => node === name)) {
      return 'control plane: etcd has 2 members and needs both, so neither may go out of service';
    }
    return this.#illness(others);
  }

  /** Why it is not well with this node in it, for the time after the node came back. */
  illness(name: string): string | undefined {
    return this.#has(name) ? this.#illness(this.#nodes) : undefined;
  }

  #has(name: string): boolean {
    return this.#nodes.some((node) => node.name === name);
  }

  #illness(nodes: readonly NodeView[]): string | undefined {
    const names = new Set(nodes.map((node) => node.name));
    const down = nodes.filter((node) => !node.ready).map((node) => node.name);
    const ill = this.#all().filter(({ node, ready }) => names.has(node) && !ready);
    const named = [...down, ...ill.map((member) => member.name)].sort();
    return named.length > 0 ? `control plane: not Ready: ${named.join(', ')}` : undefined;
  }

  #all(): readonly Member[] {
    this.#members ??= this.#pods.flatMap(({ namespace, name, node, labels, ready }) => {
      const component = namespace === 'kube-system' ? labels['component'] : undefined;
      return component !== undefined && components.has(component) ? [{ name, node, component, ready }] : [];
    });
    return this.#members;
  }
}
