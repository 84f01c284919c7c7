/** The page of all fields of the documents, as Markdown. It only lays out what fields.ts reads out of the schemas. */
import { fieldsOf, type Field, type Fields } from './fields.ts';
import { documentSchemas, type DocumentKind } from './parse.ts';

const introductions: Readonly<Record<DocumentKind, string>> = {
  MaintenancePlan: 'What is done, to which servers, when and how fast.',
  Playbook: 'What is done to one server.',
  Inventory: 'The servers, and how each is reached.',
};

/** One valid document of each kind, from the top of the repository; each is shown as it is. */
export const examplePaths = {
  MaintenancePlan: 'deploy/plans/weekly-kernel.yaml',
  Playbook: 'playbooks/kernel-update.yaml',
  Inventory: 'inventory/example.yaml',
} as const satisfies Readonly<Record<DocumentKind, string>>;

/** @param textOf the text of such an example */
export function referenceText(textOf: (path: string) => string): string {
  const kinds = Object.keys(documentSchemas) as DocumentKind[];
  const all = kinds.map((kind) => ({ kind, ...fieldsOf(documentSchemas[kind]) }));
  const names = kinds.map((kind) => `\`${kind}\``).join(', ');
  const head = (all[0]?.fields ?? [])
    .filter(({ path }) => isHead(path))
    .map((field) => (field.path === 'kind' ? { ...field, values: names } : field));
  const parts = [
    preface(kinds),
    table(head),
    '## Kinds of values',
    kindsOfValues(all),
    ...all.flatMap(({ kind, ...fields }) => section(kind, fields, textOf(examplePaths[kind]))),
  ];
  return `${parts.join('\n\n')}\n`;
}

function preface(kinds: readonly DocumentKind[]): string {
  const links = kinds.map((kind) => `[${kind}](#${kind.toLowerCase()})`);
  return `# The fields of the documents

<!-- Written by \`npm run schemas\`, from the schemas in src/spec. Changes belong there. -->

There are three kinds of documents: ${links.join(', ')}. They are YAML, in files that end in \`.yaml\` or \`.yml\`; folders are
read with all that is below them, but for what begins with a dot, and one file may hold several documents. \`pitcrew validate\`
checks them and names files that look as if they were meant and are not read, such as \`PLAN.YAML\`. What is put aside under a
name like \`plan.yaml.bak\` is not read, and nothing is said of it.

In the tables, \`[]\` stands for each entry of a list and \`*\` for any key. What is not listed here does not exist: an unknown
key is an error. The third column says what holds where a field is left out.

Every document begins with:`;
}

function isHead(path: string): boolean {
  return path !== 'spec' && !path.startsWith('spec.');
}

function kindsOfValues(all: readonly Fields[]): string {
  const byName = new Map(all.flatMap(({ kinds }) => kinds).map((kind) => [kind.name, kind.meaning]));
  const rows = [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return grid(
    ['kind', 'what is written'],
    rows.map(([name, meaning]) => [name, meaning]),
  );
}

function section(kind: DocumentKind, { fields, steps }: Fields, example: string): string[] {
  const body = fields
    .filter(({ path }) => path.startsWith('spec.'))
    .map((field) => ({ ...field, path: field.path.slice('spec.'.length) }));
  const top = body.filter(({ path }) => !path.includes('.'));
  const groups = top.flatMap((field) => {
    const inside = withoutRepeats(body, field.path);
    if (inside.length === 0) return [];
    return [`### ${field.path}`, table(inside)];
  });
  const stepsPart =
    steps.length === 0
      ? []
      : ['### Steps', 'An entry of a list of steps has one key, which says what kind of step it is.', table(steps)];
  return [
    `## ${kind}`,
    `${introductions[kind]} All of these stand under \`spec\`.`,
    table(top),
    ...groups,
    ...stepsPart,
    `### Example: ${examplePaths[kind]}`,
    `\`\`\`yaml\n${example.replace(/^# yaml-language-server:.*\n(?:#\n)?/, '').trimEnd()}\n\`\`\``,
  ];
}

/** What is below this field, but for what was said before, word by word, of the same setting at another place. */
function withoutRepeats(body: readonly Field[], top: string): Field[] {
  const said = new Set<string>();
  const inside: Field[] = [];
  for (const field of body) {
    const setting = field.path.split('.').slice(-2).join('.');
    const text = JSON.stringify([setting, field.values, field.absent, field.meaning]);
    const isInside = field.path.startsWith(`${top}.`) || field.path.startsWith(`${top}[`);
    if (isInside && !said.has(text)) inside.push(field);
    if (!isInside) said.add(text);
  }
  return inside;
}

function table(fields: readonly Field[]): string {
  return grid(
    ['field', 'values', 'left out', 'meaning'],
    fields.map(({ path, values, absent, meaning }) => [`\`${path}\``, values, absent || '–', meaning]),
  );
}

function grid(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return [titles, titles.map(() => '---'), ...rows].map(rowOf).join('\n');
}

function rowOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
}
