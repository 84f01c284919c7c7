#!/bin/bash
# On the target, in place of `runc create` for the new pod's sandbox and containers: the sandbox is made as ever and its
# network closed; a container waits for its images and is restored from them.
[ -n "${BASH_VERSION-}" ] || exec bash "$0" "$@"
move=${0%/*}
. "$move/env"
. "$move/lib"
bundle= pidFile= before=
for word do
  case $before in
    --bundle) bundle=$word ;;
    --pid-file) pidFile=$word ;;
  esac
  before=$word
done
id=$before
annotation() {
  sed -n 's/.*"io\.kubernetes\.cri\.'"$1"'":"\([^"]*\)".*/\1/p' "$bundle/config.json"
}
# Who guesses or copies the name of a move from another namespace gets an ordinary container.
[ "$(annotation sandbox-namespace)" = "$namespace" ] || exec runc "$@"
# A move that was called off or is over lets everything pass.
if [ -e "$move/released" ] || [ -e "$move/settled" ]; then exec runc "$@"; fi

if [ "$(annotation container-type)" = sandbox ]; then
  runc "$@" || exit
  netns=$(sed -n 's/.*"type":"network","path":"\([^"]*\)".*/\1/p' "$bundle/config.json")
  # What cannot be written down, for want of room, would be missing when the pod is here and its network is to be opened.
  printf '%s\n' "$netns" >"$move/netns.new" && mv "$move/netns.new" "$move/netns" || fail "there is no room for what the move needs"
  close_network "$netns" >>"$move/log" 2>&1 || fail "the network of the new sandbox cannot be closed"
  note sandbox
  exit 0
fi

name=$(annotation container-name)
mkdir -p "/run/pitcrew/containers"
case " $initContainers " in
  *" $name "*)
    # It ran before the pod ever served; what it made is part of what is moved.
    skip_init_container || fail "init container $name cannot be passed over"
    exec runc "$@"
    ;;
esac
case " $containers " in *" $name "*) ;; *) exec runc "$@" ;; esac

give_up() {
  rm -f "/run/pitcrew/containers/$id"
  ! decided aborted || fail "the move was called off"
  decided committed || fail "runc cannot prepare the restore of $name"
  rm -f "$images.complete"
  true >"$move/failed/$name"
  note "failed $name"
  exit 1
}

ln -sfn "$move/restored" "/run/pitcrew/containers/$id"
images=$move/images/$name work=$move/work/$name
mkdir -p "$work"
lazy= early= connections= private=
[ -z "$keepsAddress" ] || connections=--tcp-established
if [ ! -e "$move/waiting/$name.tried" ]; then
  # All that runc does before it lets CRIU restore is done before the freeze: the criu that it finds waits for the images.
  true >"$move/waiting/$name.tried"
  early=1
  case " $lazyContainers " in *" $name "*) lazy=--lazy-pages ;; esac
else
  # It failed before, and nobody knows yet whether its memory comes with the images this time.
  rm -f "$work/restore.log" && true >"$work/restore.log"
  bash "$move/gate" "$name" "$id" "$bundle" >>"$move/log" 2>&1 </dev/null || give_up
  [ ! -e "$images/lazy" ] || lazy=--lazy-pages
fi
n=$# seen=
while [ "$n" -gt 0 ]; do
  word=$1 n=$((n - 1))
  shift
  if [ -z "$seen" ] && [ "$word" = create ]; then
    seen=1
    set -- "$@" restore --detach --bundle "$bundle" --pid-file "$pidFile" --image-path "$images" --work-path "$work" \
      $connections --file-locks --manage-cgroups-mode soft $lazy
  elif [ -z "$seen" ] || [ "$word" = --no-pivot ] || [ "$word" = "$id" ]; then
    set -- "$@" "$word"
  fi
done
prepare_opening
# There only where connections are to be closed.
export CRIU_CONFIG_FILE="$move/criu.conf"
export PITCREW_CRIU PITCREW_GATE="$name $id $bundle"
PITCREW_CRIU=$(command -v criu)
[ -z "$early" ] || PATH=$move/bin:$PATH
# The standard streams stay the container's own: were they redirected, its next move would fail.
if runc "$@" 6>&- 7>&-; then
  echo "$id" >"$move/restored/$name"
  if all_restored; then
    open_network >>"$move/log" 2>&1
    after_opening >>"$move/log" 2>&1 </dev/null &
  fi
  note "restored $name"
  exit 0
fi
give_up
