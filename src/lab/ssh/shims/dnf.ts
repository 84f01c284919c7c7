/** The package tools of RHEL and its relatives, on the same machine. */
import { sh } from './sh.ts';

const dnf = sh`verb='' download='' assumeno='' quiet='' packages='' expect=''
say() { [ -n "$quiet" ] || line "$@"; }
for word in "$@"; do
  if [ -n "$expect" ]; then expect=''; continue; fi
  case $word in
    --downloadonly) download=1 ;;
    --assumeno) assumeno=1 ;;
    -q | --quiet) quiet=1 ;;
    -c | -d | -e | -x | --exclude | --setopt | --enablerepo | --disablerepo) expect=1 ;;
    -y | --assumeyes | --refresh | --best | --nobest | --security | --bugfix | -C | --cacheonly | -v | --*=*) ;;
    -r | --reboothint) hint=1 ;;
    -s | --services) ;;
    -*) echo "dnf: error: unrecognized arguments: $word" >&2; exit 2 ;;
    *) if [ -z "$verb" ]; then verb=$word; else packages="$packages $word"; fi ;;
  esac
done
need_root() {
  is_root && return
  echo 'Error: This command has to be run with superuser privileges (under the root user on most systems).' >&2
  exit 1
}
concerned() {
  [ -z "$packages" ] && return
  for package in $packages; do
    case $package in kernel | kernel-core | kernel-\* | '*') return 0 ;; esac
  done
  return 1
}
cached=$LAB_ROOT/var/cache/dnf/kernel-$LAB_UPDATED.rpm
upgrade() {
  need_root
  if ! concerned || is_updated; then say 'Dependencies resolved.'; say 'Nothing to do.'; say 'Complete!'; return; fi
  say 'Dependencies resolved.'
  say "Installing: kernel x86_64 $LAB_UPDATED baseos"
  if [ -n "$assumeno" ]; then echo 'Operation aborted.' >&2; exit 1; fi
  if [ ! -e "$cached" ]; then
    say "kernel-core-$LAB_UPDATED.rpm   21 MB/s |  18 MB     00:00"
    mkdir -p "\${cached%/*}"
    : >"$cached"
  fi
  if [ -n "$download" ]; then say 'Complete!'; return; fi
  say 'Running transaction'
  say "  Installing       : kernel-core-$LAB_UPDATED   1/2"
  say "  Installing       : kernel-$LAB_UPDATED        2/2"
  call install || { echo 'Error: Transaction failed' >&2; exit 1; }
  rm -f "$cached"
  say 'Complete!'
}
case $verb in
  check-update | check-upgrade)
    concerned && ! is_updated || exit 0
    echo
    echo "kernel.x86_64    $LAB_UPDATED    baseos"
    exit 100
    ;;
  update | upgrade | install | distro-sync) upgrade ;;
  makecache) say 'Metadata cache created.' ;;
  clean) need_root; say '0 files removed' ;;
  needs-restarting)
    if [ "$(newest)" = "$running" ]; then
      echo 'No core libraries or services have been updated since boot-up.'
      echo 'Reboot should not be necessary.'
      exit 0
    fi
    echo 'Core libraries or services have been updated since boot-up:'
    echo '  * kernel'
    echo
    echo 'Reboot is required to fully utilize these updates.'
    exit 1
    ;;
  '') echo 'usage: dnf [options] COMMAND' >&2; exit 1 ;;
  *) echo "No such command: $verb. Please use /usr/bin/dnf --help" >&2; exit 1 ;;
esac
`;

const rpm = sh`case $1 in -q*) ;; *) echo "rpm: $1: unknown option" >&2; exit 1 ;; esac
for name in "$@"; do
  case $name in
    -*) ;;
    kernel | kernel-core) kernels | sort -rV | while read -r kernel; do echo "$name-$kernel    Sat 01 Nov 2025 12:00:00 UTC"; done ;;
    *) echo "package $name is not installed"; exit 1 ;;
  esac
done
`;

const grubby = sh`case $1 in
  --default-kernel) echo "$LAB_ROOT/boot/vmlinuz-$(newest)" ;;
  *) echo "grubby: unknown option $1" >&2; exit 1 ;;
esac
`;

export const dnfShims = {
  dnf,
  yum: 'exec "$LAB_PROGRAMS/dnf" "$@"\n',
  'needs-restarting': 'exec "$LAB_PROGRAMS/dnf" needs-restarting "$@"\n',
  rpm,
  grubby,
};
