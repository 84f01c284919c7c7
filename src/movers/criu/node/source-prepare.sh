# On the source, before anything is changed for the pod: finds its containers, writes down what the freeze has to know, and
# makes the key that is good for this one move. Its private half never leaves this folder, which lies in memory.
umask 077
base=/run/pitcrew move=$base/moves/$moveId.source
tasks=/run/containerd/io.containerd.runtime.v2.task/k8s.io
stop() {
  echo "blocked $*"
  exit 0
}
mkdir -p "$base/containers" "$base/moves" && chmod 700 "$base" && mkdir -p "$move/bin" "$move/source" "$move/images" || exit 1
value() { sed -n 's/.*"io\.kubernetes\.cri\.'"$2"'":"\([^"]*\)".*/\1/p' "$1"; }
: >"$move/entries.new" >"$move/folders.new"
netns= groups= ports= bytes=0 names= lazy= next=$firstPort
runcRoot=/run/containerd/runc/k8s.io
for config in "$tasks"/*/config.json; do
  [ "$(value "$config" sandbox-uid)" = "$podUid" ] || continue
  bundle=${config%/config.json} id=${config%/config.json}
  id=${id##*/}
  pid=$(cat "$bundle/init.pid" 2>/dev/null) && [ -n "$pid" ] && [ -d "/proc/$pid" ] || continue
  # A move that brought it here and has not ended: half of its memory is elsewhere.
  home=$(readlink -f "$base/containers/$id/.." 2>/dev/null) name=$(value "$config" container-name)
  if [ -e "$home/images/$name/lazy" ] && [ ! -e "$home/pages/$name" ]; then
    stop "container $name is still fetching its memory from where it came from"
  fi
  ln -sfn "$move/source" "$base/containers/$id.new"
  main=$pid
  if [ "$(value "$config" container-type)" = sandbox ]; then
    netns=$(sed -n 's/.*"type":"network","path":"\([^"]*\)".*/\1/p' "$config")
    continue
  fi
  name=$(value "$config" container-name)
  group=$(sed -n 's#^[0-9]*:freezer:#/sys/fs/cgroup/freezer#p' "/proc/$pid/cgroup")
  [ -n "$group" ] || group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
  memory=$(sed -n 's#^[0-9]*:memory:#/sys/fs/cgroup/memory#p' "/proc/$pid/cgroup")
  held=$(cat "$memory/memory.usage_in_bytes" 2>/dev/null || cat "$group/memory.current" 2>/dev/null || echo 0)
  shared=$(sed -n 's/^shmem //p' "$memory/memory.stat" "$group/memory.stat" 2>/dev/null | head -n 1)
  # What forks share is dumped for each of them.
  own=0
  for kib in $(sed 's#.*#/proc/&/status#' "$group/cgroup.procs" | xargs sed -n 's/^\(RssAnon\|VmSwap\):[[:space:]]*\([0-9]*\) kB/\2/p' 2>/dev/null); do
    own=$((own + kib * 1024))
  done
  dumped=$((own + ${shared:-0}))
  [ "$dumped" -gt "$held" ] || dumped=$held
  bytes=$((bytes + dumped)) groups="$groups $group" names="$names $name"
  # Which of its standard streams are pipes: the target has to know before it has the images.
  streams=$(sed -n 's/.*"external_descriptors":\(\[\("[^"]*",*\)*\]\).*/\1/p' "$runcRoot/$id/state.json")
  echo "fact streams $name ${streams:-null}"
  port=0 remotePort=0
  # Memory that is fetched later is not shared between forks any more: they would need far more than they have now.
  if [ "$lazyFromBytes" -gt 0 ] && [ "$held" -ge "$lazyFromBytes" ] && [ "$own" -le $((2 * held + 67108864)) ]; then
    port=$next remotePort=$((next + 1)) next=$((next + 2)) ports="$ports $port" lazy="$lazy $name"
    printf 'RemoteForward 127.0.0.1:%s 127.0.0.1:%s\n' "$remotePort" "$port" >>"$move/forwards.new"
  fi
  printf '%s %s %s %s %s\n' "$name" "$id" "$port" "$remotePort" "$bundle" >>"$move/entries.new"
  layers=$(sed -n "s#^[^ ]* $bundle/rootfs overlay \([^ ]*\).*#,\1#p" /proc/mounts | tail -n 1)
  upper=${layers##*,upperdir=} lowers=${layers##*,lowerdir=}
  if [ -z "$layers" ]; then folder="tree $name $bundle/rootfs"; else folder="layer $name ${upper%%,*} $bundle/rootfs ${lowers%%,*}"; fi
  echo "$folder" >>"$move/folders.new"
  # The pod's /dev/shm is its sandbox's, outside of what CRIU sees; one for all its containers.
  tr '{' '\n' <"$config" | sed -n -e 's#.*"destination":"/dev/shm",.*"source":"\([^"]*\)".*#volume dev-shm \1#p' \
    -e 's#.*"source":"\([^"]*/volumes/kubernetes.io~empty-dir/\([^"/]*\)\)".*#volume \2 \1#p' >>"$move/folders.new"
done
[ -s "$move/entries.new" ] || stop "no running container of this pod is found on its server"
for file in entries forwards; do [ ! -e "$move/$file.new" ] || mv "$move/$file.new" "$move/$file"; done
sort -u "$move/folders.new" >"$move/folders" && rm -f "$move/folders.new"
link=$(nsenter --net="$netns" ip -o link show eth0) || stop "its network has no eth0"
mac=${link##*link/ether } mac=${mac%% *}
mtu=${link##* mtu } mtu=${mtu%% *}
address=$(nsenter --net="$netns" ip -o -4 addr show dev eth0 | sed -n 's/.* inet \([0-9.]*\)\/.*/\1/p' | head -n 1)
addresses=$(nsenter --net="$netns" ip -o addr show scope global | sed -n 's/.* inet6* \([0-9a-f.:]*\)\/.*/\1/p' | tr '\n' ' ')
if [ -n "$keepsAddress" ]; then
  [ "$addresses" = "$address " ] || stop "its network is to keep one IPv4 address, and it has: ${addresses:-none}"
  calls_go_to "$mac" | nsenter --net="$netns" nft -c -f - ||
    stop "the source cannot send new connections on to the target (nft, family netdev)"
else
  own=$(lasting_own_sockets "$main")
  [ -z "$own" ] || stop "it has a socket on its own address: $(printf %s "$own" | tr '\n' ',')"
fi
gateway=$(nsenter --net="$netns" ip -4 route show default | sed -n 's/^default via \([0-9.]*\) .*/\1/p')
cat >"$move/env" <<ENV
groups='$groups'
ports='$ports'
netns='$netns'
witness='$main'
mac='$mac'
runcRoot='$runcRoot'
criu='$(command -v criu)'
keepsAddress='$keepsAddress'
ENV
[ -e "$move/key" ] || ssh-keygen -q -t ed25519 -N '' -C "pitcrew-$moveId" -f "$move/key" || exit 1
echo "fact boot $(cat /proc/sys/kernel/random/boot_id)"
echo "fact key $(cat "$move/key.pub")"
echo "fact containers$names"
echo "fact lazy$lazy"
echo "fact mac $mac"
echo "fact mtu $mtu"
echo "fact address $address"
echo "fact addresses $addresses"
echo "fact gateway ${gateway:-$address}"
echo "fact bytes $bytes"
echo "fact ports$(sed -n 's/^RemoteForward 127.0.0.1:\([0-9]*\) .*/ \1/p' "$move/forwards" 2>/dev/null | tr -d '\n')"
echo prepared
