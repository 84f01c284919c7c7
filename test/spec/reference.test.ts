/** The page of all fields: it is that of today, says something of each, and what it says of defaults is true. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { NodeView } from '../../src/cluster/node.ts';
import { assembleRun } from '../../src/planner/assemble.ts';
import { fieldsOf, type Field } from '../../src/spec/fields.ts';
import { documentKinds, jsonSchemaText } from '../../src/spec/json-schema.ts';
import { documentSchemas, parseDocuments, type DocumentKind } from '../../src/spec/parse.ts';
import { describeProblem } from '../../src/spec/problem.ts';
import { examplePaths, referenceText } from '../../src/spec/reference.ts';

const root = join(import.meta.dirname, '../..');
const page = await readFile(join(root, 'docs/reference.md'), 'utf8');

/** Steps as they would stand in a playbook. */
function fieldsOfKind(kind: DocumentKind): readonly Field[] {
  const { fields, steps } = fieldsOf(documentSchemas[kind]);
  return [...fields, ...steps.map((step) => ({ ...step, path: `spec.service[].${step.path}` }))];
}

const all = documentKinds.flatMap((kind) => fieldsOfKind(kind).map((field) => ({ kind, ...field })));

test('the page is that of today', () => {
  // Out of date? `npm run schemas` writes it.
  expect(page).toBe(referenceText((path) => readFileSync(join(root, path), 'utf8')));
});

test('every field of every document has a meaning of its own, and stands on the page', () => {
  expect(all.length).toBeGreaterThan(120);
  const silent = all.filter(({ path, meaning }) => meaning === '' && path !== 'spec');
  expect(silent.map(({ kind, path }) => `${kind} ${path}`)).toEqual([]);
  for (const setting of [
    'evacuation.liveKeeps',
    'rollout.waitTimeout',
    'needed[].ssh.needed',
    'servers[].bmc.address',
  ]) {
    expect(page).toContain(`| \`${setting}\` |`);
  }
  expect(page).not.toContain('undefined');
});

test('the examples on the page are valid together', () => {
  const examples = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = ''], index) => ({
    path: `example ${index + 1}`,
    text,
  }));
  expect(examples).toHaveLength(Object.keys(examplePaths).length);
  const { problems, plans, playbooks, servers } = parseDocuments(examples);
  expect(problems.map(describeProblem)).toEqual([]);
  expect([plans.length, playbooks.length, servers.length > 0]).toEqual([1, 1, true]);
});

test('what is said for the page alone does not stand in the JSON Schemas; what a field means does', () => {
  for (const kind of documentKinds) {
    const text = jsonSchemaText(kind);
    expect(text).not.toMatch(/"absent":|"valueKind":/);
    expect(text).toContain('"description":');
  }
});

type Json = Record<string, unknown>;

const head = (kind: DocumentKind, spec: Json): Json => ({
  apiVersion: 'pitcrew.dev/v1',
  kind,
  metadata: { name: kind.toLowerCase() },
  spec,
});

/** One document of each kind in which every map can be written to. */
const written = (): Record<DocumentKind, Json> => ({
  MaintenancePlan: head('MaintenancePlan', {
    playbook: 'playbook',
    targets: { matchLabels: { role: 'worker' } },
    schedule: { windows: [{ opens: '0 22 * * *', lasts: '4h', timeZone: 'UTC' }] },
    rollout: { waves: [{ servers: 1 }], haltAfter: {} },
    evacuation: { rules: [{ match: { namespaces: ['shop'] }, order: 3 }], limits: {} },
    rebalance: { policy: 'spread' },
  }),
  Playbook: head('Playbook', {
    needed: [{ ssh: { run: 'true', needed: 'exit 0' } }],
    service: [{ ssh: { run: 'true' } }, { reboot: {} }],
  }),
  Inventory: head('Inventory', {
    defaults: {
      ssh: { user: 'root', privateKey: { file: '/k' } },
      bmc: { user: 'admin', password: { file: '/p' } },
    },
    servers: [
      { name: 'a', address: '10.0.0.1', labels: { role: 'worker' }, ssh: {}, bmc: { address: '10.1.0.1' } },
      { name: 'b', address: '10.0.0.2', bmc: { address: '10.1.0.2' } },
    ],
  }),
});

const node: NodeView = {
  name: 'a',
  uid: 'a',
  labels: {},
  cordon: { kind: 'none' },
  ready: true,
  bootId: 'b',
  kernelVersion: 'k',
  taints: [],
  allocatable: { cpuMillis: 1, memoryBytes: 1, pods: 1, others: {} },
  volumesInUse: [],
};

/** What becomes of documents: the servers, and the run that would be made. */
function outcomeOf(documents: Record<DocumentKind, Json>) {
  const files = Object.entries(documents).map(([path, document]) => ({ path, text: JSON.stringify(document) }));
  const { problems, plans, playbooks, servers } = parseDocuments(files);
  expect(problems.filter(({ severity }) => severity === 'error').map(describeProblem)).toEqual([]);
  const [[plan], [playbook]] = [plans, playbooks];
  if (!plan || !playbook) throw new Error('no plan, or no playbook');
  const run = { digest: 'd', runId: 'r', startedBy: 'me', nodes: [node] };
  return { servers, definition: assembleRun({ plan, playbook, servers, ...run }), rules: plan.spec.evacuation?.rules };
}

/** Puts a value at a path of the page, into the first entry of every list; `undefined`: nothing stands there then. */
function put(document: Json, path: string, value: unknown): void {
  const keys = path.replaceAll('[]', '.0').split('.');
  const last = keys.pop() ?? '';
  const holder = keys.reduce<Json>((at, key) => at[key] as Json, document);
  holder[last] = value;
}

describe('a value that the page gives for what is left out', () => {
  /** Who evacuates and who rebalances has these, and their tests say so. */
  const elsewhere = ['spec.evacuation.rules[].order', 'spec.evacuation.rules[].action'];
  const stated = all
    .map((field) => ({ ...field, value: /^`([^`]*)`$/.exec(field.absent)?.[1] }))
    .filter(({ value, path }) => value !== undefined && !elsewhere.includes(path));

  test('is stated for many', () => {
    expect(stated.length).toBeGreaterThan(25);
  });

  test.each(stated.map(({ kind, path, value }) => [kind, path, value ?? ''] as const))(
    'is as good as nothing: %s %s %s',
    (kind, path, value) => {
      const [stating, silent] = [written(), written()];
      // The first step of a playbook is a command, the second a reboot.
      const place = path.replace('service[].reboot', 'service.1.reboot');
      put(stating[kind], place, parse(value));
      put(silent[kind], place, undefined);
      expect(outcomeOf(stating)).toEqual(outcomeOf(silent));
    },
  );
});
