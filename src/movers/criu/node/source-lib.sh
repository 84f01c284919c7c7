# What the scripts of the source share. The caller has set `move` and read its `env`.
note() { printf '%s %s\n' "$(date +%s%N)" "$*" >>"$move/notes"; }

# In cgroup v1 a state is written, in v2 a switch is set; frozen is what the kernel says is frozen.
freeze() {
  n=0
  while [ "$n" -lt 2000 ]; do
    if [ -e "$1/cgroup.freeze" ]; then
      echo 1 >"$1/cgroup.freeze" || return 1
      while read -r key value; do
        [ "$key $value" != 'frozen 1' ] || return 0
      done <"$1/cgroup.events"
    else
      echo FROZEN >"$1/freezer.state" || return 1
      read -r state <"$1/freezer.state"
      [ "$state" != FROZEN ] || return 0
    fi
    n=$((n + 1))
    sleep 0.001
  done
  return 1
}

thaw() {
  if [ -e "$1/cgroup.freeze" ]; then echo 0 >"$1/cgroup.freeze"; else echo THAWED >"$1/freezer.state"; fi
}

# Nothing that arrives from now on is acknowledged here: whoever sends sends again, and reaches the target.
stop_pod() {
  note freezing
  for group in $groups; do freeze "$group" || return 1; done
  nsenter --net="$netns" nft -f - <<'RULES' || return 1
table inet pitcrew {
  chain in { type filter hook input priority -500; policy drop; }
  chain out { type filter hook output priority -500; policy drop; }
}
table arp pitcrew {
  chain in { type filter hook input priority 0; policy drop; }
  chain out { type filter hook output priority 0; policy drop; }
}
RULES
  true >"$move/locked"
  note locked
}

# Setting the address that it has makes the kernel tell everybody about it.
announce() {
  nsenter --net="$1" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_notify
    mac=$(ip -o link show eth0) mac=${mac##*link/ether }
    ip link set dev eth0 address "${mac%% *}"'
}

# Back to how it was: the pod runs on, with its connections and its address.
resume_pod() {
  for port in $ports; do
    # A dump that waits for somebody to fetch pages ends when that somebody hangs up.
    timeout 2 bash -c ": </dev/tcp/127.0.0.1/$port" 2>/dev/null
  done
  n=0
  while [ "$n" -lt 200 ] && ls "$move"/dumping.* >/dev/null 2>&1; do
    n=$((n + 1))
    sleep 0.05
  done
  for group in $groups; do thaw "$group"; done
  nsenter --net="$netns" nft delete table inet pitcrew
  nsenter --net="$netns" nft delete table arp pitcrew
  announce "$netns"
  rm -f "$move/locked"
  note resumed
}
