import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { recordAt } from '../../../src/cluster/json.ts';
import type { Right } from '../../../src/ports/cluster.ts';
import { moverRights } from '../../../src/adapters/kubernetes/mover-rights.ts';
import { neededRights } from '../../../src/adapters/kubernetes/rights.ts';
import { medik8sNamespace } from '../../../src/adapters/kubernetes/node-leases.ts';
import { never, scriptedApi, type ScriptedApi } from './scripted-api.ts';

const opened: ScriptedApi[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((api) => api.stop()));
});

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly {
    readonly apiGroups: string[];
    readonly resources: string[];
    readonly resourceNames?: string[];
    readonly verbs: string[];
  }[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly object[];
}

async function manifests(name = 'rbac.yaml'): Promise<Manifest[]> {
  const text = await readFile(new URL(`../../../deploy/kubernetes/${name}`, import.meta.url), 'utf8');
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

function lineOf(right: Right): string {
  const resource = right.subresource ? `${right.resource}/${right.subresource}` : right.resource;
  return `${right.namespace ?? '*'}: ${right.verb} ${right.group || 'core'} ${resource}`;
}

function granted(all: readonly Manifest[]): string[] {
  return all.flatMap(({ kind, metadata, rules = [] }) =>
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.map((verb) => `${kind === 'Role' ? metadata.namespace : '*'}: ${verb} ${group || 'core'} ${resource}`),
        ),
      ),
    ),
  );
}

describe('deploy/kubernetes/rbac.yaml', () => {
  it('grants exactly the rights that are used', async () => {
    const needed = neededRights(medik8sNamespace).map(lineOf).sort();
    expect(needed.length).toBeGreaterThan(15);
    expect(granted(await manifests()).sort()).toEqual(needed);
  });

  it('of the movers grants exactly the rights that they use', async () => {
    const needed = moverRights.map(lineOf).sort();
    expect(needed.length).toBeGreaterThan(10);
    expect(granted(await manifests('rbac-movers.yaml')).sort()).toEqual(needed);
  });

  it('grants nothing by wildcard', async () => {
    expect(granted(await manifests()).filter((line) => / \*|\* /.test(line.replace(/^\*: /, '')))).toEqual([]);
  });

  it('binds every role to the service account', async () => {
    const all = await manifests();
    const roles = all.filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role');
    expect(roles.length).toBeGreaterThan(2);
    for (const role of roles) {
      const binding = all.find(
        ({ kind, metadata, roleRef }) =>
          kind === `${role.kind}Binding` &&
          metadata.namespace === role.metadata.namespace &&
          roleRef?.kind === role.kind &&
          roleRef.name === role.metadata.name,
      );
      expect(binding?.subjects).toEqual([{ kind: 'ServiceAccount', name: 'pitcrew', namespace: 'pitcrew' }]);
    }
  });
});

describe('missing rights', () => {
  it('are those that the API refuses, one question for each needed right', async () => {
    const api = await scriptedApi((seen) => {
      if (!seen.path.endsWith('/selfsubjectaccessreviews')) return undefined;
      const wanted = recordAt(recordAt(seen.body, 'spec'), 'resourceAttributes');
      return { status: 201, body: { status: { allowed: wanted['subresource'] !== 'eviction' } } };
    });
    opened.push(api);
    expect(await api.cluster.missingRights(never)).toEqual([
      { verb: 'create', group: '', resource: 'pods', subresource: 'eviction', namespace: undefined },
    ]);
    const asked = api.seen.filter((seen) => seen.path.endsWith('/selfsubjectaccessreviews'));
    expect(asked).toHaveLength(neededRights(medik8sNamespace).length);
  });

  it('of a live mover are asked for only where its API is served', async () => {
    const api = await scriptedApi((seen) => {
      if (seen.path === '/apis') return { status: 200, body: { groups: [{ name: 'apps' }, { name: 'paguro.dev' }] } };
      if (!seen.path.endsWith('/selfsubjectaccessreviews')) return undefined;
      const wanted = recordAt(recordAt(seen.body, 'spec'), 'resourceAttributes');
      return { status: 201, body: { status: { allowed: wanted['resource'] !== 'migrations' } } };
    });
    opened.push(api);
    const missing = await api.cluster.missingRights(never);
    expect(missing.map(({ group, verb }) => `${verb} ${group}`).sort()).toEqual(
      ['create', 'delete', 'get', 'list'].map((verb) => `${verb} paguro.dev`),
    );
  });

  it('a right that is used only in one namespace is asked for there', async () => {
    const api = await scriptedApi((seen) =>
      seen.path.endsWith('/selfsubjectaccessreviews') ? { status: 201, body: { status: {} } } : undefined,
    );
    opened.push(api);
    const missing = await api.cluster.missingRights(never);
    expect(missing.filter((right) => right.resource === 'leases').map((right) => right.namespace)).toEqual(
      Array.from({ length: 4 }, () => medik8sNamespace),
    );
  });
});
