/** Where the documents come from: a folder, later Git. */
import type { InventoryServer } from '../spec/inventory.ts';
import type { MaintenancePlan } from '../spec/plan.ts';
import type { Playbook } from '../spec/playbook.ts';

/** A set of documents that were read together and are all valid. */
export interface Documents {
  readonly plans: readonly MaintenancePlan[];
  readonly playbooks: readonly Playbook[];
  readonly servers: readonly InventoryServer[];
  /** SHA-256 over the texts, hexadecimal. */
  readonly digest: string;
  /** What is allowed and still worth a look, one line each with its place. */
  readonly warnings?: readonly string[] | undefined;
}

export interface DocumentSource {
  /** @throws `document/invalid` with every problem in its message. */
  read(): Promise<Documents>;
}
