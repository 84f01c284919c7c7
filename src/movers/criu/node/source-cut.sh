#!/bin/bash
# On the source: the freeze, the dump, the commit point. Everything that may need its time was done before. The last line
# says how it ended: `moved`, `rolledBack` and why, or `unclear` where the target fell silent after the commit point; then
# the source stays frozen until somebody has asked the target. Called with `again` it does that, or ends what was cut short;
# `running` where another one is still at it.
move=$1
. "$move/env"
. "$move/lib"
. "$move/calls"
. "$move/dump"
umask 077
cd "$move" || exit 1
# Descriptors of its own: 3 the bulk, 4 the lock, 5 and 6 the conversation, 7 what shuts the network, 8 sleep, 9 the gate.
private='4 5 6 8 9'
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
  local fd
  # Once the decision is `committed`, only the target's word can undo it.
  decide aborted || { echo "unclear $*"; exit 0; }
  for fd in "${goOf[@]}"; do echo no >&"$fd"; done
  resume_pod >>log 2>&1
  kill "$session" 2>/dev/null
  note "rolled back: $*"
  echo "rolledBack $*"
  exit 0
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

# The address goes over to the target first, where packets are kept; only then is there nothing to lose by stopping.
hand_address_over() { # MAC
  let_callers_in "$1" || return 1
  note takeover
  say takeover
  hear 10 && [ "$answer" = taken ]
}

freeze_and_send() {
  local name id port remotePort targetMac parts=()
  rm -rf out gate go.* status.*
  mkdir -p out/images out/files out/volumes && mkfifo gate && exec 9<>gate
  converse
  open_way
  say begin
  hear 15 && [ "${answer%% *}" = begun ] || roll_back "the target does not answer"
  targetMac=${answer#begun }
  note start
  while read -r name id port remotePort _; do
    begin_dump "$name" "$id" "$port"
    parts+=("$name:$remotePort")
  done <entries
  begin_packing
  stand_by 7 nsenter --net="$netns" nft -f -
  await_dumpers || roll_back "runc cannot prepare the dump"
  [ -z "$keepsAddress" ] || hand_address_over "$targetMac" || roll_back "the target cannot take the address"
  stop_pod || roll_back "the pod cannot be stopped"
  for fd in "${goOf[@]}"; do echo go >&"$fd"; done
  while read -r name _; do dumped "$name" || roll_back "$name cannot be dumped: $(complaint "work/$name/dump.log")"; done <entries
  wait "$packer" || roll_back "the files of the pod cannot be packed: $(tail -n 1 pack.log)"
  note packed
  send_parts "${parts[@]}" || roll_back "what the pod consists of cannot be sent"
  decide committed || roll_back "called off"
}

# A restore failed. The pod is still frozen, so it can be dumped once more; this time with all of its memory.
dump_again() { # NAME ID PORT
  [ "$3" = 0 ] || timeout 2 bash -c ": </dev/tcp/127.0.0.1/$3" 2>/dev/null
  say "anew $1"
  hear 20 && [ "$answer" = anew ] || return 1
  rm -rf out/*/* && open_way
  # Into a new container, where nothing of a first copy is.
  begin_packing "$1" && echo go >&"${goOf[.pack]}"
  begin_dump "$1" "$2" 0
  dumped "$1" && wait "$packer" && send_parts "$1:0" && say again && hear 20
}

if [ "${2-}" = again ]; then
  [ ! -e released ] || { echo moved; exit 0; }
  ! decide aborted || roll_back "it broke off before the commit point"
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
      read -r _ name because <<<"$answer"
      note "restore of $name failed, try $tries: $because"
      if [ "$tries" -gt 2 ]; then
        say revoke
        hear 20
        [ "$answer" = revoked ] || { echo "unclear the restore of $name failed, and the target fell silent"; exit 0; }
        ln -sfn aborted decision
        roll_back "$name cannot be restored on the target: $because"
      fi
      while read -r each id port _; do [ "$each" != "$name" ] || dump_again "$name" "$id" "$port"; done <entries
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
