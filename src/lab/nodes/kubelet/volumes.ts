/**
 * The folders and files that a kubelet lays out on its server for one pod: volumes, hosts file, termination logs. It takes them
 * all away again.
 *
 * It knows emptyDir, configMap, secret, downwardAPI-free projections of both, hostPath, and claims of local volumes; any other kind of volume keeps the pod waiting.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { flagAt, isRecord, listAt, recordAt, textAt } from '../../../cluster/json.ts';
import type { PodObject } from '../../../simulator/kubernetes/objects.ts';
import type { LabServer } from '../server.ts';
import { logFolder, podFolder, type Mount, type References } from './pod-config.ts';

export class PodVolumes {
  readonly #server: LabServer;
  readonly #pod: PodObject;
  readonly #references: References;
  /** Name of the volume → path on the server. */
  readonly #paths = new Map<string, string>();

  constructor(server: LabServer, pod: PodObject, references: References) {
    this.#server = server;
    this.#pod = pod;
    this.#references = references;
  }

  /** Throws where a volume cannot be had; asking again is right. */
  async layOut(): Promise<void> {
    const folder = podFolder(this.#pod);
    await mkdir(this.#server.inServer(folder), { recursive: true, mode: 0o750 });
    await mkdir(this.#server.inServer(logFolder(this.#pod)), { recursive: true });
    for (const volume of listAt(this.#pod.spec, 'volumes')) {
      const name = textAt(volume, 'name');
      if (!this.#paths.has(name)) this.#paths.set(name, await this.#layOutOne(name, volume));
    }
  }

  async #layOutOne(name: string, volume: unknown): Promise<string> {
    if (!isRecord(volume)) throw new Error('a volume is no object');
    const at = (kind: string): string => `${podFolder(this.#pod)}/volumes/kubernetes.io~${kind}/${name}`;
    if (isRecord(volume['hostPath'])) return textAt(volume['hostPath'], 'path');
    if (isRecord(volume['emptyDir'])) {
      const isMemory = textAt(volume['emptyDir'], 'medium') === 'Memory';
      await this.#makeFolder(at('empty-dir'), isMemory);
      await chmod(this.#server.inServer(at('empty-dir')), 0o777);
      return at('empty-dir');
    }
    const map = textAt(recordAt(volume, 'configMap'), 'name');
    if (map !== '') {
      await this.#makeFolder(at('configmap'), false);
      await this.#writeContent(at('configmap'), this.#references.configMap(map));
      return at('configmap');
    }
    const secret = textAt(recordAt(volume, 'secret'), 'secretName');
    if (secret !== '') {
      await this.#makeFolder(at('secret'), true);
      await this.#writeContent(at('secret'), this.#references.secret(secret));
      return at('secret');
    }
    const claim = textAt(recordAt(volume, 'persistentVolumeClaim'), 'claimName');
    if (claim !== '') return this.#references.claimedPath(claim);
    throw new Error(`volume ${name} is of a kind that the lab's kubelet does not know`);
  }

  async #makeFolder(folder: string, isMemory: boolean): Promise<void> {
    await mkdir(this.#server.inServer(folder), { recursive: true });
    if (!isMemory) return;
    // A kubelet that starts again finds it mounted.
    const mounted = await this.#server.run(['mountpoint', '--quiet', folder], { mayFail: true });
    if (mounted.exitCode !== 0) await this.#server.run(['mount', '-t', 'tmpfs', 'tmpfs', folder]);
  }

  /** Through `..data`, as a kubelet does so that all files change at once. */
  async #writeContent(folder: string, content: Readonly<Record<string, string>>): Promise<void> {
    const inServer = this.#server.inServer(folder);
    const version = '..2026_01_01_00_00_00.0000000001';
    await mkdir(path.join(inServer, version), { recursive: true });
    for (const [key, value] of Object.entries(content)) {
      await writeFile(path.join(inServer, version, key), value);
      await rm(path.join(inServer, key), { force: true });
      await symlink(path.join('..data', key), path.join(inServer, key));
    }
    await rm(path.join(inServer, '..data'), { force: true });
    await symlink(version, path.join(inServer, '..data'));
  }

  /** What one container sees of it. Each start gets a termination log of its own. */
  async mountsOf(container: unknown, address: string): Promise<Mount[]> {
    const folder = podFolder(this.#pod);
    const name = textAt(container, 'name');
    const log = `${folder}/containers/${name}/${randomBytes(4).toString('hex')}`;
    await mkdir(path.dirname(this.#server.inServer(log)), { recursive: true });
    await writeFile(this.#server.inServer(log), '');
    await chmod(this.#server.inServer(log), 0o666);
    const hosts = `${folder}/etc-hosts`;
    await writeFile(this.#server.inServer(hosts), `127.0.0.1\tlocalhost\n${address}\t${this.#pod.metadata.name}\n`);
    const volumes = listAt(container, 'volumeMounts').map((mount): Mount => {
      const source = this.#paths.get(textAt(mount, 'name'));
      if (source === undefined)
        throw new Error(`container ${name} mounts ${textAt(mount, 'name')}, which is no volume`);
      const subPath = textAt(mount, 'subPath');
      const isReadOnly = flagAt(mount, 'readOnly');
      return {
        container_path: textAt(mount, 'mountPath'),
        host_path: subPath === '' ? source : `${source}/${subPath}`,
        readonly: isReadOnly,
      };
    });
    const own = [
      { container_path: '/etc/hosts', host_path: hosts, readonly: false },
      { container_path: '/dev/termination-log', host_path: log, readonly: false },
    ];
    return [...volumes, ...own];
  }

  async takeAway(): Promise<void> {
    const folder = podFolder(this.#pod);
    const script =
      'findmnt -rno TARGET | grep -F "$1/" | sort -r | while read -r at; do umount "$at"; done; rm -rf --one-file-system "$1" "$2"';
    await this.#server.run(['sh', '-c', script, 'sh', folder, logFolder(this.#pod)]);
  }
}
