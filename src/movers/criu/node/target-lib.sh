# What the scripts of the target share. The caller has set `move` and read its `env`.
. "$move/standby"
note() {
  # In bash no program is needed.
  if [ -n "${EPOCHREALTIME-}" ]; then at=${EPOCHREALTIME%?[0-9][0-9][0-9][0-9][0-9][0-9]}${EPOCHREALTIME#*[.,]}000; else at=$(date +%s%N); fi
  printf '%s %s\n' "$at" "$*" >>"$move/notes"
}
fail() {
  note "refused: $*"
  printf 'pitcrew: %s\n' "$*" >&2
  exit 1
}

host_end() {
  index=$(nsenter --net="$1" ip -o link show eth0 | sed -n 's/^[0-9]*: eth0@if\([0-9]*\):.*/\1/p')
  [ -n "$index" ] && ip -o link show | sed -n "s/^$index: \([^:@]*\).*/\1/p"
}

# Until all containers are back nothing enters or leaves the new sandbox: its kernel knows none of the connections yet and
# would answer each with a reset. What comes meanwhile is not dropped but kept in a queue at the host end, for a sender
# repeats what was dropped only after 0.2, 0.6, 1.4 s. Only CRIU sends itself something: a socket whose other side has closed is
# made by the packet that closes it, which bears this mark (SOCCR_MARK, `soccr/soccr.h` of 4.2).
close_network() {
  nsenter --net="$1" nft -f - <<'RULES' || return 1
table inet pitcrew {
  chain in { type filter hook input priority -500; policy drop; meta mark 0xc114 accept; }
  chain out { type filter hook output priority -500; policy drop; meta mark 0xc114 accept; }
}
RULES
  if [ -z "$keepsAddress" ]; then
    lend_addresses "$1"
    return
  fi
  veth=$(host_end "$1") && [ -n "$veth" ] || return 1
  printf '%s\n' "$veth" >"$move/veth" || return 1
  tc qdisc replace dev "$veth" root tbf rate 8bit burst "$packetMax" limit 67108864 || return 1
  plug "$veth"
}

# A socket that goes by the old address can only be made where that is one. So the sandbox has it until it is opened, and tells
# nobody; such a socket (a question to a name server that was under way) then fails like any that lost its network.
lend_addresses() { # NETNS
  nsenter --net="$1" nft -f - <<'RULES' || return 1
table arp pitcrew {
  chain in { type filter hook input priority 0; policy drop; }
  chain out { type filter hook output priority 0; policy drop; }
}
RULES
  each_lent 'addr replace' | nsenter --net="$1" ip -batch -
}

# Commands of `ip`, one for each address.
each_lent() { # ADD OR DELETE
  for each in $addresses; do
    case $each in
      *:*) echo "$1 $each/128 dev lo" ;;
      *) echo "$1 $each/32 dev lo" ;;
    esac
  done
}

# A new queue lets one packet through, or twenty small ones, and each would cost its sender 0.2 s or more. Big ones that
# nobody minds use that up; the second then stands at the head, and whatever comes waits behind it.
plug() {
  through=$(ip -o link show "$1" | sed -n 's/.* master \([^ ]*\) .*/\1/p')
  if [ -n "$through" ]; then set -- -b -I "$through" 255.255.255.255; else set -- "$address"; fi
  ping -q -c 3 -i 0.01 -W 1 -s $((packetMax - 156)) "$@" </dev/null >/dev/null 2>&1 &
}

# Rules are made void by one that is added: taking them away would take the kernel 15 ms.
void_rules='insert rule inet pitcrew in accept
insert rule inet pitcrew out accept'

prepare_opening() {
  read -r netns <"$move/netns"
  stand_by 6 nsenter --net="$netns" nft -f -
  if [ -z "$keepsAddress" ]; then
    stand_by 7 nsenter --net="$netns" ip -force -batch -
    return
  fi
  read -r veth <"$move/veth"
  stand_by 7 tc -batch -
}

open_network() {
  if [ -z "$keepsAddress" ]; then
    tell 7 "$(each_lent 'addr del')"
    void_rules="$void_rules
insert rule arp pitcrew in accept
insert rule arp pitcrew out accept"
    tell 6 "$void_rules" || nsenter --net="$netns" nft "$void_rules"
    return
  fi
  tell 6 "$void_rules" || nsenter --net="$netns" nft "$void_rules" || return 1
  open="qdisc change dev $veth root tbf rate 100gbit burst 1048576 limit 67108864"
  tell 7 "$open" || tc $open || return 1
  # The queue moves with the next packet that comes; in bash, this is one.
  echo 2>/dev/null >"/dev/udp/$address/9"
}

# What need not be done at once. Packets that the one above did not set free, this one does.
after_opening() {
  if [ -n "$keepsAddress" ]; then
    announce "$netns"
    nsenter --net="$netns" ping -c 1 -W 1 -I "$address" "$gateway" >/dev/null 2>&1
  else
    each_lent 'addr del' | nsenter --net="$netns" ip -force -batch - 2>/dev/null
    nsenter --net="$netns" nft delete table arp pitcrew
  fi
  nsenter --net="$netns" nft delete table inet pitcrew
}

