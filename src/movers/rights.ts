/** A mover whose API this daemon may not use is as good as not installed; what would help is said. Decides nothing else. */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Detection } from '../ports/movers.ts';

export async function unlessForbidden(look: () => Promise<Detection>): Promise<Detection> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof MaintenanceError) || error.code !== 'cluster/forbidden') throw error;
    const because = 'rights are missing: deploy/kubernetes/rbac-movers.yaml grants them';
    return { kind: 'missing', because, isWrong: true };
  }
}
