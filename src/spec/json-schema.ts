/** JSON Schemas of the documents, for editors. Made from the schemas that judge them, so the two cannot differ. */
import { z } from 'zod';
import { documentSchemas } from './parse.ts';
import type { DocumentKind } from './parse.ts';

export const documentKinds = Object.keys(documentSchemas) as DocumentKind[];

function jsonSchemaOf(kind: DocumentKind): Record<string, unknown> {
  const schema = z.toJSONSchema(documentSchemas[kind], {
    io: 'input',
    target: 'draft-2020-12',
    // What is said for the page of all fields alone.
    override: ({ jsonSchema }) => {
      delete jsonSchema['absent'];
      delete jsonSchema['valueKind'];
    },
  });
  return { ...schema, title: kind, $id: `https://pitcrew.dev/v1/${kind}.schema.json` };
}

/** As it is stored. */
export function jsonSchemaText(kind: DocumentKind): string {
  return `${JSON.stringify(jsonSchemaOf(kind), null, 2)}\n`;
}
