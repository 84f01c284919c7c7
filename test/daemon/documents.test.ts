/** What a going run needs of the documents, while somebody makes a mistake in them. */
import { describe, expect, it } from 'vitest';
import { lastGoodServers } from '../../src/daemon/documents.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { Documents } from '../../src/ports/documents.ts';
import { runServer } from '../workflow/fixtures.ts';

function source(first: Documents | MaintenanceError) {
  const current = { documents: first };
  const read = async (): Promise<Documents> => {
    if (current.documents instanceof MaintenanceError) throw current.documents;
    return current.documents;
  };
  return { current, servers: lastGoodServers({ read }) };
}

const mistake = new MaintenanceError('document/invalid', 'halt', 'plan.yaml:3:1  unknown key "x"');
const withServer = (name: string): Documents => ({
  plans: [],
  playbooks: [],
  servers: [{ ...runServer(name), labels: {} }],
  digest: name,
});

describe('the servers that what goes on is done with', () => {
  it('are those of now, and while the documents hold a mistake those of before', async () => {
    const { current, servers } = source(withServer('a'));
    const names = async (): Promise<string[]> => (await servers()).map(({ name }) => name);
    expect(await names()).toEqual(['a']);
    current.documents = mistake;
    expect(await names()).toEqual(['a']);
    current.documents = withServer('b');
    expect(await names()).toEqual(['b']);
  });

  it('are waited for where there never were any: that is no failure of a server', async () => {
    const { current, servers } = source(mistake);
    await expect(servers()).rejects.toMatchObject({
      code: 'document/invalid',
      disposition: 'wait',
      message: mistake.message,
    });
    current.documents = withServer('a');
    expect(await servers()).toHaveLength(1);
  });
});
