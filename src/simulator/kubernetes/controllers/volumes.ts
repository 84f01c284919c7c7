/**
 * Persistent volumes: a claim gets a volume, a bound pod gets it attached to its node, and it is detached some time after
 * the last pod that used it there is gone. A volume hangs on one node at a time.
 */
import { kinds } from '../kinds.ts';
import type { ApiObject, PodObject } from '../objects.ts';
import type { Change } from '../store.ts';
import { DirtyKeys } from '../timers.ts';
import { keyOf, splitKey, type Context, type Controller } from './context.ts';

const driver = 'csi.lab.pitcrew.dev';

interface ClaimSpec {
  readonly volumeName?: string;
  readonly accessModes?: readonly string[];
  readonly resources?: unknown;
}

interface AttachmentSpec {
  readonly nodeName: string;
  readonly source: { readonly persistentVolumeName: string };
}

export class VolumeController implements Controller {
  readonly #context: Context;
  readonly #claims: DirtyKeys;
  readonly #nodes: DirtyKeys;
  /** Where each volume hangs: nodes by volume. */
  readonly #attachedTo = new Map<string, Set<string>>();
  /** Nodes that want a volume which hangs elsewhere, by volume. */
  readonly #awaitedOn = new Map<string, Set<string>>();

  constructor(context: Context) {
    this.#context = context;
    const { timers, times } = context;
    this.#claims = new DirtyKeys(timers, times.reactionMs, (key) => this.#bindClaim(key));
    this.#nodes = new DirtyKeys(timers, times.reactionMs, (node) => this.#attachTo(node));
  }

  onChange({ kind, type, object, previous }: Change): void {
    if (kind === kinds.volumeAttachments) this.#noteAttachment(object, type);
    if (kind === kinds.persistentVolumeClaims && type === 'ADDED') this.#claims.add(keyOf(object));
    if (kind === kinds.persistentVolumeClaims && type === 'MODIFIED') {
      for (const node of this.#context.store.list(kinds.nodes)) this.#nodes.add(node.metadata.name);
    }
    if (kind !== kinds.pods || claimsOf(object as PodObject).length === 0) return;
    const pod = object as PodObject;
    const node = pod.spec.nodeName;
    if (node === undefined) return;
    if (type === 'DELETED') {
      this.#nodes.add(node);
      this.#context.timers.after(this.#context.times.detachMs, () => this.#detachFrom(node));
    } else if ((previous as PodObject | undefined)?.spec.nodeName !== node) this.#nodes.add(node);
  }

  #noteAttachment({ spec }: ApiObject, type: Change['type']): void {
    const { nodeName, source } = spec as AttachmentSpec;
    const nodes = this.#attachedTo.get(source.persistentVolumeName) ?? new Set();
    this.#attachedTo.set(source.persistentVolumeName, nodes);
    if (type !== 'DELETED') {
      nodes.add(nodeName);
      return;
    }
    nodes.delete(nodeName);
    // Whoever waits for the volume elsewhere gets it now.
    for (const node of this.#awaitedOn.get(source.persistentVolumeName) ?? []) this.#nodes.add(node);
    this.#awaitedOn.delete(source.persistentVolumeName);
  }

  #bindClaim(key: string): void {
    const { store, registry } = this.#context;
    const [namespace, name] = splitKey(key);
    const claim = store.get(kinds.persistentVolumeClaims, namespace, name);
    const spec = (claim?.spec ?? {}) as ClaimSpec;
    if (!claim || spec.volumeName !== undefined) return;
    const volumeName = `pvc-${claim.metadata.uid}`;
    const { accessModes = ['ReadWriteOnce'], resources } = spec;
    const volume = registry.create(kinds.persistentVolumes, '', {
      metadata: { name: volumeName },
      spec: { accessModes, csi: { driver, volumeHandle: volumeName }, claimRef: { namespace, name } },
    });
    registry.setStatus(kinds.persistentVolumes, volume, { phase: 'Bound' });
    store.replace(kinds.persistentVolumeClaims, claim, {
      ...claim,
      spec: { ...spec, accessModes, ...(resources !== undefined && { resources }), volumeName },
      status: { phase: 'Bound', accessModes },
    });
  }

  #attachTo(node: string): void {
    const { registry, store, timers, times } = this.#context;
    for (const volume of this.#volumesOn(node)) {
      const nodes = this.#attachedTo.get(volume);
      if (nodes?.has(node)) continue;
      if (nodes && nodes.size > 0 && !this.#isShared(volume)) {
        this.#awaitedOn.set(volume, (this.#awaitedOn.get(volume) ?? new Set()).add(node));
        continue;
      }
      const attachment = registry.create(kinds.volumeAttachments, '', {
        metadata: { name: `csi-${node}-${volume}` },
        spec: { attacher: driver, nodeName: node, source: { persistentVolumeName: volume } },
      });
      timers.after(times.attachMs, () => {
        const current = store.get(kinds.volumeAttachments, undefined, attachment.metadata.name);
        if (current?.metadata.uid === attachment.metadata.uid) {
          registry.setStatus(kinds.volumeAttachments, current, { attached: true });
        }
      });
    }
    this.#setVolumesInUse(node);
  }

  #detachFrom(node: string): void {
    const { store, registry } = this.#context;
    const needed = this.#volumesOn(node);
    for (const attachment of store.list(kinds.volumeAttachments)) {
      const { nodeName, source } = attachment.spec as AttachmentSpec;
      const isUnused = nodeName === node && !needed.has(source.persistentVolumeName);
      if (isUnused) registry.delete(kinds.volumeAttachments, attachment);
    }
  }

  #setVolumesInUse(name: string): void {
    const { store, registry } = this.#context;
    const node = store.get(kinds.nodes, undefined, name);
    if (!node) return;
    const { volumesInUse: _before, ...status } = node.status;
    const volumesInUse = [...this.#volumesOn(name)].sort().map((volume) => `kubernetes.io/csi/${driver}^${volume}`);
    registry.setStatus(kinds.nodes, node, volumesInUse.length > 0 ? { ...status, volumesInUse } : status);
  }

  #volumesOn(node: string): Set<string> {
    const volumes = new Set<string>();
    for (const pod of this.#context.pods.onNode(node).values()) {
      for (const name of claimsOf(pod)) {
        const claim = this.#context.store.get(kinds.persistentVolumeClaims, pod.metadata.namespace, name);
        const volume = (claim?.spec as ClaimSpec | undefined)?.volumeName;
        if (volume !== undefined) volumes.add(volume);
      }
    }
    return volumes;
  }

  #isShared(volume: string): boolean {
    const found: ApiObject | undefined = this.#context.store.get(kinds.persistentVolumes, undefined, volume);
    return ((found?.spec as ClaimSpec | undefined)?.accessModes ?? []).includes('ReadWriteMany');
  }
}

function claimsOf(pod: PodObject): string[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => volume.persistentVolumeClaim?.claimName ?? []);
}
