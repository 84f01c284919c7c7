#!/bin/bash
# On the source: the freeze, the dump, the commit point. Everything that may need its time was done before. The last line
# says how it ended: `moved`, `rolledBack` and why, or `unclear` where the target fell silent after the commit point; then
# the source stays frozen until somebody has asked the target. Called with `again` it does that, or ends what was cut short;
# `running` where another one is still at it.
move=$1
. "$move/env"
. "$move/lib"
umask 077
cd "$move" || exit 1
exec 4>>cutting
flock -n 4 || { echo running; exit 0; }
note() { printf '%s %s\n' "${EPOCHREALTIME/[.,]/}000" "$*" >>"$move/notes"; }

# A second conversation is not to fail for a port that the first one may still hold over there.
converse() { # OPTION
  rm -f to from
  mkfifo to from
  ssh -F ssh_config "$@" target session <to >from 2>>log 4>&- &
  session=$!
  exec 5>to 6<from
}
say() { printf '%s\n' "$*" >&5; }
hear() { answer= && read -r -t "$1" -u 6 answer; }
# A write into a conversation that ended must not end this script.
trap '' PIPE
# Never holds anything: reading from it is a sleep that needs no process.
exec 8<> <(:)

roll_back() {
  # Whoever is first decides. Once the decision is `committed`, only the target's word can undo it.
  ln -s aborted decision 2>/dev/null
  [ "$(readlink decision)" = aborted ] || { echo "unclear $*"; exit 0; }
  resume_pod >>log 2>&1
  kill "$session" 2>/dev/null
  note "rolled back: $*"
  echo "rolledBack $*"
  exit 0
}

# When the dump is about to begin: the target takes the address, and keeps what comes for it.
hand_address_over() { # DUMPER
  local n=0
  until read -r -t 0.5 -u 9; do
    n=$((n + 1))
    if [ "$n" -gt 60 ] || ! kill -0 "$1" 2>/dev/null; then return 1; fi
  done
  note takeover
  say takeover
  if hear 10 && [ "$answer" = taken ]; then echo go >&10; else echo no >&10 && return 1; fi
}

# NAME ID PORT. Port 0: the memory goes along; else it stays here until the target fetches it page by page.
dump() {
  local name=$1 id=$2 port=$3 images=$move/images/$1 status=$move/status.$1 lazy=() connections
  rm -rf "$images" "$status"
  mkdir -p "$images" "work/$name"
  mkfifo "$status"
  echo 1 >checks
  # Connections that end anyway are not even looked at, nor those that nobody has accepted yet.
  if [ -n "$keepsAddress" ]; then connections=--tcp-established; else connections=--tcp-skip-in-flight; fi
  if [ "$port" != 0 ]; then
    echo 2 >checks
    lazy=(--lazy-pages --status-fd 9 --page-server "127.0.0.1:$port")
  fi
  (
    exec 4>&-
    true >"dumping.$name"
    # Left running means left frozen: all of it can be taken back until the target has everything.
    PITCREW_CRIU=$criu PATH=$move/bin:$PATH runc --root "$runcRoot" checkpoint --leave-running --image-path "$images" \
      --work-path "$move/work/$name" $connections --file-locks --manage-cgroups-mode soft "${lazy[@]}" "$id" \
      9>"$status" 5>&- 6>&- 10>&- </dev/null >>log 2>&1
    result=$?
    [ "$port" != 0 ] || [ "$result" != 0 ] || printf '\0' 1<>"$status"
    rm -f "dumping.$name"
    note "dump $name ended $result"
  ) 7<>"$status" &
  local dumper=$!
  [ -e locked ] || [ -z "$keepsAddress" ] || hand_address_over "$dumper" || return 1
  # A NUL when the images are complete; none, and the dumper gone, when it failed.
  local n=0 complete=
  exec 7<>"$status"
  while [ "$n" -lt 1200 ]; do
    if read -r -d '' -t 0.5 -u 7; then
      complete=yes
      break
    fi
    n=$((n + 1))
    kill -0 "$dumper" 2>/dev/null || break
  done
  exec 7>&-
  note "dumped $name"
  [ "$complete" = yes ] && [ -e locked ]
}

send() { # KIND NAME FILE [PORT]
  say "$1 $2 $(stat -c %s "$3") ${4-}"
  cat "$3" >&5
  hear 120 && [ "$answer" = "complete $2" ]
}

send_images() { # NAME PORT
  tar -C "images/$1" -cf "images/$1.tar" . && send images "$1" "images/$1.tar" "$2" && rm -f "images/$1.tar"
}

