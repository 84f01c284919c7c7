/**
 * Paguro as its own sources describe it: phases Pending, Preflight, PreCopy, Frozen, CuttingOver, Restoring, Succeeded;
 * Aborting and RolledBack on the way back; the eviction webhook; the agents' annotations on nodes.
 *
 * Sources: DPicillo/paguro internal/controller/reconciler.go (what a deletion does in which phase), preflight.go (refusals),
 * internal/webhook/eviction.go (answers), docs/OPERATIONS.md (limits). Simplified: a replica keeps its place in its
 * ReplicaSet until the commit, and every cut-over makes the new pod once the old one is gone.
 */
import { numberAt, textAt } from '../../cluster/json.ts';
import { defineKind, kinds } from '../kubernetes/kinds.ts';
import { isPodReady, type ApiObject, type PodObject } from '../kubernetes/objects.ts';
import { Refusal } from '../kubernetes/refusal.ts';
import { hasRoomOn, keepsItsName, Migrator, type MigratorOptions, type MigratorWorld } from './migrator.ts';

const migrations = defineKind({
  group: 'paguro.dev',
  version: 'v1alpha1',
  resource: 'migrations',
  kind: 'Migration',
  hasStatus: true,
  hasGeneration: true,
  isCustom: true,
  shortNames: ['pmig', 'mig'],
  categories: ['paguro'],
});
const finalizer = 'paguro.dev/thaw-guard';
const pageBytes = 4_096;

export class SimulatedPaguro extends Migrator {
  constructor(world: MigratorWorld, options: MigratorOptions & { readonly evictions?: boolean } = {}) {
    super(world, migrations, options);
    for (const node of world.api.store.list(kinds.nodes)) this.#addAgent(node.metadata.name);
    if (options.evictions !== false)
      world.api.evictions.webhooks.push((pod, isDryRun) => this.#onEviction(pod, isDryRun));
  }

  nodesPastCommit(): string[] {
    const committed = new Set(['Frozen', 'CuttingOver', 'Restoring']);
    return this.all()
      .filter(({ status }) => committed.has(textAt(status, 'phase')))
      .map(({ status }) => textAt(status, 'sourceNode'));
  }

  /** The source of each migration that copies, or has changed hands and is not over. */
  nodesUnderWay(): string[] {
    const still = new Set(['', 'Pending', 'Preflight', 'Succeeded', 'Failed', 'RolledBack']);
    return this.all()
      .filter(({ status }) => !still.has(textAt(status, 'phase')))
      .map(({ status }) => textAt(status, 'sourceNode'));
  }

  #addAgent(name: string): void {
    const { store } = this.api;
    const node = store.get(kinds.nodes, undefined, name);
    if (!node) return;
    const annotations = {
      ...node.metadata.annotations,
      'paguro.dev/agent-endpoint': `192.0.2.1:9555`,
      'paguro.dev/agent-version': 'v0.1.3',
      'paguro.dev/cni': 'calico;calico/calico-ipam',
      'paguro.dev/cpu-flags': 'avx,avx2,sse4_2',
      'paguro.dev/phantom': 'available',
    };
    store.replace(kinds.nodes, node, { ...node, metadata: { ...node.metadata, annotations } });
  }

  protected step(migration: ApiObject): void {
    const phase = textAt(migration.status, 'phase');
    if (migration.metadata.deletionTimestamp !== undefined && this.#onDeletion(migration, phase)) return;
    switch (phase) {
      case '':
        this.setFinalizers(migration, [finalizer]);
        return this.#enter(migration, 'Pending', {});
      case 'Pending':
        if (this.#fault(migration) === 'staysPending') {
          this.setStatus(migration, { message: 'waiting: 3 migrations move pods off this node already' });
          return undefined;
        }
        return this.#enter(migration, 'Preflight', { message: 'checking pod and selecting target node' });
      case 'Preflight':
        return this.#preflight(migration);
      case 'PreCopy':
        return this.#endPreCopy(migration);
      case 'Frozen':
        return this.#cutOver(migration);
      case 'CuttingOver':
        return this.#awaitReplacement(migration);
      case 'Restoring':
        return this.#endRestore(migration);
      case 'Aborting':
        return this.#endAbort(migration);
      default:
        // Over. The finalizer goes when the source pod is no longer touched.
        this.setStatus(migration, { releasedAt: this.api.registry.now() });
        this.setFinalizers(migration, []);
        return undefined;
    }
  }

  /** Before the freeze a deletion takes the migration back; after it the cut-over is finished first. */
  #onDeletion(migration: ApiObject, phase: string): boolean {
    if (phase === '' || phase === 'Pending' || phase === 'Preflight') {
      this.setFinalizers(migration, []);
      return true;
    }
    if (phase !== 'PreCopy') return false;
    this.#abort(migration, 'migration was deleted');
    return true;
  }

