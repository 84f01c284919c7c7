# What the scripts of the source share. The caller has set `move` and read its `env`.
. "$move/standby"
note() { printf '%s %s\n' "$(date +%s%N)" "$*" >>"$move/notes"; }

# In cgroup v1 a state is written, in v2 a switch is set.
thaw() {
  if [ -e "$1/cgroup.freeze" ]; then echo 0 >"$1/cgroup.freeze"; else echo THAWED >"$1/freezer.state"; fi
}

# The pod runs elsewhere, under another address: whoever has a connection to this one is told so at once, and whoever asks for
# one as well. Nothing else gets in or out, for the containers are still here, frozen. A kernel that cannot end a connection
# of somebody else (INET_DIAG_DESTROY) tells those who send something; the others hear of it when the processes end.
end_connections() {
  for answer in 'reject with tcp reset' drop; do
    nsenter --net="$netns" nft -f - <<RULES && break
delete table inet pitcrew
table inet pitcrew {
  chain in { type filter hook input priority -500; policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; meta l4proto tcp $answer; }
  chain out { type filter hook output priority -500; policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; tcp flags & rst == rst accept; }
}
RULES
  done
  nsenter --net="$netns" ss -K -n -t state connected >/dev/null
  note over
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
  if [ -n "$keepsAddress" ]; then
    nsenter --net="$netns" nft delete table arp pitcrew
    nsenter --net="$netns" nft delete table netdev pitcrew
    announce "$netns"
  fi
  rm -f "$move/locked"
  note resumed
}
