#!/bin/bash
# The freeze itself: part of the cut, in bash. Containers are dumped side by side, and what they wrote beside their memory is
# packed meanwhile; everything goes over in one stream, through a connection of its own that is open before.
declare -A statusOf goOf dumperOf

# In children: descriptors that would keep somebody waiting for an end that does not come.
let_go() {
  local fd
  for fd in $private "${statusOf[@]}" "${goOf[@]}"; do exec {fd}>&-; done
}

# NAME ID PORT. Port 0: the memory goes along; else it stays here until the target fetches it page by page.
begin_dump() {
  local name=$1 id=$2 port=$3 images=$move/out/images/$1 checks=1 connections lazy=() fd
  rm -rf "$images" "status.$name" "go.$name"
  mkdir -p "$images" "work/$name"
  mkfifo "status.$name" "go.$name"
  exec {fd}<>"status.$name" && statusOf[$name]=$fd
  exec {fd}<>"go.$name" && goOf[$name]=$fd
  if [ "$port" != 0 ]; then
    checks=2
    lazy=(--lazy-pages --status-fd 9 --page-server "127.0.0.1:$port")
  fi
  echo "$checks" >"checks.$name"
  # Connections that end anyway are not even looked at, nor those that nobody has accepted yet.
  if [ -n "$keepsAddress" ]; then connections=--tcp-established; else connections=--tcp-skip-in-flight; fi
  (
    let_go
    true >"dumping.$name"
    # Left running means left frozen: all of it can be taken back until the target has everything.
    PITCREW_NAME=$name PITCREW_CRIU=$criu PATH=$move/bin:$PATH runc --root "$runcRoot" checkpoint --leave-running \
      --image-path "$images" --work-path "$move/work/$name" "$connections" --file-locks --manage-cgroups-mode soft \
      "${lazy[@]}" "$id" 9>"status.$name" </dev/null >>log 2>&1
    result=$?
    [ "$port" != 0 ] || [ "$result" != 0 ] || printf '\0' 1<>"status.$name"
    rm -f "dumping.$name"
    note "dump $name ended $result"
  ) &
  dumperOf[$name]=$!
}

# A NUL when the images are complete; none, and the dumper gone, when it failed.
dumped() { # NAME
  local n=0 complete=
  while [ "$n" -lt 1200 ]; do
    if read -r -d '' -t 0.5 -u "${statusOf[$1]}"; then
      complete=yes
      break
    fi
    n=$((n + 1))
    kill -0 "${dumperOf[$1]}" 2>/dev/null || break
  done
  note "dumped $1"
  [ "$complete" = yes ] && [ -e locked ]
}

begin_packing() { # NAME
  local fd
  rm -f go.pack && mkfifo go.pack
  exec {fd}<>go.pack && goOf[.pack]=$fd
  (let_go && exec timeout 600 bash pack "$move" "$@" <go.pack >>log 2>pack.log) &
  packer=$!
}

# Up to the last step of each dump, which waits for its word.
await_dumpers() {
  local left=${#dumperOf[@]} n=0 dumper
  while [ "$left" -gt 0 ]; do
    if read -r -t 0.5 -u 9; then
      left=$((left - 1))
      continue
    fi
    n=$((n + 1))
    [ "$n" -le 60 ] || return 1
    for dumper in "${dumperOf[@]}"; do kill -0 "$dumper" 2>/dev/null || return 1; done
  done
}

# In cgroup v1 a state is written, in v2 a switch is set; frozen is what the kernel says is frozen.
freeze() {
  local n=0 key value state
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
    read -r -t 0.001 -u 8
  done
  return 1
}

freeze_all() {
  local group
  for group in $groups; do freeze "$group" || return 1; done
}

# A connection whose other side confirms it only once the address has gone over is unknown there, and is reset. So those that
# are being made are finished first; who does not confirm at once is not waited for.
let_callers_in() { # MAC
  local tries=0
  calls_go_to "$1" | nsenter --net="$netns" nft -f - || return 1
  while [ "$tries" -lt 40 ] && grep -qsE ' 03 [^ ]+ [^ ]+ 00000000 ' "/proc/$witness/net/tcp" "/proc/$witness/net/tcp6"; do
    tries=$((tries + 1))
    read -r -t 0.005 -u 8
  done
  [ "$tries" = 0 ] || note "called $tries"
}

# A connection that nobody has accepted yet belongs to no process, and CRIU gives up for it. New ones go to the target by now, so
# it takes a moment of running to be rid of those that are here; who does not accept them then is not waited for. The kernel
# lists sockets that listen first, each with the length of its queue. Without the address there is no need: CRIU leaves them out.
freeze_between_calls() {
  local tries=0 group
  freeze_all || return 1
  [ -n "$keepsAddress" ] || return 0
  while [ "$tries" -lt 20 ] && is_called; do
    tries=$((tries + 1))
    for group in $groups; do thaw "$group"; done
    read -r -t 0.005 -u 8
    freeze_all || return 1
  done
  [ "$tries" = 0 ] || note "accepted $tries"
}

is_called() {
  local file state queues rest
  for file in "/proc/$witness/net/tcp" "/proc/$witness/net/tcp6"; do
    while read -r _ _ _ state queues rest; do
      case $state in
        0A) [ "${queues#*:}" = 00000000 ] || return 0 ;;
        st) ;;
        *) break ;;
      esac
    done 2>/dev/null <"$file"
  done
  return 1
}

# Nothing that arrives from now on is acknowledged here: whoever sends sends again, and reaches the target, or hears that it
# is over. An address that goes along is not answered for any more either.
stop_pod() {
  local rules='table inet pitcrew {
  chain in { type filter hook input priority -500; policy drop; }
  chain out { type filter hook output priority -500; policy drop; }
}'
  [ -z "$keepsAddress" ] || rules="$rules
table arp pitcrew {
  chain in { type filter hook input priority 0; policy drop; }
  chain out { type filter hook output priority 0; policy drop; }
}"
  note freezing
  freeze_between_calls || return 1
  tell 7 "$rules" || nsenter --net="$netns" nft "$rules" || return 1
  true >locked
  note locked
}

# The way of the bulk. It ends with its one stream.
open_way() {
  rm -f way && mkfifo way
  (let_go && exec ssh -F ssh_config -o ClearAllForwardings=yes target parts <way >>log 2>&1) &
  exec 3>way
  private="$private 3"
}

send_parts() { # NAME:PORT...
  tar -C out -cf - images files volumes >&3 2>>log
  local result=$?
  exec 3>&-
  [ "$result" = 0 ] || return 1
  note sent
  say "parts $*"
  hear 120 && [ "$answer" = complete ]
}
