import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FolderDocuments } from '../../src/adapters/system/documents.ts';
import { open, Repository, temporaryFolder } from '../adapters/git/repository.ts';
import { documentsContract } from './documents.contract.ts';

documentsContract('a folder', async (files) => {
  const folder = await temporaryFolder();
  const put = async (more: Readonly<Record<string, string>>): Promise<void> => {
    for (const [path, text] of Object.entries(more)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
  };
  await put(files);
  return { source: new FolderDocuments([folder]), put };
});

documentsContract('a Git repository', async (files) => {
  const repository = await Repository.make(files);
  const { documents, look } = await open({ url: repository.path });
  return {
    source: documents,
    put: async (more) => {
      await repository.commit(more);
      await look();
    },
  };
});
