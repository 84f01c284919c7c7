/** Debian's package tools: one kernel package that may be updated, and everything else up to date. */
import { sh } from './sh.ts';

const aptGet = sh`verb='' simulate='' download='' packages='' expect=''
for word in "$@"; do
  if [ -n "$expect" ]; then expect=''; continue; fi
  case $word in
    -s | --simulate | --just-print | --dry-run | --recon | --no-act) simulate=1 ;;
    -d | --download-only) download=1 ;;
    -o | -c | -t) expect=1 ;;
    -o?* | -q | -qq | -y | --yes | --assume-yes | --quiet | -q=* | --no-remove | --no-install-recommends) ;;
    --only-upgrade | --no-upgrade | --reinstall | --allow-downgrades | --purge | --auto-remove | -V | -u | -m | -f) ;;
    --fix-broken | --fix-missing | --no-download | --allow-change-held-packages | --option=* | --no-auto-remove) ;;
    -*) echo "E: Command line option '$word' is not understood in combination with the other options." >&2; exit 100 ;;
    *) if [ -z "$verb" ]; then verb=$word; else packages="$packages $word"; fi ;;
  esac
done
need_root() {
  is_root && return
  echo "E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)" >&2
  echo "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?" >&2
  exit 100
}
image=linux-image-$LAB_UPDATED
version=\${LAB_UPDATED%-*}-1
archive=$LAB_ROOT/var/cache/apt/archives/\${image}_\${version}_amd64.deb
lists() { line 'Reading package lists...'; line 'Building dependency tree...'; line 'Reading state information...'; }
# Packages that follow the newest kernel; whatever else is known is up to date.
wanted=''
look_up() {
  for package in $packages; do
    case $package in
      linux-image-amd64 | linux-image-generic | "$image") wanted=$package ;;
      linux-headers-* | linux-image-* | linux-generic | linux-base | firmware-*) ;;
      openssh-server | containerd | containerd.io | kubelet | kubeadm | fwupd | needrestart | curl | ca-certificates | ipmitool) ;;
      *) echo "E: Unable to locate package $package" >&2; exit 100 ;;
    esac
  done
}
simulation() {
  echo 'NOTE: This is only a simulation!'
  echo "Inst $image ($version Debian:12.9/stable [amd64])"
  [ "$wanted" = "$image" ] || echo "Inst $wanted [\${running%-*}-1] ($version Debian:12.9/stable [amd64])"
  echo "Conf $image ($version Debian:12.9/stable [amd64])"
  [ "$wanted" = "$image" ] || echo "Conf $wanted ($version Debian:12.9/stable [amd64])"
}
fetch() {
  [ -e "$archive" ] && return
  line "Need to get 68.8 MB of archives."
  line "Get:1 http://mirror.example/debian bookworm/main amd64 $image amd64 $version [68.8 MB]"
  line "Get:2 http://mirror.example/debian bookworm/main amd64 $wanted amd64 $version [1480 B]"
  line "Fetched 68.8 MB in 1s (63.1 MB/s)"
  : >"$archive"
}
unpack() {
  line "Selecting previously unselected package $image."
  line "Preparing to unpack .../\${image}_\${version}_amd64.deb ..."
  line "Unpacking $image ($version) ..."
  line "Preparing to unpack .../\${wanted}_\${version}_amd64.deb ..."
  line "Unpacking $wanted ($version) over (\${running%-*}-1) ..."
  line "Setting up $image ($version) ..."
  line "/etc/kernel/postinst.d/initramfs-tools:"
  line "update-initramfs: Generating /boot/initrd.img-$LAB_UPDATED"
  line "/etc/kernel/postinst.d/zz-update-grub:"
  line "Generating grub configuration file ..."
  line "Found linux image: /boot/vmlinuz-$LAB_UPDATED"
  line "Found initrd image: /boot/initrd.img-$LAB_UPDATED"
  line "Found linux image: /boot/vmlinuz-$running"
  line "done"
  call install || { echo 'E: Sub-process /usr/bin/dpkg returned an error code (1)' >&2; exit 100; }
  rm -f "$archive"
  line "Setting up $wanted ($version) ..."
}
install() {
  [ -n "$simulate" ] || need_root
  lists
  if [ -z "$wanted" ] || is_updated; then
    for package in $packages; do line "$package is already the newest version."; done
    line '0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.'
    return
  fi
  line 'The following NEW packages will be installed:'
  line "  $image"
  line 'The following packages will be upgraded:'
  line "  $wanted"
  line '1 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.'
  if [ -n "$simulate" ]; then simulation; return; fi
  fetch
  if [ -n "$download" ]; then line 'Download complete and in download only mode'; return; fi
  unpack
}
case $verb in
  update)
    need_root
    line 'Hit:1 http://mirror.example/debian bookworm InRelease'
    line 'Get:2 http://mirror.example/debian-security bookworm-security InRelease [48.0 kB]'
    line 'Fetched 48.0 kB in 0s (312 kB/s)'
    line 'Reading package lists...'
    ;;
  install) look_up; install ;;
  upgrade | dist-upgrade) packages=linux-image-amd64; look_up; install ;;
  remove | purge | autoremove | autopurge)
    [ -n "$simulate" ] || need_root
    lists
    line '0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.'
    ;;
  clean | autoclean) need_root; rm -f "$LAB_ROOT"/var/cache/apt/archives/*.deb ;;
  check) line 'Reading package lists...' ;;
  '') echo 'Usage: apt-get [options] command' ;;
  *) echo "E: Invalid operation $verb" >&2; exit 100 ;;
esac
`;

