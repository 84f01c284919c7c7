/** A container that runc runs without containerd: a bundle with the programs of the lab's image, as a person would lay one out. */
import { readFile, writeFile } from 'node:fs/promises';
import { serversImage } from '../../src/lab/nodes/images.ts';
import type { LabServer } from '../../src/lab/nodes/server.ts';

export interface Bundle {
  readonly folder: string;
  readonly args: readonly string[];
  /** Instead of one of its own. */
  readonly networkNamespace?: string | undefined;
}

export async function layOutBundle(server: LabServer, { folder, args, networkNamespace }: Bundle): Promise<void> {
  const mount = ['ctr', '--namespace', 'k8s.io', 'images', 'mount', '--rw', serversImage, `${folder}/rootfs`];
  await server.run(['mkdir', '-p', `${folder}/rootfs`]);
  await server.run(mount);
  await server.run(['runc', 'spec', '--bundle', folder]);
  const file = server.inServer(`${folder}/config.json`);
  const spec = JSON.parse(await readFile(file, 'utf8')) as {
    process: Record<string, unknown>;
    root: Record<string, unknown>;
    linux: { namespaces: { type: string; path?: string }[] };
  };
  Object.assign(spec.process, { terminal: false, args });
  Object.assign(spec.root, { readonly: false });
  if (networkNamespace !== undefined) {
    spec.linux.namespaces = spec.linux.namespaces.map((namespace) =>
      namespace.type === 'network' ? { ...namespace, path: networkNamespace } : namespace,
    );
  }
  await writeFile(file, JSON.stringify(spec));
}
