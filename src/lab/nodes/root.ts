/**
 * The root file system that all lab servers share, read-only below their own layers: built once by `root.sh`, kept outside of
 * the repository, and built anew when the recipe changes.
 *
 * It never repairs one: a root is there as a whole or not at all, because it is renamed into place when it is complete.
 */
import { hash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { buildImages } from './images.ts';
import { processId } from './namespaces.ts';

const recipeFile = path.join(import.meta.dirname, 'root.sh');
const imagesFile = path.join(import.meta.dirname, 'images.ts');
const aptFolder = '/etc/apt';
/** Two minutes on an idle machine; a slow mirror or a busy machine takes longer. */
const buildTimeoutMs = 30 * 60_000;

export interface RootOptions {
  readonly cacheFolder?: string | undefined;
  readonly say: (text: string) => void;
}

/** Gives the folder of the root, building it first if need be. Throws with the end of the log where the build fails. */
export async function ensureRoot(options: RootOptions): Promise<string> {
  const { cacheFolder = defaultCacheFolder() } = options;
  const recipe = Buffer.concat([await readFile(recipeFile), await readFile(imagesFile)]);
  const root = path.join(cacheFolder, `root-${hash('sha256', recipe).slice(0, 12)}`);
  if (existsSync(root)) return root;
  await mkdir(cacheFolder, { recursive: true, mode: 0o755 });
  await removeAbandoned(cacheFolder);
  const mirror = await mirrorOfThisMachine();
  if (!existsSync('/usr/sbin/debootstrap')) await installDebootstrap();
  const building = path.join(cacheFolder, `building-${process.pid}`);
  const log = path.join(cacheFolder, 'build.log');
  options.say(`building the root file system of the lab servers in ${root} (once; log: ${log})`);
  await rm(building, { recursive: true, force: true });
  try {
    const build = execa('/bin/sh', [recipeFile, building, mirror], {
      timeout: buildTimeoutMs,
      reject: false,
      all: true,
    });
    build.all.pipe(createWriteStream(log));
    const { exitCode, all } = await build;
    if (exitCode !== 0) throw new Error(`root.sh ended with exit code ${exitCode ?? 'none'}:\n${all.slice(-1_000)}`);
    await buildImages(building);
    await renameUnlessThere(building, root);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return root;
}

function defaultCacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? '/var/cache';
  return path.join(base, 'pitcrew-nodelab');
}

/** What a build that was killed has left: its number is that of a process that is gone. */
async function removeAbandoned(cacheFolder: string): Promise<void> {
  for (const name of await readdir(cacheFolder)) {
    const pid = Number(/^building-(\d+)$/.exec(name)?.[1]);
    if (pid > 0 && !(await processId(pid))) await rm(path.join(cacheFolder, name), { recursive: true, force: true });
  }
}

/** Another lab may have built the same meanwhile; theirs is as good. */
async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

async function installDebootstrap(): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await execa('apt-get', ['update'], { env, timeout: buildTimeoutMs });
  await execa('apt-get', ['install', '-y', '--no-install-recommends', 'debootstrap'], { env, timeout: buildTimeoutMs });
}

/** Where this machine itself gets Debian packages from: both forms of apt's source lists, the first Debian archive of all. */
async function mirrorOfThisMachine(): Promise<string> {
  const folder = path.join(aptFolder, 'sources.list.d');
  const names = existsSync(folder)
    ? (await readdir(folder)).filter((name) => /\.(?:list|sources)$/.test(name)).sort()
    : [];
  const files = [path.join(aptFolder, 'sources.list'), ...names.map((name) => path.join(folder, name))].filter(
    existsSync,
  );
  const texts = await Promise.all(files.map(async (file) => await readFile(file, 'utf8')));
  const found = texts.flatMap(mirrorsIn).find((url) => /\/debian\/?$/.test(url));
  if (found === undefined) throw new Error(`no Debian archive is named in ${files.join(', ') || aptFolder}`);
  return found;
}

/** Every address of an archive in one source list. */
export function mirrorsIn(text: string): string[] {
  const lines = text.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  const oneLine = lines.flatMap((line) => /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s/.exec(line)?.[1] ?? []);
  const deb822 = lines.flatMap((line) => /^URIs:\s*(.+)$/.exec(line)?.[1]?.trim().split(/\s+/) ?? []);
  return [...oneLine, ...deb822];
}
