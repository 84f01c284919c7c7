/**
 * The file system of one lab machine: a folder in which lie the few files that maintenance looks at, kept in step with
 * the simulated machine; and the rewriting that sends scripts there.
 *
 * It is no sandbox: a script runs with the rights of the lab itself. Known places and programs are led to the folder and
 * the shims, which is enough for playbooks that were read, and for none that was not.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from '../../simulator/machine.ts';

/** Longer ones first where one is the beginning of another. */
const places = 'lib/modules proc/sys/kernel usr/local boot etc home mnt opt root run srv sys tmp var'.split(' ');

const beforePlace = String.raw`(?<![\w.\-+*})/$@])`;
const afterPlace = String.raw`(?![\w.\-])`;

/**
 * What a script calls by its whole path would pass the shims by, and `/sbin/reboot` would then mean it. All in one pass,
 * because the folder's own path may begin like one of the places.
 */
export function rewriter(root: string, shims: string, programs: readonly string[]): (text: string) => string {
  const program = String.raw`/(?:usr/)?s?bin/(?=(?:${programs.join('|')})${afterPlace})`;
  const place = `/(?=(?:${places.join('|')})${afterPlace})`;
  const either = new RegExp(`${beforePlace}(?:${program}|${place})`, 'g');
  return (text) => text.replaceAll(either, (found) => (found === '/' ? `${root}/` : `${shims}/`));
}

export class MachineFiles {
  readonly root: string;
  readonly #machine: Machine;

  constructor(root: string, machine: Machine) {
    this.root = root;
    this.#machine = machine;
    for (const folder of ['boot', 'etc/apt', 'home', 'lab', 'lib/modules', 'opt', 'proc/sys/kernel/random', 'root']) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    for (const folder of ['run/systemd/system', 'tmp', 'usr/local', 'var/lib/fwupd', 'var/cache/apt/archives']) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    if (!existsSync(join(root, 'var/run'))) symlinkSync('../run', join(root, 'var/run'));
    this.#write('etc/hostname', machine.name);
    this.#write('etc/os-release', osRelease);
    this.#write('var/lib/fwupd/offered', 'BMC Firmware 2.14 to 2.17');
    this.#writeBoot();
    this.keepInStep();
  }

  /** What may change while the machine is up. Called before each command and after each change that is known. */
  keepInStep(): void {
    const present = new Set(readdirSync(join(this.root, 'boot')));
    for (const kernel of this.#machine.installedKernels) {
      if (present.has(`vmlinuz-${kernel}`)) continue;
      this.#write(`boot/initrd.img-${kernel}`, '');
      mkdirSync(join(this.root, 'lib/modules', kernel), { recursive: true });
      // Last, because this is the one that others look for.
      this.#write(`boot/vmlinuz-${kernel}`, '');
    }
    this.#write('lab/failed-units', this.#machine.failedUnits.join('\n'));
  }

  /** As the distributions do after the installation of a kernel, not for every kernel that does not run. */
  markRebootRequired(): void {
    this.#write('run/reboot-required', '*** System restart required ***');
    this.#write('run/reboot-required.pkgs', `linux-image-${this.#machine.newestKernel}`);
  }

  /** `/run` is in memory, `/var` is not; firmware that was staged is written on the way. */
  boot(): void {
    rmSync(join(this.root, 'run'), { recursive: true, force: true });
    mkdirSync(join(this.root, 'run/systemd/system'), { recursive: true });
    const staged = join(this.root, 'var/lib/fwupd/staged');
    if (existsSync(staged)) renameSync(staged, join(this.root, 'var/lib/fwupd/written'));
    this.#writeBoot();
    this.keepInStep();
  }

  #writeBoot(): void {
    this.#write('proc/sys/kernel/random/boot_id', this.#machine.bootId);
    this.#write('proc/sys/kernel/osrelease', this.#machine.kernel);
    this.#write('proc/sys/kernel/hostname', this.#machine.name);
  }

  /** Moved into place, because a script may be reading. */
  #write(path: string, line: string): void {
    const file = join(this.root, path);
    writeFileSync(`${file}.new`, line === '' ? '' : `${line}\n`);
    renameSync(`${file}.new`, file);
  }
}

const osRelease = `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION_CODENAME=bookworm
ID=debian`;
