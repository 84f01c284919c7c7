#!/bin/sh
# Builds the root file system of a lab server: Debian 13, with CRIU, runc and containerd of Debian's development branch,
# because CRIU 4.1 cannot dump TCP sockets on new kernels. It holds servers to be moved (redis, PostgreSQL, Python), too.
#
# Usage: root.sh FOLDER MIRROR. The folder must not exist. Its name carries the hash of this file: change a line and the
# next start of the lab builds anew.
set -eu
root=$1 mirror=$2
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

debootstrap --variant=minbase trixie "$root" "$mirror" >&2

in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@" >&2; }

# No service may start here: the lab starts what it needs, in the server's own namespaces.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
printf 'Acquire::Check-Valid-Until "false";\nAPT::Install-Recommends "false";\nAPT::Default-Release "trixie";\n' \
  >"$root/etc/apt/apt.conf.d/90lab"
printf 'path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n' \
  >"$root/etc/dpkg/dpkg.cfg.d/lab"
printf 'deb %s trixie main\ndeb %s sid main\n' "$mirror" "$mirror" >"$root/etc/apt/sources.list"

in_root apt-get update
in_root apt-get install -y iproute2 iputils-ping iputils-arping nftables iptables procps util-linux kmod openssh-server openssh-client \
  redis-server redis-tools postgresql python3-minimal libpython3-stdlib containernetworking-plugins catatonit
in_root apt-get install -y -t sid criu runc containerd

# Only the definitions of CRI are wanted of this package, not the Go sources that it depends on.
in_root sh -c 'cd /tmp && apt-get download golang-github-kubernetes-cri-api-dev && dpkg -x golang-github-kubernetes-cri-api-dev_*.deb cri'
mkdir "$root/usr/local/share/cri"
# What it imports are hints for the Go compiler alone.
sed '/^import .*gogo.proto/d' "$root/tmp/cri/usr/share/gocode/src/k8s.io/cri-api/pkg/apis/runtime/v1/api.proto" \
  >"$root/usr/local/share/cri/api.proto"
rm -rf "$root/tmp/cri" "$root"/tmp/*.deb

# The mirror is a fact of the machine that built this, none of the lab.
: >"$root/etc/apt/sources.list"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
# Every server makes host keys of its own, and no data base lies around.
rm -f "$root"/etc/ssh/ssh_host_*
mkdir -p "$root/run/sshd" "$root/old"