  #preflight(migration: ApiObject): void {
    const pod = this.#source(migration);
    const target = textAt(migration.spec, 'targetNode');
    const fault = this.#fault(migration);
    if (!pod) return this.#end(migration, 'Failed', 'preflight: pod not found');
    if (fault === 'refuses')
      return this.#end(migration, 'Failed', 'preflight: container "main" has tty/stdin attached');
    if (fault === 'targetUnschedulable' || !hasRoomOn(this.api, target)) {
      return this.#end(migration, 'Failed', `preflight: target node ${target} cannot take the pod`);
    }
    this.setStatus(migration, { containers: [{ name: 'main', rssBytes: 64 * 1_048_576, rounds: [] }] });
    return this.#enter(
      migration,
      'PreCopy',
      {
        message: `pre-copy to ${target} (network calico, ip preserved: true)`,
        sourceNode: pod.spec.nodeName ?? '',
        targetNode: target,
        sourcePodUID: pod.metadata.uid,
        networkAdapter: 'calico',
        ipPreserved: true,
        startedAt: this.api.registry.now(),
      },
      fault === 'copyStalls' ? numberAt(migration.spec, 'timeoutSeconds', 600) * 1_000 : this.copyMs,
    );
  }

  #endPreCopy(migration: ApiObject): void {
    const pod = this.#source(migration);
    if (!pod) return this.#end(migration, 'Failed', 'source pod disappeared before freeze (deleted by someone else?)');
    const fault = this.#fault(migration);
    const { timeoutSeconds = 600 } = migration.spec as { timeoutSeconds?: number };
    if (fault === 'copyStalls') return this.#abort(migration, `timeout: source not frozen within ${timeoutSeconds}s`);
    if (fault === 'copyFails') return this.#abort(migration, 'source agent reported: dump failed: socket is MPTCP');
    const round = { round: 1, pages: 16_384, wireBytes: 16_384 * pageBytes, dumpMs: 200, sendMs: 600 };
    this.memories.freeze(pod.metadata.uid);
    this.committed += 1;
    return this.#enter(migration, 'Frozen', {
      message: 'frozen; final dump sent',
      wireBytes: round.wireBytes,
      containers: [{ name: 'main', rssBytes: 64 * 1_048_576, rounds: [round] }],
    });
  }

  #cutOver(migration: ApiObject): void {
    const pod = this.#source(migration);
    const target = textAt(migration.status, 'targetNode');
    if (!pod) return this.#end(migration, 'Failed', 'source pod disappeared after the freeze');
    const name = keepsItsName(pod)
      ? pod.metadata.name
      : `${pod.metadata.generateName ?? pod.metadata.name}p${migration.metadata.uid.slice(0, 5)}`;
    this.removePod(pod);
    const replacement = this.clonePod(pod, target, name);
    if (!replacement) return this.#end(migration, 'Failed', 'no replacement pod within 60s');
    const isCold = this.#fault(migration) === 'coldStart' || this.#fault(migration) === 'failsAfterCommit';
    if (!isCold) this.memories.handOver(pod.metadata.uid, replacement.metadata.uid);
    return this.#enter(migration, 'CuttingOver', {
      targetPodName: replacement.metadata.name,
      targetPodUID: replacement.metadata.uid,
    });
  }

  #awaitReplacement(migration: ApiObject): void {
    const replacement = this.pod(migration.metadata.namespace, textAt(migration.status, 'targetPodName'));
    if (!replacement || !isPodReady(replacement)) return this.soon(migration);
    return this.#enter(migration, 'Restoring', {});
  }

  #endRestore(migration: ApiObject): void {
    if (this.#fault(migration) === 'failsAfterCommit') {
      return this.#end(migration, 'Failed', 'restore failed; the replacement was cold-started');
    }
    const isCold = this.#fault(migration) === 'coldStart';
    const container = isCold
      ? { name: 'main', restored: false, coldStartReason: 'no data for 100 s' }
      : { name: 'main', restored: true, restoreMs: 210 };
    this.setStatus(migration, {
      target: { containers: [container] },
      timings: { freezeMs: 640, totalMs: this.copyMs },
    });
    return this.#end(migration, 'Succeeded', '');
  }

  #endAbort(migration: ApiObject): void {
    const pod = this.#source(migration);
    if (pod) this.memories.thaw(pod.metadata.uid);
    return this.#end(migration, 'RolledBack', `abort reason: ${textAt(migration.status, 'message')}`);
  }

  #abort(migration: ApiObject, message: string): void {
    this.#enter(migration, 'Aborting', { message });
  }

  #end(migration: ApiObject, phase: string, message: string): void {
    this.#enter(migration, phase, { message, completedAt: this.api.registry.now() });
  }

  #enter(migration: ApiObject, phase: string, change: Record<string, unknown>, nextMs?: number): void {
    this.soon(this.setStatus(migration, { ...change, phase }), nextMs);
  }

  #fault(migration: ApiObject): ReturnType<Migrator['faultOf']> {
    return this.faultOf(textAt(migration.spec, 'podName'));
  }

  #source(migration: ApiObject): PodObject | undefined {
    const pod = this.pod(migration.metadata.namespace, textAt(migration.spec, 'podName'));
    const uid = textAt(migration.status, 'sourcePodUID');
    return uid === '' || pod?.metadata.uid === uid ? pod : undefined;
  }

  #onEviction(pod: PodObject, isDryRun: boolean): Refusal | undefined {
    if (isDryRun || pod.metadata.labels?.['paguro.dev/migratable'] !== 'true') return undefined;
    if (pod.metadata.deletionTimestamp !== undefined || pod.status.phase !== 'Running') return undefined;
    const name = `${pod.metadata.name}-evict-${pod.metadata.uid.replaceAll('-', '').slice(0, 8)}`;
    const own = this.all().filter(
      (migration) =>
        migration.metadata.namespace === pod.metadata.namespace &&
        textAt(migration.spec, 'podName') === pod.metadata.name,
    );
    const active = own.find((migration) => !isOver(textAt(migration.status, 'phase')));
    if (active) {
      const phase = textAt(active.status, 'phase') || 'new';
      return denied(`migration ${active.metadata.name} of the pod is in progress (${phase})`);
    }
    // After a migration that an eviction began, and that did not work out, the next one is let through.
    if (own.some((migration) => migration.metadata.name === name)) return undefined;
    const target = this.api.store
      .list(kinds.nodes)
      .find(({ metadata }) => metadata.name !== pod.spec.nodeName && hasRoomOn(this.api, metadata.name));
    if (!target) return undefined;
    this.api.registry.create(migrations, pod.metadata.namespace ?? '', {
      metadata: { name, labels: { 'paguro.dev/trigger': 'eviction' } },
      spec: { podName: pod.metadata.name, targetNode: target.metadata.name, timeoutSeconds: 600 },
    });
    return denied(`migrating the pod to another node instead of evicting it (migration ${name})`);
  }
}

function isOver(phase: string): boolean {
  return phase === 'Succeeded' || phase === 'Failed' || phase === 'RolledBack';
}

function denied(message: string): Refusal {
  const said = `admission webhook "eviction.paguro.dev" denied the request: paguro: ${message}`;
  return new Refusal(429, 'TooManyRequests', said);
}
