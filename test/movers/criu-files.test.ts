/** The files of a moved pod go over twice: in the end the target has exactly what the source has, and unchanged files went once. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';

const nodeFolder = path.join(import.meta.dirname, '../../src/movers/criu/node');
let base = '';

beforeEach(() => {
  base = fs.mkdtempSync(path.join(tmpdir(), 'pitcrew-files-'));
});
afterEach(() => fs.rmSync(base, { recursive: true }));

/** Few names, so that changes meet; some of them are awkward. */
const name = fc.constantFrom('a', 'b', 'c d', "it's", '*', '-x', 'ü', 'a\\b');
const place = fc.array(name, { minLength: 1, maxLength: 3 });
const change = fc.record({
  what: fc.constantFrom('write', 'append', 'remove', 'folder', 'rename', 'link', 'second name', 'mode'),
  at: place,
  to: place,
  text: fc.string({ maxLength: 20 }),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** What cannot be done, as the tree is by now, is left out. */
function apply(root: string, { what, at, to, text }: Change): void {
  const [from, other] = [path.join(root, ...at), path.join(root, ...to)];
  try {
    switch (what) {
      case 'write':
        fs.mkdirSync(path.dirname(from), { recursive: true });
        fs.writeFileSync(from, text);
        break;
      case 'append':
        fs.appendFileSync(from, text);
        break;
      case 'remove':
        fs.rmSync(from, { recursive: true });
        break;
      case 'folder':
        fs.rmSync(from, { recursive: true, force: true });
        fs.mkdirSync(from, { recursive: true });
        break;
      case 'rename':
        fs.renameSync(from, other);
        break;
      case 'link':
        fs.symlinkSync(text, from);
        break;
      case 'second name':
        fs.linkSync(from, other);
        break;
      default:
        fs.chmodSync(from, 0o750);
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}

/** Names, kinds, modes and contents. */
function shown(root: string): string[] {
  const entries = fs.readdirSync(root, { recursive: true, withFileTypes: true });
  return entries
    .map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      const at = path.relative(root, file);
      if (entry.isSymbolicLink()) return `${at} -> ${fs.readlinkSync(file)}`;
      const mode = (fs.statSync(file).mode & 0o777).toString(8);
      return `${at} ${mode} ${entry.isDirectory() ? 'folder' : fs.readFileSync(file, 'utf8')}`;
    })
    .sort();
}

/** Every folder of `base` that holds a `src` has its copy beside it in `dst`. */
function inEach(script: string): void {
  const prelude = `for folder in ${base}/*/; do (
    cd "$folder" && move=$PWD && . ${nodeFolder}/source-files.sh
    # Whatever file system this is, nobody here writes through mappings; and the time of the first copy is now.
    is_dated() { :; }
    date() { echo $(($(command date +%s) + 2)); }
    carry() { tar -x -C "$move/dst" -f -; }
    ${script}
  ) || exit 1; done`;
  execFileSync('bash', ['-c', prelude], { stdio: ['ignore', 'ignore', 'inherit'] });
}

it('files of a pod that are copied while it runs, and once more as far as they changed, are the same in the end', async () => {
  const cases = fc.sample(fc.tuple(fc.array(change, { maxLength: 25 }), fc.array(change, { maxLength: 15 })), 25);
  const roots = cases.map((_, index) => path.join(base, String(index)));
  for (const [index, root] of roots.entries()) {
    for (const folder of ['src', 'dst', 'out/files', 'out/volumes']) {
      fs.mkdirSync(path.join(root, folder), { recursive: true });
    }
    fs.writeFileSync(path.join(root, 'src/unchanged'), 'x'.repeat(100_000));
    fs.copyFileSync(path.join(nodeFolder, 'standby.sh'), path.join(root, 'standby'));
    for (const each of cases[index]?.[0] ?? []) apply(path.join(root, 'src'), each);
  }
  await sleep(1_100);
  inEach('first_copy volume v "$move/src" || true');
  await sleep(1_100);
  for (const [index, root] of roots.entries()) {
    for (const each of cases[index]?.[1] ?? []) apply(path.join(root, 'src'), each);
  }
  inEach(
    `pack_folder volume v "$move/src" && . ${nodeFolder}/target-lib.sh && put_in_place "$move/dst" "$move/out/volumes/v"`,
  );
  let deltas = 0;
  for (const [index, root] of roots.entries()) {
    expect({ index, files: shown(path.join(root, 'dst')) }).toEqual({ index, files: shown(path.join(root, 'src')) });
    if (!fs.existsSync(path.join(root, 'out/volumes/v.delta'))) continue;
    deltas += 1;
    expect(fs.statSync(path.join(root, 'out/volumes/v.tar')).size).toBeLessThan(100_000);
  }
  expect(deltas).toBeGreaterThan(5);
});
