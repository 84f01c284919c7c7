# What a server has for moving pods alive, and what its pods would bring along. Changes nothing.
fact() { printf 'fact %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }
# Whatever made them, an init container or a plugin of the network, is not run again, or not for sure.
own_rules() { # PID
  nsenter --net="/proc/$1/ns/net" nft list tables 2>/dev/null | grep -v ' pitcrew$'
  for family in ip ip6; do
    [ -s "/proc/$1/net/${family}_tables_names" ] && has "${family}tables-legacy-save" || continue
    nsenter --net="/proc/$1/ns/net" "${family}tables-legacy-save" 2>/dev/null | grep '^-A'
  done
}
fact arch "$(uname -m)"
fact kernel "$(uname -r)"
[ -e /sys/fs/cgroup/cgroup.controllers ] && fact cgroups 2 || fact cgroups 1
for program in criu runc bash ssh ssh-keygen tar nft tc ip nsenter flock timeout base64 mountpoint; do
  has "$program" || fact missing "$program"
done
if has criu; then
  fact criu "$(criu --version 2>/dev/null | sed -n 's/^Version: //p')"
  if criu check >/dev/null 2>&1; then fact criuCheck ok; else fact criuCheck "$(criu check 2>&1 | tail -n 1)"; fi
  for feature in mem_dirty_track uffd-noncoop; do
    if criu check --feature "$feature" >/dev/null 2>&1; then fact feature "$feature"; fi
  done
fi
has runc && fact runc "$(runc --version 2>/dev/null | sed -n 's/^runc version //p')"
binary=$(containerd config dump 2>/dev/null | sed -n "s/.*BinaryName = ['\"]\([^'\"]*\)['\"].*/\1/p" | head -n 1)
fact binary "${binary:-runc}"
case $binary in */*) if cmp -s "$binary" - <<'WRAPPER'
@WRAPPER@
WRAPPER
then fact wrapper same; elif [ -e "$binary" ] && [ "${binary##*/}" = pitcrew-runc ]; then fact wrapper other
else fact wrapper none; fi ;; *) fact wrapper none ;; esac
if containerd config dump 2>/dev/null | grep -q "pod_annotations = .*pitcrew.dev/"; then fact annotations passed; fi
fact pipeMax "$(cat /proc/sys/fs/pipe-max-size)"
fact pipeSoft "$(cat /proc/sys/fs/pipe-user-pages-soft)"
fact memoryKib "$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
fact cpu "$(sed -n 's/^\(flags\|Features\)[^:]*: *//p' /proc/cpuinfo | head -n 1)"
fact cpuModel "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)"
for config in $(ls /etc/cni/net.d/*.conflist /etc/cni/net.d/*.conf 2>/dev/null | head -n 1); do
  text=$(tr -d '\n' <"$config")
  case $text in
    *calico*) fact network calico ;;
    *kube-ovn*) fact network kube-ovn ;;
    *cilium*) fact network cilium ;;
    *)
      # Who gives out the addresses, or, where that is nobody's of its own, the plugin itself.
      network=$(printf %s "$text" | sed -n 's/.*"ipam"[^{]*{[^}]*"type" *: *"\([^"]*\)".*/\1/p')
      [ -n "$network" ] || network=$(printf %s "$text" | sed -n 's/^[^[]*"plugins"[^[]*\[[^}]*"type" *: *"\([^"]*\)".*/\1/p')
      fact network "$network"
      ;;
  esac
done
for move in /run/pitcrew/moves/* /var/lib/pitcrew/moves/*; do
  [ ! -d "$move" ] || { move=${move##*/} && fact move "${move%.source}"; }
done
# Without this right CRIU cannot ask for the limits of another user's process, and root of a virtual machine may lack it.
capabilities=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
[ $(((0x$capabilities >> 24) & 1)) = 1 ] && limits=readable || limits=hidden
tasks=/run/containerd/io.containerd.runtime.v2.task/k8s.io pods=
for config in "$tasks"/*/config.json; do
  [ -r "$config" ] || continue
  value() { sed -n 's/.*"io\.kubernetes\.cri\.'"$1"'":"\([^"]*\)".*/\1/p' "$config"; }
  uid=$(value sandbox-uid)
  [ -n "$uid" ] || continue
  [ "$(value container-type)" = container ] || continue
  pid=$(cat "${config%/config.json}/init.pid" 2>/dev/null) && [ -n "$pid" ] && [ -d "/proc/$pid" ] || continue
  group=$(sed -n 's#^[0-9]*:memory:#/sys/fs/cgroup/memory#p' "/proc/$pid/cgroup")
  [ -n "$group" ] || group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
  fact container "$uid $(value container-name) bytes $(cat "$group/memory.usage_in_bytes" "$group/memory.current" 2>/dev/null | head -n 1)"
  # The group that is stopped has the container's id in its name; who lives elsewhere or below would run on.
  id=${config%/config.json} id=${id##*/}
  case ${group##*/} in *"$id"*) elsewhere=$(find "$group" -mindepth 1 -type d 2>/dev/null | head -n 1) ;; *) elsewhere=$group ;; esac
  [ -z "$elsewhere" ] || fact container "$uid $(value container-name) ownGroups"
  [ "$(cat "${config%/config.json}/runtime")" = "$binary" ] || fact container "$uid $(value container-name) otherRunc"
  if [ "$limits" = hidden ] && [ -n "$(cat "$group/cgroup.procs" | sed 's#.*#/proc/&/status#' | xargs sed -n 's/^Uid:[[:space:]]*\([1-9]\)/\1/p' 2>/dev/null)" ]; then
    fact container "$uid $(value container-name) hiddenLimits"
  fi
  # Once for each pod, unless it has the network of its server.
  case " $pods " in
    *" $uid "*) ;;
    *)
      pods="$pods $uid"
      if ! [ "/proc/$pid/ns/net" -ef /proc/self/ns/net ]; then
        lasting_own_sockets "$pid" | while read -r socket; do fact socket "$uid $socket"; done
        [ -z "$(own_rules "$pid")" ] || fact container "$uid $(value container-name) ownRules"
      fi
      ;;
  esac
  home=$(readlink -f "/run/pitcrew/containers/$(basename "${config%/config.json}")/.." 2>/dev/null)
  name=$(value container-name)
  if [ -e "$home/images/$name/lazy" ] && [ -e "$home/restored/$name" ] && [ ! -e "$home/pages/$name" ]; then
    fact container "$uid $name fetching"
  fi
  ! grep -q '"terminal":true' "$config" || fact container "$uid $(value container-name) tty"
  # The default devices are made by runc itself; those of a device plugin stand in the configuration.
  ! grep -q '"devices":\[{"path"' "$config" || fact container "$uid $(value container-name) device"
  ! grep -q '"type":"pid","path"' "$config" || fact container "$uid $(value container-name) sharedProcesses"
  grep -q '"type":"pid"' "$config" || fact container "$uid $(value container-name) hostProcesses"
  ! grep -q '"type":"user"' "$config" || fact container "$uid $(value container-name) userNamespace"
done
echo done
