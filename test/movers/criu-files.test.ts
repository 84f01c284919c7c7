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
      case 'mode':
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

/** In each folder of `base`, `src` is copied to `dst`, `change` happens, and what it changed goes over. */
async function copyAround(change: () => void): Promise<void> {
  for (const folder of fs.readdirSync(base)) {
    const root = path.join(base, folder);
    for (const each of ['dst', 'out/files', 'out/volumes']) fs.mkdirSync(path.join(root, each), { recursive: true });
    fs.copyFileSync(path.join(nodeFolder, 'standby.sh'), path.join(root, 'standby'));
  }
  // What was written just now is taken to have changed, as file systems know the time but roughly.
  await sleep(1_100);
  inEach('first_copy volume v "$move/src" || true');
  await sleep(1_100);
  change();
  inEach(
    `pack_folder volume v "$move/src" && . ${nodeFolder}/target-lib.sh && put_in_place "$move/dst" "$move/out/volumes/v"`,
  );
}

/** What a script of bash says that has the functions of the source at hand. */
function said(root: string, script: string): string {
  const text = `move=${root} && cd "$move" && . ${nodeFolder}/source-files.sh && ${script}`;
  return execFileSync('bash', ['-c', text], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

it('a folder that takes the place of another brings its files along, however old they are', async () => {
  const root = path.join(base, 'swap');
  const at = (name: string): string => path.join(root, 'src', name);
  for (const each of ['now', 'next']) {
    fs.mkdirSync(at(`${each}/deep`), { recursive: true });
    fs.writeFileSync(at(`${each}/deep/file`), each.padEnd(4));
    fs.utimesSync(at(`${each}/deep/file`), 1, 1);
  }
  await copyAround(() => {
    fs.renameSync(at('now'), at('old'));
    fs.renameSync(at('next'), at('now'));
  });
  expect(fs.readFileSync(path.join(root, 'dst/now/deep/file'), 'utf8')).toBe('next');
  expect(shown(path.join(root, 'dst'))).toEqual(shown(path.join(root, 'src')));
});

it('a clock that was set between the copies makes the first one useless', async () => {
  const root = path.join(base, 'clock');
  fs.mkdirSync(path.join(root, 'src'), { recursive: true });
  fs.writeFileSync(path.join(root, 'src/file'), 'x');
  await copyAround(() => fs.writeFileSync(path.join(root, 'first.volume.v.offset'), '1000\n'));
  expect(fs.existsSync(path.join(root, 'out/volumes/v.delta'))).toBe(false);
  expect(execFileSync('tar', ['-tf', path.join(root, 'out/volumes/v.tar')], { encoding: 'utf8' })).toBe('./\n./file\n');
});

it('what CRIU makes beside the files of a container, and takes away again, is none of them', async () => {
  const root = path.join(base, 'criu');
  fs.mkdirSync(path.join(root, 'src/tmp'), { recursive: true });
  await copyAround(() => {
    for (const each of ['src/cr-tmpfs.abcdef', 'src/tmp/cr-tmpfs.ghijkl']) fs.mkdirSync(path.join(root, each));
  });
  expect(shown(path.join(root, 'dst'))).toEqual(['tmp 755 folder']);
});

it('a file that goes while the files are listed is no fault; one that cannot be looked at is', () => {
  fs.writeFileSync(path.join(base, 'file'), '');
  const listed = (complaint: string): string =>
    said(
      base,
      `find() { command find "$@"; echo "find: 'x': ${complaint}" >&2; return 1; }; { names . 2>&1 || echo no; }`,
    );
  expect(listed('No such file or directory')).toBe('./file\0');
  expect(listed('Input/output error')).toContain("find: 'x': Input/output error");
  expect(listed('Input/output error')).toMatch(/no\n$/);
  expect(said(base, 'names ./gone || echo no')).toBe('no\n');
});

it('holes of files stay holes', async () => {
  const root = path.join(base, 'holes');
  fs.mkdirSync(path.join(root, 'src'), { recursive: true });
  for (const each of ['first', 'late']) fs.writeFileSync(path.join(root, 'src', each), 'x');
  fs.truncateSync(path.join(root, 'src/first'), 2 ** 34);
  await copyAround(() => fs.truncateSync(path.join(root, 'src/late'), 2 ** 34));
  for (const each of ['first', 'late']) {
    const { size, blocks } = fs.statSync(path.join(root, 'dst', each));
    expect({ each, size, few: blocks < 100 }).toEqual({ each, size: 2 ** 34, few: true });
  }
});

it(
  'files of a pod that are copied while it runs, and once more as far as they changed, are the same in the end',
  { timeout: 120_000 },
  async () => {
    const cases = fc.sample(fc.tuple(fc.array(change, { maxLength: 25 }), fc.array(change, { maxLength: 15 })), 25);
    const roots = cases.map((_, index) => path.join(base, String(index)));
    for (const [index, root] of roots.entries()) {
      fs.mkdirSync(path.join(root, 'src'), { recursive: true });
      fs.writeFileSync(path.join(root, 'src/unchanged'), 'x'.repeat(100_000));
      for (const each of cases[index]?.[0] ?? []) apply(path.join(root, 'src'), each);
    }
    await copyAround(() => {
      for (const [index, root] of roots.entries()) {
        for (const each of cases[index]?.[1] ?? []) apply(path.join(root, 'src'), each);
      }
    });
    let deltas = 0;
    for (const [index, root] of roots.entries()) {
      expect({ index, files: shown(path.join(root, 'dst')) }).toEqual({ index, files: shown(path.join(root, 'src')) });
      if (!fs.existsSync(path.join(root, 'out/volumes/v.delta'))) continue;
      deltas += 1;
      expect(fs.statSync(path.join(root, 'out/volumes/v.tar')).size).toBeLessThan(100_000);
    }
    expect(deltas).toBeGreaterThan(5);
  },
);

it('what a container removed of its image, by name or with a folder made anew, is known to the target', () => {
  const write = (...names: string[]): void => {
    for (const each of names) {
      fs.mkdirSync(path.dirname(path.join(base, each)), { recursive: true });
      fs.writeFileSync(path.join(base, each), '');
    }
  };
  write('1/fs/a/kept', '1/fs/a/removed', '1/fs/b/deep/hidden', '1/fs/other', '2/fs/a/upper layer');
  // As overlayfs shows it: `removed` was removed, `b` made anew with other things in it, and `a` got a new file.
  write(
    '3/fs/a/new',
    '3/fs/b/deep/mine',
    'seen/a/kept',
    'seen/a/new',
    'seen/a/upper layer',
    'seen/b/deep/mine',
    'seen/other',
  );
  for (const lowers of [`${base}/2/fs:${base}/1/fs`, '2/fs:1/fs']) {
    const hidden = said(base, `hidden ${base}/3/fs ${base}/seen ${lowers}`);
    expect(hidden.split('\0').filter(Boolean)).toEqual(['./a/removed', './b/deep/hidden']);
  }
});

it('more than a freeze may carry is said before the pod is touched, and not of what is copied beforehand', () => {
  fs.mkdirSync(path.join(base, 'volume'));
  fs.writeFileSync(path.join(base, 'folders'), `volume v ${base}/volume\nvolume gone ${base}/gone\n`);
  fs.writeFileSync(path.join(base, 'volume/file'), 'x'.repeat(3 * 2 ** 20));
  const judged = (fileSystem: string, when: string, limitKib: number): string =>
    said(base, `stat() { echo ${fileSystem}; } && freezeKib=${limitKib} && { is_too_much ${when} || echo no; }`).trim();
  const blocked = 'blocked 3 MiB of its files could go over only while it stands still, and 2 are the limit';
  expect(judged('zfs', 'before', 2_048)).toBe(blocked);
  expect(judged('zfs', 'before', 4_096)).toBe('no');
  expect(judged('xfs', 'before', 2_048)).toBe('no');
  expect(judged('xfs', 'after', 2_048)).toBe(blocked);
  expect(judged('tmpfs', 'after', 2_048)).toBe('no');
  fs.writeFileSync(path.join(base, 'first.volume.v.complete'), '');
  expect(judged('xfs', 'after', 2_048)).toBe('no');
});