const aptCache = sh`case $1 in
  policy)
    shift
    for package in "$@"; do
      case $package in linux-image-amd64 | linux-image-generic) ;; *) continue ;; esac
      if is_updated; then installed=\${LAB_UPDATED%-*}-1; else installed=\${running%-*}-1; fi
      printf '%s:\n  Installed: %s\n  Candidate: %s\n' "$package" "$installed" "\${LAB_UPDATED%-*}-1"
    done
    ;;
  depends | show)
    case $2 in
      linux-image-amd64 | linux-image-generic)
        printf 'Package: %s\nVersion: %s\nDepends: linux-image-%s\n' "$2" "\${LAB_UPDATED%-*}-1" "$LAB_UPDATED" ;;
      *) echo 'E: No packages found' >&2; exit 100 ;;
    esac
    ;;
  *) echo "E: Invalid operation $1" >&2; exit 100 ;;
esac
`;

/** Nothing is set, so there is nothing to print. */
const aptConfig = sh`case $1 in
  shell | dump) exit 0 ;;
  *) echo "E: Invalid operation $1" >&2; exit 100 ;;
esac
`;

const dpkgQuery = sh`format='\${Package}\t\${Version}\n' verb='' names=''
while [ $# -gt 0 ]; do
  case $1 in
    -W | --show) verb=show ;;
    -l | --list) verb=show format='ii  \${Package} \${Version} amd64\n' ;;
    -s | --status) verb=show format='Package: \${Package}\nStatus: install ok installed\nVersion: \${Version}\n' ;;
    -f) format=$2; shift ;;
    -f=* | --showformat=*) format=\${1#*=} ;;
    -f?*) format=\${1#-f} ;;
    -*) echo "dpkg-query: error: unknown option $1" >&2; exit 2 ;;
    *) names="$names $1" ;;
  esac
  shift
done
[ "$verb" = show ] || { echo 'dpkg-query: error: need an action option' >&2; exit 2; }
installed() {
  kernels | while read -r kernel; do echo "linux-image-$kernel \${kernel%-*}-1"; done
  if is_updated; then echo "linux-image-amd64 \${LAB_UPDATED%-*}-1"; else echo "linux-image-amd64 \${running%-*}-1"; fi
}
found=$(installed | while read -r package version; do
  if [ -n "$names" ]; then
    matched=''
    for name in $names; do
      case $package in $name) matched=1 ;; esac
    done
    [ -n "$matched" ] || continue
  fi
  text=$(printf '%s' "$format" | sed -e "s/[$]{\\(binary:\\)\\{0,1\\}Package[^}]*}/$package/g" \
    -e "s/[$]{Version[^}]*}/$version/g" -e 's/[$]{\(db:\)\{0,1\}Status-Status[^}]*}/installed/g' \
    -e 's/[$]{db:Status-Abbrev[^}]*}/ii /g' -e 's/[$]{Status[^}]*}/install ok installed/g' \
    -e 's/[$]{Architecture[^}]*}/amd64/g')
  printf "$text"
done; echo x)
found=\${found%x}
found=\${found%?}
if [ -z "$found" ]; then
  for name in $names; do echo "dpkg-query: no packages found matching $name" >&2; done
  exit 1
fi
printf '%s\n' "$found"
`;

const dpkg = sh`case $1 in
  -l | --list | -s | --status) exec "$LAB_PROGRAMS/dpkg-query" "$@" ;;
  --print-architecture) echo amd64 ;;
  --audit | -C) ;;
  --configure) is_root || { echo 'dpkg: error: requested operation requires superuser privilege' >&2; exit 2; } ;;
  --compare-versions)
    lower=$(printf '%s\n%s\n' "$2" "$4" | sort -V | head -n 1)
    if [ "$2" = "$4" ]; then order=eq; elif [ "$lower" = "$2" ]; then order=lt; else order=gt; fi
    case "$3 $order" in
      'lt lt' | 'le lt' | 'le eq' | 'eq eq' | 'ne lt' | 'ne gt' | 'ge eq' | 'ge gt' | 'gt gt') exit 0 ;;
      'lt '* | 'le '* | 'eq '* | 'ne '* | 'ge '* | 'gt '*) exit 1 ;;
      *) echo "dpkg: error: --compare-versions bad relation" >&2; exit 2 ;;
    esac
    ;;
  *) echo "dpkg: error: unknown option $1" >&2; exit 2 ;;
esac
`;

const linuxVersion = sh`case $1 in
  list) if [ "$2" = --reverse ]; then kernels | sort -rV; else kernels; fi ;;
  sort)
    shift
    if [ "$1" = --reverse ]; then shift; reverse=r; fi
    if [ $# -gt 0 ]; then printf '%s\n' "$@"; else cat; fi | sort -V$reverse
    ;;
  compare) exec "$LAB_PROGRAMS/dpkg" --compare-versions "$2" "$3" "$4" ;;
  *) echo "Usage: linux-version (compare|sort|list) ..." >&2; exit 2 ;;
esac
`;

/** In batch mode it asks nothing: 1 the newest kernel runs, 3 another one is expected. */
const needrestart = sh`echo "NEEDRESTART-VER: 3.6"
echo "NEEDRESTART-KCUR: $running"
echo "NEEDRESTART-KEXP: $(newest)"
if [ "$(newest)" = "$running" ]; then echo 'NEEDRESTART-KSTA: 1'; else echo 'NEEDRESTART-KSTA: 3'; fi
`;

export const aptShims = {
  'apt-get': aptGet,
  apt: 'exec "$LAB_PROGRAMS/apt-get" "$@"\n',
  'apt-cache': aptCache,
  'apt-config': aptConfig,
  'dpkg-query': dpkgQuery,
  dpkg,
  'linux-version': linuxVersion,
  needrestart,
};
