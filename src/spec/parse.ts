/**
 * Texts in, valid documents out, and every problem with its place.
 *
 * It decides whether a set of documents is valid, each by itself and all of them together; it reads no files and never
 * throws, whatever the text.
 */
import { inlineAttachments } from './attachments.ts';
import type { Attachments } from './attachments.ts';
import { withCalendars } from './calendars.ts';
import { coverSecrets, problemsOf } from './explain.ts';
import { Inventory } from './inventory.ts';
import type { InventoryServer } from './inventory.ts';
import { duplicateServers, serversOf } from './inventory-checks.ts';
import type { Judged, PlacedServer } from './inventory-checks.ts';
import { MaintenancePlan } from './plan.ts';
import { checkPlan } from './plan-checks.ts';
import { Playbook, PlaybookSource } from './playbook.ts';
import type { Parameter } from './playbook.ts';
import { checkPlaybook } from './playbook-checks.ts';
import { compareProblems, didYouMean, listed } from './problem.ts';
import type { Problem } from './problem.ts';
import { readYaml } from './source.ts';
import type { SourceDocument } from './source.ts';

export interface DocumentFile {
  /** As it is to be shown. */
  readonly path: string;
  readonly text: string;
}

export interface ParsedDocuments {
  readonly plans: readonly MaintenancePlan[];
  readonly playbooks: readonly Playbook[];
  /** Every server of every inventory, defaults filled in. */
  readonly servers: readonly InventoryServer[];
  /** Sorted by place. Only where none is an error may the documents be used. */
  readonly problems: readonly Problem[];
  /** How many documents there were; a file without a readable one counts as one. */
  readonly documentCount: number;
}

export const documentSchemas = { MaintenancePlan, Playbook: PlaybookSource, Inventory } as const;
export type DocumentKind = keyof typeof documentSchemas;

const kinds = Object.keys(documentSchemas);

function isKind(kind: unknown): kind is DocumentKind {
  return typeof kind === 'string' && Object.hasOwn(documentSchemas, kind);
}

interface Sorted {
  readonly plans: Judged<MaintenancePlan>[];
  readonly playbooks: (Judged<PlaybookSource> & { readonly playbook: Playbook })[];
  readonly inventories: Judged<Inventory>[];
  /** Names of all playbooks that have one, valid or not. */
  readonly playbookNames: Set<string>;
  /** Whether something was left out that another document may be about. */
  isWhole: boolean;
  isInventoryWhole: boolean;
  readonly problems: Problem[];
}

function kindProblem(source: SourceDocument, kind: unknown): Problem {
  const wanted = `kind is ${listed(kinds)}`;
  if (kind === undefined) {
    return source.problemAtKey([], {
      message: '"kind" is missing, so nobody knows what this document is',
      hint: wanted,
    });
  }
  const message = typeof kind === 'string' && kind.length <= 60 ? `unknown kind "${kind}"` : '"kind" must be text';
  return source.problemAt(['kind'], {
    message,
    hint: (typeof kind === 'string' ? didYouMean(kind, kinds) : undefined) ?? wanted,
  });
}

function sortOne(sorted: Sorted, source: SourceDocument, attachments: Attachments): void {
  const kind = source.valueAt(['kind']);
  if (typeof source.value !== 'object' || source.value === null || Array.isArray(source.value)) {
    const message = 'a document is a map that begins with apiVersion, kind, metadata and spec';
    sorted.problems.push(source.problemAt([], { message }));
    sorted.isWhole = false;
    return;
  }
  if (!isKind(kind)) {
    sorted.problems.push(kindProblem(source, kind));
    sorted.isWhole = false;
    return;
  }
  const name = source.valueAt(['metadata', 'name']);
  if (kind === 'Playbook' && typeof name === 'string') sorted.playbookNames.add(name);
  const problems = problemsOf(source, kind, documentSchemas[kind]);
  sorted.problems.push(...problems);
  if (problems.length > 0) {
    if (kind === 'Inventory') sorted.isInventoryWhole = false;
    return;
  }
  switch (kind) {
    case 'MaintenancePlan':
      sortPlan(sorted, source, attachments);
      return;
    case 'Inventory':
      sorted.inventories.push({ source, value: Inventory.parse(source.value) });
      return;
    case 'Playbook':
      sortPlaybook(sorted, source, attachments);
  }
}