# Setting the address that it has makes the kernel tell everybody about it.
announce() {
  nsenter --net="$1" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_notify
    mac=$(ip -o link show eth0) mac=${mac##*link/ether }
    ip link set dev eth0 address "${mac%% *}"'
}

prepare_takeover() {
  read -r netns <"$move/netns" || return 0
  mac=$(nsenter --net="$netns" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_notify; ip -o link show eth0') || return 0
  mac=${mac##*link/ether }
  stand_by 6 nft -f -
  stand_by 7 nsenter --net="$netns" ip -batch -
}

# From here on packets for the pod come to this server.
take_over() {
  [ -n "${standby_7-}" ] || prepare_takeover
  tell 6 "insert rule bridge $table silent accept" && tell 7 "link set dev eth0 address ${mac%% *}"
}

# Nobody on this server answers for the address, or sends from it, as long as the pod is still elsewhere.
keep_silent() {
  nft -f - <<RULES
table bridge $table {}
delete table bridge $table
table bridge $table {
  chain silent {
    type filter hook prerouting priority -500;
    ether saddr != $sourceMac arp saddr ip $address drop
    ether saddr != $sourceMac ip saddr $address drop
  }
}
RULES
}

all_restored() {
  for each in $containers; do [ -e "$move/restored/$each" ] || return 1; done
}

# Sleeps until the images are there and the commit point is passed, or the move is called off.
wait_for_images() { # NAME ID
  gate=$move/waiting/$2
  mkfifo -m 600 "$gate" && exec 8<>"$gate" && note "ready $1" || return 1
  until decided aborted || { decided committed && [ -e "$move/images/$1.complete" ]; }; do read -r _ <&8; done
  exec 8>&-
  rm -f "$gate"
  decided committed
}

wake() {
  for gate in "$move"/waiting/*; do
    [ -p "$gate" ] && echo go 1<>"$gate"
  done
}

# Where the volumes of a container lie here.
places_of() { # BUNDLE
  tr '{' '\n' <"$1/config.json" | sed -n -e 's#.*"destination":"/dev/shm",.*"source":"\([^"]*\)".*#dev-shm \1#p' \
    -e 's#.*"source":"\([^"]*/volumes/kubernetes.io~empty-dir/\([^"/]*\)\)".*#\2 \1#p'
}

# Of capabilities of programs tar takes care only when it is told to.
attributes='--xattrs --xattrs-include=user.* --xattrs-include=security.capability'

# What the containers wrote beside their memory: their own layer, and emptyDir volumes.
apply_files() { # NAME ID BUNDLE
  [ ! -e "$move/waiting/$2.applied" ] || return 0
  # What changed since the first copy is of use only where that is.
  if [ -e "$move/files/$1.delta" ] && [ ! -e "$move/waiting/$2.first" ]; then return 1; fi
  put_in_place "$3/rootfs" "$move/files/$1" || return 1
  while read -r volume path; do
    # Once: other containers may be at work in it by now.
    [ -e "$move/volumes/$volume.tar" ] || continue
    if [ -e "$move/volumes/$volume.delta" ] && ! grep -qxF "$path" "$move/waiting/$volume.copied"; then return 1; fi
    put_in_place "$path" "$move/volumes/$volume" && mv "$move/volumes/$volume.tar" "$move/volumes/$volume.applied" || return 1
  done <"$move/waiting/$2.places"
  true >"$move/waiting/$2.applied"
}

put_in_place() { # FOLDER ARCHIVE
  if [ -s "$2.gone" ]; then (cd "$1" && xargs -0 rm -rf -- <"$2.gone") || return 1; fi
  [ ! -e "$2.tar" ] || tar -x --numeric-owner $attributes -C "$1" -f "$2.tar"
}

# Straight to where it belongs, while the pod still runs elsewhere; only for containers that wait here.
take_first() { # KIND NAME
  case $2 in '' | *[!a-z0-9.-]*) return 1 ;; esac
  if [ "$1" = layer ]; then
    read -r id bundle <"$move/waiting/$2.at" || return 1
    tar -x --numeric-owner $attributes -C "$bundle/rootfs" -f - && true >"$move/waiting/$id.first"
  else
    path=$(sed -n "s#^$2 ##p" "$move"/waiting/*.places | head -n 1)
    [ -n "$path" ] && tar -x --numeric-owner $attributes -C "$path" -f - && echo "$path" >"$move/waiting/$2.copied"
  fi
}

# The init container becomes a program of 129 bytes that ends well at once. The pattern is that of a JSON array of strings.
skip_init_container() {
  base64 -d >"$move/done" <<'PROGRAM' && chmod 755 "$move/done"
f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAEAAAAAAAAAAQAAAAAAAgQAAAAAAAACBAAAAAAAAAAAQAAAAAAAAMf+45wAAAA8F
PROGRAM
  # Containers reach neither /run/pitcrew nor the move's folder: the mount is made by runc, from outside.
  sed -E -e 's/"args":\["([^"\\]|\\.)*"(,"([^"\\]|\\.)*")*\]/"args":["\/.pitcrew-done"]/' \
    -e 's/"mounts":\[/&{"destination":"\/.pitcrew-done","type":"bind","source":"'"$(printf %s "$move" | sed 's/\//\\\//g')"'\/done","options":["bind","ro"]},/' \
    "$bundle/config.json" >"$bundle/config.json.new" && mv "$bundle/config.json.new" "$bundle/config.json"
}
