#!/bin/sh
# Becomes a lab server: runs as the first process of new mount, process, network, host name, IPC and cgroup namespaces, makes the
# root file system its own, and goes on as the server's init. Everything it mounts ends with its namespaces.
#
# Usage: server.sh FOLDER ROOT NAME ADDRESS POD_BRIDGE_ADDRESS
# FOLDER holds what outlives a reboot of the server (upper, containerd, kubelet, ipam shared by all servers); its `boot_id` is
# the identity of this boot.
set -eu
folder=$1 root=$2 name=$3 address=$4 pod_bridge_address=$5
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

mount --make-rprivate /
new=$folder/root
mkdir -p "$new" "$folder/upper" "$folder/work" "$folder/containerd" "$folder/kubelet"
mount -t overlay -o "lowerdir=$root,upperdir=$folder/upper,workdir=$folder/work" overlay "$new"
# containerd lays overlays of its own, and those cannot lie on an overlay.
mkdir -p "$new/var/lib/containerd" "$new/var/lib/kubelet" "$new/var/lib/cni/lab" "$new/old"
mount --bind "$folder/containerd" "$new/var/lib/containerd"
mount --bind "$folder/kubelet" "$new/var/lib/kubelet"
mount --bind "$folder/../ipam" "$new/var/lib/cni/lab"
mount -t proc -o nosuid,nodev,noexec proc "$new/proc"
mount -t sysfs -o nosuid,nodev,noexec sysfs "$new/sys"
mount -t tmpfs -o mode=755 tmpfs "$new/run"
mount -t tmpfs -o mode=1777 tmpfs "$new/tmp"
mount -t tmpfs -o mode=755,nosuid tmpfs "$new/dev"
mkdir "$new/dev/pts" "$new/dev/shm" "$new/dev/mqueue" "$new/dev/net"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$new/dev/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$new/dev/shm"
mount -t mqueue mqueue "$new/dev/mqueue"
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
mknod -m 666 "$new/dev/null" c 1 3
mknod -m 666 "$new/dev/zero" c 1 5
mknod -m 666 "$new/dev/full" c 1 7
mknod -m 666 "$new/dev/random" c 1 8
mknod -m 666 "$new/dev/urandom" c 1 9
mknod -m 666 "$new/dev/tty" c 5 0
mknod -m 600 "$new/dev/userfaultfd" c 10 "$(sed -n 's/ userfaultfd$//p' "$new/proc/misc" | tr -d ' ')" 2>/dev/null || true

# The server sees its own part of the control groups as the whole.
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 "$new/sys/fs/cgroup"
  # All processes that there are by now are in a group below, `init`.
  for controller in $(cat "$new/sys/fs/cgroup/cgroup.controllers"); do
    echo "+$controller" >"$new/sys/fs/cgroup/cgroup.subtree_control"
  done
else
  mount -t tmpfs -o mode=755 tmpfs "$new/sys/fs/cgroup"
  for hierarchy in /sys/fs/cgroup/*/; do
    controller=$(basename "$hierarchy")
    mkdir "$new/sys/fs/cgroup/$controller"
    case $controller in
      unified) mount -t cgroup2 cgroup2 "$new/sys/fs/cgroup/unified" ;;
      systemd) mount -t cgroup -o none,name=systemd cgroup "$new/sys/fs/cgroup/systemd" ;;
      *) mount -t cgroup -o "$controller" cgroup "$new/sys/fs/cgroup/$controller" ;;
    esac
  done
fi

mount --bind "$folder/boot_id" "$new/proc/sys/kernel/random/boot_id"
hostname "$name"
echo "$name" >"$new/etc/hostname"

# CRIU wants the root to be a real mount, so chroot would not do.
cd "$new"
pivot_root . old
umount -l /old

# The switch plugs the cables in while this waits; ten seconds are plenty on the busiest machine.
tries=0
until [ -d /sys/class/net/eth0 ] && [ -d /sys/class/net/pods0 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 200 ] || { echo 'the network of this server did not come' >&2; exit 1; }
  sleep 0.05
done
ip link set lo up
# A server keeps its network card through a reboot, and the others remember its address.
ip link set eth0 address "$(printf '02:77:00:00:00:%02x' "${address##*.}")"
ip addr add "$address/24" dev eth0
ip link set eth0 up
ip link add cni0 type bridge
ip link set pods0 master cni0
ip link set pods0 up
ip addr add "$pod_bridge_address/16" dev cni0
ip link set cni0 up
echo 1 >/proc/sys/net/ipv4/ip_forward

exec catatonit -- /bin/sh /usr/local/lib/lab/supervise.sh "$address"