function sortPlan(sorted: Sorted, source: SourceDocument, attachments: Attachments): void {
  const { value, problems } = withCalendars(source, MaintenancePlan.parse(source.value), attachments);
  sorted.problems.push(...problems);
  sorted.plans.push({ source, value });
}

function sortPlaybook(sorted: Sorted, source: SourceDocument, attachments: Attachments): void {
  const value = PlaybookSource.parse(source.value);
  const inlined = inlineAttachments(source, value, attachments);
  sorted.problems.push(...inlined.problems);
  if (inlined.problems.length > 0) return;
  sorted.playbooks.push({ source, value, playbook: Playbook.parse(inlined.value) });
}

/** Two documents of one kind with one name: nobody could say which one is meant. */
function duplicateNames(documents: readonly SourceDocument[]): Problem[] {
  const seen = new Map<string, SourceDocument>();
  const at = ['metadata', 'name'];
  return documents.flatMap((source) => {
    const name = source.valueAt(at);
    const kind = source.valueAt(['kind']);
    if (typeof name !== 'string' || !isKind(kind)) return [];
    const other = seen.get(`${kind} ${name}`);
    if (other === undefined) {
      seen.set(`${kind} ${name}`, source);
      return [];
    }
    const message = `there is another ${kind} "${name}" (${other.placeAt(at, source)})`;
    return [source.problemAt(at, { message, hint: 'give one of them another name' })];
  });
}

function checkTogether(sorted: Sorted): { servers: PlacedServer[]; problems: Problem[] } {
  const filled = sorted.inventories.map(serversOf);
  const servers = filled.flatMap((one) => one.servers);
  const isInventoryWhole =
    sorted.isInventoryWhole && sorted.isWhole && filled.every((one) => one.problems.length === 0);
  const parameters = sorted.playbooks.map(({ value }): [string, Readonly<Record<string, Parameter>>] => [
    value.metadata.name,
    value.spec.parameters ?? {},
  ]);
  const playbooks = new Map([
    ...[...sorted.playbookNames].map((name): [string, undefined] => [name, undefined]),
    ...parameters,
  ]);
  const surroundings = { playbooks, servers: isInventoryWhole ? servers : undefined, isWhole: sorted.isWhole };
  const problems = [
    ...filled.flatMap((one) => one.problems),
    ...duplicateServers(servers),
    ...sorted.playbooks.flatMap(checkPlaybook),
    ...sorted.plans.flatMap((plan) => checkPlan(plan, surroundings)),
  ];
  return { servers, problems };
}

/** One place, one message: several branches of a schema may say the same. */
function withoutRepeats(problems: readonly Problem[]): Problem[] {
  const byText = new Map(
    problems.map((problem) => [JSON.stringify([problem.path, problem.line, problem.column, problem.message]), problem]),
  );
  return [...byText.values()].sort(compareProblems);
}

/** `attachments`: the files that `attachedFiles` names for the same texts. */
export function parseDocuments(files: readonly DocumentFile[], attachments: Attachments = new Map()): ParsedDocuments {
  const read = files.map(({ path, text }) => readYaml(path, text));
  const documents = read.flatMap((one) => one.documents);
  for (const document of documents) {
    const kind = document.valueAt(['kind']);
    if (isKind(kind)) coverSecrets(document, documentSchemas[kind]);
  }
  const sorted: Sorted = {
    plans: [],
    playbooks: [],
    inventories: [],
    playbookNames: new Set(),
    isWhole: read.every(({ brokenCount }) => brokenCount === 0),
    isInventoryWhole: true,
    problems: read.flatMap(({ file, failures }) => failures.map(({ range, remark }) => file.problem(range, remark))),
  };
  for (const document of documents) sortOne(sorted, document, attachments);
  const together = checkTogether(sorted);
  return {
    plans: sorted.plans.map(({ value }) => value),
    playbooks: sorted.playbooks.map(({ playbook }) => playbook),
    servers: together.servers.map(({ server }) => server),
    problems: withoutRepeats([...sorted.problems, ...duplicateNames(documents), ...together.problems]),
    documentCount: read.reduce((count, one) => count + one.documents.length + one.brokenCount, 0),
  };
}