# What was packed beside the dump; it takes less time than the dump does.
packed() {
  local n=0
  until [ -e packed ] || [ -e unpacked ] || [ "$n" -gt 6000 ]; do
    n=$((n + 1))
    read -r -t 0.01 -u 8
  done
  [ -e packed ]
}

send_files() {
  local name volume
  while read -r name _; do
    [ ! -s "gone.$name" ] || send files "$name.gone" "gone.$name" || return 1
    [ ! -e "files.$name" ] || send files "$name.tar" "files.$name" || return 1
  done <entries
  while read -r volume _; do send volumes "$volume.tar" "volume.$volume" || return 1; done <volumes
}

finish() {
  note settled
  # The kubelet ends the sandbox as soon as the last container has gone, and asks for that only once in minutes.
  true >settled
  for group in $groups; do
    # A frozen process takes its end with it into the thaw: not one instruction of it runs any more.
    if [ -e "$group/cgroup.procs" ]; then xargs -r kill -KILL <"$group/cgroup.procs" 2>>log; fi
    thaw "$group"
  done
  # CRIU puts the freezer back to how it found it, which was frozen, when it is through with the pages; and of a frozen container
  # runc says that it is paused, not that it has stopped, and containerd can never delete it.
  local n=0
  while [ "$n" -lt 400 ] && ls dumping.* >/dev/null 2>&1; do
    n=$((n + 1))
    read -r -t 0.05 -u 8
  done
  for group in $groups; do thaw "$group"; done
  # Nobody is here any more, and the kernel says so to whoever still comes.
  [ -n "$keepsAddress" ] || nsenter --net="$netns" nft delete table inet pitcrew 2>>log
  true >released
  say bye
  kill "$session" 2>/dev/null
  echo moved
  exit 0
}

freeze_and_send() {
  converse
  say hello
  hear 15 && [ "$answer" = hello ] || roll_back "the target does not answer"
  note start
  rm -f gate go
  mkfifo gate go
  exec 9<>gate 10<>go
  while read -r name id port remotePort _; do
    dump "$name" "$id" "$port" || roll_back "$name cannot be dumped"
    send_images "$name" "$remotePort" || roll_back "the images of $name cannot be sent"
  done <"$move/entries"
  packed || roll_back "the files of the pod cannot be packed"
  send_files || roll_back "the files of the pod cannot be sent"
  ln -s committed decision 2>/dev/null
  [ "$(readlink decision)" = committed ] || roll_back "called off"
}

if [ "${2-}" = again ]; then
  [ ! -e released ] || { echo moved; exit 0; }
  ln -s aborted decision 2>/dev/null
  [ "$(readlink decision)" = committed ] || roll_back "it broke off before the commit point"
  converse -o ExitOnForwardFailure=no
else
  freeze_and_send
fi
say commit
hear 20
note "commit ${answer:-silence}"
tries=0
# Where connections end, they end as soon as the pod runs there, not only when all of its memory has come.
if [ -n "$keepsAddress" ]; then question=settled; else question=restored; fi
while :; do
  if [ "$answer" = refused ]; then
    # The target was told to give up before it heard of the commit: nothing has run there.
    ln -sfn aborted decision
    roll_back "the target has given up"
  fi
  say "$question"
  hear 60
  case $answer in
    settled) finish ;;
    restored) end_connections 2>>log && question=settled ;;
    failed*)
      tries=$((tries + 1))
      name=${answer#failed }
      note "restore of $name failed, try $tries"
      if [ "$tries" -gt 2 ]; then
        say revoke
        hear 20
        [ "$answer" = revoked ] || { echo "unclear the restore of $name failed, and the target fell silent"; exit 0; }
        ln -sfn aborted decision
        roll_back "$name cannot be restored on the target"
      fi
      # Still frozen, so it can be dumped once more; this time with all of its memory.
      while read -r each id _ _ _; do
        [ "$each" = "$name" ] || continue
        for port in $ports; do timeout 2 bash -c ": </dev/tcp/127.0.0.1/$port" 2>/dev/null; done
        dump "$name" "$id" 0 && send_images "$name" 0 && say again && hear 20
      done <"$move/entries"
      ;;
    *)
      silences=$((${silences-0} + 1))
      [ "$silences" -le 1 ] || { echo "unclear the target fell silent after the commit point"; exit 0; }
      sleep 1
      kill "$session" 2>/dev/null
      converse -o ExitOnForwardFailure=no
      say commit
      hear 20
      ;;
  esac
done
