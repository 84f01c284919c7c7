/** Where the documents come from: folders, or a Git repository. */
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
  /** The Git commit that they are from, all its hexadecimal digits; left out: they are from folders. */
  readonly commit?: string | undefined;
  /** Why these may not be what people expect to be in use, one line each: a newer commit is not used, no fetch succeeds. */
  readonly notices?: readonly string[] | undefined;
}

export interface DocumentSource {
  /**
   * The documents in use. Where a newer version cannot be used, those that could be used last, with a notice.
   *
   * @throws `document/invalid` with every problem in its message; `document/not-found`; `git/…` where there is no commit
   * yet that can be used.
   */
  read(): Promise<Documents>;
}
