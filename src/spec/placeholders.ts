/**
 * Finds `${name}` in shell scripts, and whether it stands where a quoted value may be put in.
 *
 * A value is put in as one single-quoted word. Inside other quotes that would fall apart, so the place matters; comments
 * are left alone. The reader below knows quotes, command substitution and here-documents of POSIX sh, no more.
 */

export interface Placeholder {
  /** `escape` is `$${`, which stands for the shell's own `${`. */
  readonly kind: 'parameter' | 'escape';
  readonly offset: number;
  readonly length: number;
  /** What stands between the braces; empty for an escape. */
  readonly name: string;
  readonly inside: 'nothing' | 'quotes' | 'hereDocument';
}

type Frame = 'plain' | 'single' | 'double' | 'command' | 'arithmetic' | 'backtick' | 'parenthesis';

interface Reader {
  readonly text: string;
  readonly found: Placeholder[];
  readonly frames: Frame[];
  readonly hereDocuments: { readonly end: string; readonly stripsTabs: boolean }[];
  at: number;
}

/** In text that is no script there are no quotes, so everything counts. */
export function placeholdersInText(text: string): Placeholder[] {
  const found: Placeholder[] = [];
  for (let at = text.indexOf('${'); at !== -1; at = text.indexOf('${', at + 1)) {
    if (text[at - 1] === '$') found.push({ kind: 'escape', offset: at - 1, length: 3, name: '', inside: 'nothing' });
    else found.push(parameterAt(text, at, 'nothing'));
  }
  return found;
}

export function placeholdersInScript(text: string): Placeholder[] {
  const reader: Reader = { text, found: [], frames: ['plain'], hereDocuments: [], at: 0 };
  while (reader.at < text.length) step(reader);
  return reader.found;
}

function parameterAt(text: string, offset: number, inside: Placeholder['inside']): Placeholder {
  const name = /^[^{}\s'"`$]*/.exec(text.slice(offset + 2, offset + 200))?.[0] ?? '';
  const closes = text[offset + 2 + name.length] === '}';
  return { kind: 'parameter', offset, length: 2 + name.length + (closes ? 1 : 0), name: closes ? name : '', inside };
}

/** Takes a placeholder that begins here, if one does. */
function takePlaceholder(reader: Reader, inside: Placeholder['inside']): boolean {
  const { text, at, found } = reader;
  if (text.startsWith('$${', at)) {
    found.push({ kind: 'escape', offset: at, length: 3, name: '', inside });
    reader.at += 3;
    return true;
  }
  if (!text.startsWith('${', at)) return false;
  const placeholder = parameterAt(text, at, inside);
  found.push(placeholder);
  reader.at += placeholder.length;
  return true;
}

function step(reader: Reader): void {
  const frame = reader.frames.at(-1) ?? 'plain';
  const isQuoted = frame === 'single' || frame === 'double';
  if (takePlaceholder(reader, isQuoted ? 'quotes' : 'nothing')) return;
  if (frame === 'single') {
    if (reader.text[reader.at] === "'") reader.frames.pop();
    reader.at += 1;
    return;
  }
  if (reader.text[reader.at] === '\\') {
    reader.at += 2;
    return;
  }
  if (takeSubstitution(reader, frame)) return;
  if (frame === 'double') {
    if (reader.text[reader.at] === '"') reader.frames.pop();
    reader.at += 1;
    return;
  }
  stepUnquoted(reader, frame);
}

/** `$(`, `$((` and backticks begin a fresh place, also inside double quotes. */
function takeSubstitution(reader: Reader, frame: Frame): boolean {
  const { text, at, frames } = reader;
  if (text.startsWith('$((', at)) {
    frames.push('arithmetic');
    reader.at += 3;
    return true;
  }
  if (text.startsWith('$(', at)) {
    frames.push('command');
    reader.at += 2;
    return true;
  }
  if (text[at] !== '`') return false;
  if (frame === 'backtick') frames.pop();
  else frames.push('backtick');
  reader.at += 1;
  return true;
}

function stepUnquoted(reader: Reader, frame: Frame): void {
  const { text, at, frames } = reader;
  const letter = text[at] ?? '';
  if (frame === 'arithmetic' && text.startsWith('))', at)) {
    frames.pop();
    reader.at += 2;
    return;
  }
  reader.at += 1;
  switch (letter) {
    case "'":
      frames.push('single');
      return;
    case '"':
      frames.push('double');
      return;
    case '(':
      frames.push('parenthesis');
      return;
    case ')':
      // The `)` of a `case` pattern closes nothing.
      if (frame === 'command' || frame === 'parenthesis') frames.pop();
      return;
    case '#':
      if (at === 0 || /[\s;&|(]/.test(text[at - 1] ?? '')) skipLine(reader);
      return;
    case '<':
      if (frame !== 'arithmetic') announceHereDocument(reader, at);
      return;
    case '\n':
      readHereDocuments(reader);
      return;
    default:
  }
}

function skipLine(reader: Reader): void {
  const end = reader.text.indexOf('\n', reader.at);
  reader.at = end === -1 ? reader.text.length : end;
}

function announceHereDocument(reader: Reader, at: number): void {
  const match = /^<<(-?)[ \t]*(?:'([^'\n]+)'|"([^"\n]+)"|\\?([A-Za-z_]\w*))/.exec(reader.text.slice(at, at + 200));
  const end = match?.[2] ?? match?.[3] ?? match?.[4];
  if (match === null || end === undefined) return;
  reader.hereDocuments.push({ end, stripsTabs: match[1] === '-' });
  reader.at = at + match[0].length;
}

function readHereDocuments(reader: Reader): void {
  for (const { end, stripsTabs } of reader.hereDocuments.splice(0)) {
    while (reader.at < reader.text.length) {
      const newline = reader.text.indexOf('\n', reader.at);
      const lineEnd = newline === -1 ? reader.text.length : newline;
      const line = reader.text.slice(reader.at, lineEnd);
      if ((stripsTabs ? line.replace(/^\t+/, '') : line) === end) {
        reader.at = lineEnd + 1;
        break;
      }
      while (reader.at < lineEnd) if (!takePlaceholder(reader, 'hereDocument')) reader.at += 1;
      reader.at = Math.max(reader.at, lineEnd + 1);
    }
  }
}
