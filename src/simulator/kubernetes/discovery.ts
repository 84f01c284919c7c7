/** The documents by which clients find out what is served: `/version`, `/api`, `/apis` and the lists of resources. */
import { apiVersionOf, type Kind, type KindTable } from './kinds.ts';

const gitVersion = 'v1.36.2';

export function discover(table: KindTable, path: string): unknown {
  switch (path) {
    case '/version':
      return {
        major: '1',
        minor: '36',
        gitVersion,
        gitCommit: '',
        gitTreeState: 'clean',
        buildDate: '1970-01-01T00:00:00Z',
        goVersion: '',
        compiler: '',
        platform: 'linux/amd64',
      };
    case '/api':
      return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
    case '/apis':
      return { kind: 'APIGroupList', apiVersion: 'v1', groups: groupsOf(table) };
    default:
      return resourcesAt(table, path);
  }
}

function groupsOf(table: KindTable): unknown[] {
  const versions = new Map<string, Set<string>>();
  for (const kind of table.all()) {
    if (kind.group === '') continue;
    versions.set(kind.group, (versions.get(kind.group) ?? new Set()).add(kind.version));
  }
  return [...versions.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, found]) => {
      const list = [...found].map((version) => ({ groupVersion: `${name}/${version}`, version }));
      return { name, versions: list, preferredVersion: list[0] };
    });
}

function resourcesAt(table: KindTable, path: string): unknown {
  const groupVersion = path === '/api/v1' ? 'v1' : /^\/apis\/([^/]+\/[^/]+)$/.exec(path)?.[1];
  if (groupVersion === undefined) return undefined;
  const found = table.all().filter((kind) => apiVersionOf(kind) === groupVersion);
  if (found.length === 0) return undefined;
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: found.flatMap(describeKind) };
}

function describeKind(kind: Kind): unknown[] {
  const common = { namespaced: kind.namespaced, kind: kind.kind };
  const main = {
    name: kind.resource,
    singularName: kind.singular,
    ...common,
    verbs: kind.verbs,
    ...(kind.shortNames && { shortNames: kind.shortNames }),
    ...(kind.categories && { categories: kind.categories }),
    ...(kind.storageVersionHash !== undefined && { storageVersionHash: kind.storageVersionHash }),
  };
  const parts = kind.subresources.map((subresource) => {
    const name = `${kind.resource}/${subresource}`;
    if (subresource === 'status') return { name, singularName: '', ...common, verbs: ['get', 'patch', 'update'] };
    if (subresource !== 'eviction') return { name, singularName: '', ...common, verbs: ['create'] };
    const policy = { group: 'policy', version: 'v1', kind: 'Eviction' };
    return { name, singularName: '', namespaced: true, ...policy, verbs: ['create'] };
  });
  return [main, ...parts];
}
