/** Whether this machine can hold the node lab. It tries what the lab will do, in namespaces that end with the try. */
import { mkdir, statfs } from 'node:fs/promises';
import { execa } from 'execa';
import { labsFolder } from './leftovers.ts';

const tries = [
  'mount --make-rprivate /',
  'mount -t tmpfs tmpfs /mnt',
  'mkdir /mnt/lower /mnt/upper /mnt/work /mnt/both',
  'mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/both',
  'mount -t proc proc /proc',
  'ip link add lab0 type veth peer name lab1',
  'ip link add lab2 type bridge',
];

const overlayMagic = 0x79_4c_76_30;
const tryMs = 20_000;

/** In a few words, or `undefined` where nothing stands against it. */
export async function whyNot(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (process.getuid?.() !== 0) return 'it needs root (namespaces, overlay file systems, network bridges)';
  await mkdir(labsFolder, { recursive: true, mode: 0o700 });
  if ((await statfs(labsFolder)).type === overlayMagic) {
    return `${labsFolder} lies on an overlay file system, and no other overlay can lie on that; mount a disk there`;
  }
  for (let count = 1; count <= tries.length; count += 1) {
    const script = tries.slice(0, count).join(' && ');
    const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc', '--cgroup', '--fork'];
    const result = await execa('unshare', [...namespaces, 'sh', '-c', script], { reject: false, timeout: tryMs });
    if (result.failed) return `"${tries[count - 1]}" does not work: ${result.stderr.trim() || result.shortMessage}`;
  }
  return undefined;
}
