/**
 * The YAML library's errors in plain words, by their code.
 *
 * Its own texts are not passed on: some of them repeat what stands in the file, and that may be a password.
 */
import type { YAMLError } from 'yaml';

type Code = YAMLError['code'];

const sentences: Readonly<Record<Code, readonly [message: string, hint: string]>> = {
  ALIAS_PROPS: ['an alias (*name) cannot have an anchor or a tag of its own', 'take it away'],
  BAD_ALIAS: [
    'an alias or anchor here is wrong or names nothing above it',
    'put text that begins with * or & in quotes',
  ],
  BAD_COLLECTION_TYPE: ['the tag here does not fit the value', 'take the tag (!…) away'],
  BAD_DIRECTIVE: ['a line that begins with % is an instruction to YAML, and this one is unknown', 'put it in quotes'],
  BAD_DQ_ESCAPE: [
    'a backslash in double quotes begins an escape, and this one is unknown',
    'use single quotes, or write \\\\',
  ],
  BAD_INDENT: ['the indentation is wrong here', 'begin this line at the same column as its neighbours'],
  BAD_PROP_ORDER: ['an anchor or tag stands in the wrong place', 'put it after the "-", "?" or ":"'],
  BAD_SCALAR_START: ['plain text cannot begin with this character', 'put the text in quotes'],
  BLOCK_AS_IMPLICIT_KEY: ['two "key: value" stand on one line', 'put text that holds ": " in quotes'],
  BLOCK_IN_FLOW: ['a list or map over several lines stands inside { } or [ ]', 'write it inside the brackets too'],
  DUPLICATE_KEY: ['this key stands here twice', 'keep one of them'],
  IMPOSSIBLE: ['this cannot be read as YAML', 'look for a missing quote or bracket before it'],
  KEY_OVER_1024_CHARS: ['this key is longer than 1024 characters', 'is a quote or a line break missing?'],
  MISSING_CHAR: ['something is missing here', 'look for a missing quote, comma, colon or bracket'],
  MULTILINE_IMPLICIT_KEY: ['a key goes on over several lines', 'is a ":" missing here, or a quote before it?'],
  MULTIPLE_ANCHORS: ['a value can have one anchor only', 'take one away'],
  MULTIPLE_DOCS: ['a second document begins here', 'separate the two with a line "---"'],
  MULTIPLE_TAGS: ['a value can have one tag only', 'take one away'],
  NON_STRING_KEY: ['a key must be text', 'put it in quotes'],
  RESOURCE_EXHAUSTION: ['this file is nested too deeply', 'write it out plainly'],
  TAB_AS_INDENT: ['a tab stands in the indentation', 'use spaces'],
  TAG_RESOLVE_FAILED: [
    'the tag (!…) here is unknown or does not fit the value',
    'put text that begins with ! in quotes',
  ],
  UNEXPECTED_TOKEN: ['this does not belong here', 'look for a missing quote, comma or bracket before it'],
};

/** The library's texts that say more than their code and hold nothing of the file. */
const details: readonly (readonly [RegExp, string])[] = [
  [/^Missing closing "quote/, 'a closing " is missing'],
  [/^Missing closing 'quote/, "a closing ' is missing"],
  [/^Implicit map keys need to be followed by map values/, 'a ":" and a value are missing after this'],
  [/^Missing , /, 'a comma is missing before this'],
  [/^Missing , or : /, 'a comma or colon is missing before this'],
  [/^Missing space after : /, 'a space is missing after ":"'],
  [/^Comments must be separated/, 'a space is missing before "#"'],
  [/end with a \}/, 'a closing } is missing'],
  [/end with a \]/, 'a closing ] is missing'],
];

/** `key` is the name of a duplicate key, where it is a plain word. */
export function yamlSentence(code: Code, text: string, key?: string): { message: string; hint?: string } {
  const [message, hint] = sentences[code];
  if (key !== undefined) return { message: `key "${key}" stands here twice`, hint };
  const detail = details.find(([pattern]) => pattern.test(text));
  return detail === undefined ? { message, hint } : { message: detail[1] };
}
