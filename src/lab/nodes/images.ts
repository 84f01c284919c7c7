/**
 * The container images of the lab, made from the programs of its root file system, because there is no registry: one for
 * the sandboxes' pause process, one with redis, PostgreSQL, Python and a shell. One archive in the OCI layout holds both.
 *
 * It never runs a container; `ctr image import` takes the archive.
 */
import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';

export const pauseImage = 'lab.pitcrew.dev/pause:1';
export const serversImage = 'lab.pitcrew.dev/servers:1';

/** Where the archive lies in the root. */
export const imagesArchive = '/usr/local/share/images/lab.tar';

/** A data base that is set up already, so that its pods start in no time. */
const databaseFolder = '/srv/postgresql';

const programs = [
  'bash',
  'cat',
  'chmod',
  'chown',
  'cp',
  'date',
  'dash',
  'env',
  'false',
  'grep',
  'head',
  'id',
  'ls',
  'md5sum',
  'mkdir',
  'python3',
  'readlink',
  'redis-cli',
  'redis-server',
  'rm',
  'sed',
  'setpriv',
  'sh',
  'sleep',
  'stat',
  'touch',
  'true',
  'tail',
].map((name) => `/usr/bin/${name}`);

const folders = ['/usr/lib/python3.13', '/usr/lib/postgresql', '/usr/share/postgresql', databaseFolder];
const files = [
  '/bin',
  '/sbin',
  '/lib',
  '/lib64',
  '/etc/passwd',
  '/etc/group',
  '/etc/nsswitch.conf',
  '/etc/ld.so.cache',
  '/usr/share/zoneinfo/UTC',
  '/usr/share/zoneinfo/Etc/UTC',
];

interface Layer {
  readonly name: string;
  readonly command: readonly string[];
  readonly paths: readonly string[];
  readonly recursive: readonly string[];
}

const minuteMs = 60_000;

export async function buildImages(root: string): Promise<void> {
  await makeDatabase(root);
  const layout = path.join(root, 'tmp', 'images');
  const blobs = path.join(layout, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const libraries = await librariesOf(root, [...programs, ...(await binariesBelow(root, '/usr/lib/postgresql'))]);
  const layers: readonly Layer[] = [
    { name: pauseImage, command: ['/usr/bin/catatonit', '-P'], paths: ['/usr/bin/catatonit'], recursive: [] },
    { name: serversImage, command: ['/bin/sh'], paths: [...files, ...programs, ...libraries], recursive: folders },
  ];
  const manifests = [];
  for (const layer of layers) manifests.push(await makeImage(root, blobs, layer));
  await writeFile(path.join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(path.join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  const archive = path.join(root, imagesArchive);
  await mkdir(path.dirname(archive), { recursive: true });
  await execa('tar', ['-C', layout, '-cf', archive, 'oci-layout', 'index.json', 'blobs'], { timeout: minuteMs });
  await rm(layout, { recursive: true });
}

async function makeDatabase(root: string): Promise<void> {
  const initdb = `/usr/lib/postgresql/17/bin/initdb --pgdata=${databaseFolder} --auth=trust --no-sync --no-locale --encoding=UTF8`;
  const settings = `listen_addresses='*'\\nshared_buffers=16MB\\njit=off\\n`;
  const script = [
    `install -d -o postgres -m 700 ${databaseFolder}`,
    `setpriv --reuid postgres --regid postgres --clear-groups ${initdb}`,
    `printf "${settings}" >>${databaseFolder}/postgresql.conf`,
    `printf 'host all all all trust\\n' >>${databaseFolder}/pg_hba.conf`,
  ].join(' && ');
  await execa('chroot', [root, '/bin/sh', '-c', script], { env: { LC_ALL: 'C' }, timeout: 2 * minuteMs });
}

async function makeImage(root: string, blobs: string, { name, command, paths, recursive }: Layer): Promise<unknown> {
  const all = await withLinkTargets(root, paths);
  const layerFile = path.join(blobs, 'layer');
  const common = ['-C', root, '--numeric-owner', '--sort=name'];
  await execa('tar', [...common, '-cf', layerFile, '--no-recursion', ...belowRoot(all)], { timeout: minuteMs });
  if (recursive.length > 0) {
    // Compiling queries takes a library that is larger than everything else together.
    const left = ['--exclude=__pycache__', '--exclude=llvmjit*', '--exclude=bitcode'];
    await execa('tar', [...common, ...left, '-rf', layerFile, ...belowRoot(recursive)], { timeout: minuteMs });
  }
  const layerDigest = await digestOf(layerFile);
  const layerSize = (await stat(layerFile)).size;
  await rename(layerFile, path.join(blobs, layerDigest));
  const config = await writeBlob(blobs, {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C'], Cmd: command, WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
  });
  const manifest = await writeBlob(blobs, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${layerDigest}`, size: layerSize }],
  });
  return {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    ...manifest,
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
  };
}

/** As tar wants them, from the root on. */
function belowRoot(paths: readonly string[]): string[] {
  return paths.map((entry) => entry.slice(1));
}

async function writeBlob(blobs: string, content: unknown): Promise<{ digest: string; size: number }> {
  const text = JSON.stringify(content);
  const digest = hash('sha256', text);
  await writeFile(path.join(blobs, digest), text);
  return { digest: `sha256:${digest}`, size: Buffer.byteLength(text) };
}

async function digestOf(file: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(file)) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

async function binariesBelow(root: string, folder: string): Promise<string[]> {
  const { stdout } = await execa('find', [
    path.join(root, folder),
    '-type',
    'f',
    '(',
    '-perm',
    '-100',
    '-o',
    '-name',
    '*.so',
    ')',
  ]);
  const found = stdout.split('\n').filter((file) => !path.basename(file).startsWith('llvmjit'));
  return found.map((file) => file.slice(root.length));
}

/** As the loader of the root itself finds them. */
async function librariesOf(root: string, binaries: readonly string[]): Promise<string[]> {
  const { stdout } = await execa('chroot', [root, 'ldd', ...binaries], { reject: false, timeout: minuteMs });
  const found = [...stdout.matchAll(/(?:=>\s+|^\s+)(\/\S+)\s+\(0x/gm)].map((match) => match[1] ?? '');
  return [...new Set(found)];
}

/** With every link on the way to the file itself; `/lib` and its like are links of the root. */
async function withLinkTargets(root: string, paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  const waiting = [...paths];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const file = next.replace(/^\/(lib|lib64|bin|sbin)\//, '/usr/$1/');
    if (found.has(file)) continue;
    found.add(file);
    const isLink = (await lstat(path.join(root, file))).isSymbolicLink();
    const isTopLink = path.dirname(file) === '/';
    if (isLink && !isTopLink) waiting.push(path.resolve(path.dirname(file), await readlink(path.join(root, file))));
  }
  return [...found].sort();
}
