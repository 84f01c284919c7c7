/**
 * Writes what is made from the schemas of the documents: the JSON Schemas in `deploy/schemas`, where editors find them, and
 * the page of all fields, `docs/reference.md`. Run it after changing a schema.
 */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { documentKinds, jsonSchemaText } from '../src/spec/json-schema.ts';
import { referenceText } from '../src/spec/reference.ts';

const root = new URL('../', import.meta.url);

await mkdir(new URL('deploy/schemas/', root), { recursive: true });
for (const kind of documentKinds) {
  await writeFile(new URL(`deploy/schemas/${kind}.schema.json`, root), jsonSchemaText(kind));
}
const page = referenceText((path) => readFileSync(new URL(path, root), 'utf8'));
await writeFile(new URL('docs/reference.md', root), page);
