/**
 * A node lab with the product installed beside it: a real daemon with a Redis of its own, documents, and the rights that the
 * manifests in deploy/kubernetes grant. What is done to the servers is done by the daemon alone.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { ApiClient } from '../../src/api/client.ts';
import { wrapperText } from '../../src/movers/criu/scripts.ts';
import { pitcrewUser, type Rule } from '../../src/simulator/kubernetes/access.ts';
import type { NodeLabOptions } from '../../src/lab/nodes/node-lab.ts';
import { Daemon, pitcrew, type Ended } from '../slow/daemon.ts';
import { processesLeftIn } from '../slow/processes.ts';
import { TestLab } from './harness.ts';

export const wrapper = '/usr/local/sbin/pitcrew-runc';
const project = path.join(import.meta.dirname, '../..');

export interface InstalledOptions {
  /** Text by file name, beside the inventory of the lab. */
  readonly documents: Readonly<Record<string, string>>;
  readonly lab?: Partial<NodeLabOptions> | undefined;
}

/** The kernel is one for all, and for the machine that they are on. */
export async function prepareKernel(test: TestLab): Promise<void> {
  for (const server of test.lab.servers.values()) {
    await server.run(['sysctl', '-q', '-w', 'fs.pipe-max-size=67108864', 'fs.pipe-user-pages-soft=0']);
  }
}

/** What a server has on which `playbooks/enable-live-migration.yaml` has been at work. */
export const prepared: Partial<NodeLabOptions> = {
  runcBinary: wrapper,
  files: [{ path: wrapper, text: wrapperText(), mode: 0o755 }],
};

export class InstalledLab {
  readonly test: TestLab;
  readonly daemon: Daemon;
  readonly #folder: string;

  private constructor(test: TestLab, daemon: Daemon, folder: string) {
    this.test = test;
    this.daemon = daemon;
    this.#folder = folder;
  }

  static async start({ documents, lab = {} }: InstalledOptions): Promise<InstalledLab> {
    const test = await TestLab.start(lab);
    try {
      await grantRights(test);
      const folder = path.join(test.lab.folder, 'installation');
      const own = path.join(folder, 'documents');
      await mkdir(own, { recursive: true });
      for (const [name, text] of Object.entries(documents)) await writeFile(path.join(own, name), text);
      const { inventoryFolder, kubernetes, knownHostsFile } = test.lab;
      const words = ['--documents', own, inventoryFolder, '--kubeconfig', kubernetes.kubeconfigFile];
      words.push('--known-hosts', knownHostsFile);
      const [data, logFile] = [path.join(folder, 'data'), path.join(folder, 'daemon.log')];
      const daemon = new Daemon({ cwd: folder, data, logFile, arguments: words });
      const installed = new InstalledLab(test, daemon, folder);
      await daemon.ready().catch(async (error: unknown) => {
        await daemon.stop();
        throw error;
      });
      return installed;
    } catch (error) {
      await test.stop();
      throw error;
    }
  }

  async client(): Promise<ApiClient> {
    return this.daemon.client();
  }

  /** The command line of a person who sits beside the daemon. */
  pitcrew(...words: readonly string[]): Promise<Ended> {
    return pitcrew(['--data', this.daemon.data, ...words], { cwd: this.#folder });
  }

  async stop(): Promise<void> {
    const hasEnded = await this.daemon.stop();
    const left = await processesLeftIn(this.#folder, 5_000);
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    await this.test.stop();
    if (!hasEnded) throw new Error('the daemon did not end by itself');
    if (left.length > 0) throw new Error(`left: ${left.map(({ arguments: words }) => words.join(' ')).join('; ')}`);
  }
}

/** The lab's account has the rights of the manifests, and not one more. */
async function grantRights({ lab }: TestLab): Promise<void> {
  const rules: Rule[] = [
    { verbs: ['create'], groups: ['authorization.k8s.io'], resources: ['selfsubjectaccessreviews'] },
  ];
  for (const name of ['rbac.yaml', 'rbac-live-migration.yaml']) {
    const text = await readFile(path.join(project, 'deploy/kubernetes', name), 'utf8');
    for (const document of parseAllDocuments(text)) {
      const { rules: granted = [] } = document.toJS() as {
        rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
      };
      rules.push(...granted.map(({ apiGroups: groups, resources, verbs }) => ({ verbs, groups, resources })));
    }
  }
  lab.world.api.access.grant(pitcrewUser, rules);
}
