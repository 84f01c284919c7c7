/** Writes the JSON Schemas of the documents to `deploy/schemas`, where editors find them. Run it after changing a schema. */
import { mkdir, writeFile } from 'node:fs/promises';
import { documentKinds, jsonSchemaText } from '../src/spec/json-schema.ts';

const folder = new URL('schemas/', import.meta.url);
await mkdir(folder, { recursive: true });
for (const kind of documentKinds) await writeFile(new URL(`${kind}.schema.json`, folder), jsonSchemaText(kind));
