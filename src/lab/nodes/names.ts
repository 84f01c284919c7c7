/**
 * What a headless service is to its clients: the names of pods that are Ready, and where they are, in a file as /etc/hosts.
 * It is written anew whenever a pod changes; a pod that is not Ready has no name.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { kinds } from '../../simulator/kubernetes/kinds.ts';
import { isPodReady } from '../../simulator/kubernetes/objects.ts';
import type { Store } from '../../simulator/kubernetes/store.ts';

/** Returns how to end it. */
export function keepNames(store: Store, file: string): () => void {
  let before: string | undefined;
  const write = (): void => {
    const ready = store
      .list(kinds.pods)
      .filter((pod) => pod.metadata.deletionTimestamp === undefined && isPodReady(pod));
    const text = ready.map(({ metadata, status }) => `${status.podIP ?? ''} ${metadata.name}\n`).join('');
    if (text === before) return;
    before = text;
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  write();
  return store.subscribe(({ kind }) => {
    if (kind === kinds.pods) write();
  });
}
