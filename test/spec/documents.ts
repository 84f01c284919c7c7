/** Small valid documents to break, and the problems as one line each. */
import { parseDocuments } from '../../src/spec/parse.ts';
import type { Attachments } from '../../src/spec/attachments.ts';
import { describeProblem } from '../../src/spec/problem.ts';

export const inventory = `apiVersion: pitcrew.dev/v1
kind: Inventory
metadata: { name: fra1 }
spec:
  defaults:
    ssh: { user: root, privateKey: { file: /etc/key } }
    bmc: { user: admin, password: { file: /etc/bmc } }
  servers:
    - { name: rack1-01, address: 10.1.1.11, labels: { role: worker }, bmc: { address: 10.9.1.11 } }
    - { name: rack1-02, address: 10.1.1.12, labels: { role: worker }, bmc: { address: 10.9.1.12 } }
`;

export const playbook = `apiVersion: pitcrew.dev/v1
kind: Playbook
metadata: { name: reboot-only }
spec:
  service:
    - reboot: {}
`;

export const plan = `apiVersion: pitcrew.dev/v1
kind: MaintenancePlan
metadata: { name: weekly }
spec:
  playbook: reboot-only
  targets: { matchLabels: { role: worker } }
`;

export interface Texts {
  readonly plan?: string;
  readonly playbook?: string;
  readonly inventory?: string;
}

export function parseTexts(texts: Texts, attachments?: Attachments) {
  const all = { plan, playbook, inventory, ...texts };
  const files = Object.entries(all).map(([name, text]) => ({ path: `${name}.yaml`, text }));
  return parseDocuments(files, attachments);
}

export function problemsIn(texts: Texts, attachments?: Attachments): string[] {
  return parseTexts(texts, attachments).problems.map(describeProblem);
}
