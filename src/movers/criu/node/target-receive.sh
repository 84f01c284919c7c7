#!/bin/bash
# On the target, at the far end of the one-move key: all that this key can do. One conversation, a line for each request and
# for each answer, images in between.
move=${0%/*}
. "$move/env"
. "$move/lib"
umask 077
cd "$move" || exit 1

# A restored process stands still at each page that it touches before it came. Should the pages stop coming, it must not
# go on with empty ones: it is ended.
fetch_pages() {
  mkdir -p "$move/work/$1"
  rm -f "$move/work/$1/lazy-pages.socket"
  (
    criu lazy-pages --page-server --address 127.0.0.1 --port "$2" -D "$move/images/$1" -W "$move/work/$1" -o lazy.log \
      </dev/null >/dev/null 2>&1
    result=$?
    if [ "$result" = 0 ]; then
      true >"$move/pages/$1"
    else
      end_incomplete "$1"
      true >"$move/failed/$1"
    fi
    note "pages $1 $result"
  ) &
  n=0
  until [ -S "$move/work/$1/lazy-pages.socket" ]; do
    n=$((n + 1))
    [ "$n" -lt 400 ] || return 1
    sleep 0.005
  done
}

# By the id under which it was restored, if it was.
end_incomplete() {
  read -r id 2>/dev/null <"$move/restored/$1" || return
  runc --root /run/containerd/runc/k8s.io kill --all "$id" KILL >>"$move/log" 2>&1
  rm -f "$move/images/$1.complete"
}

unpack() {
  # The folder stays: who waits for what comes into it has it open.
  rm -rf "failed/$1" "images/$1"/*
  mkdir -p "images/$1" && head -c "$2" | tar -x -C "images/$1" -f - || return 1
  if [ "$3" != 0 ]; then true >"images/$1/lazy" && fetch_pages "$1" "$3" || return 1; fi
  true >"images/$1.complete"
}

restored() {
  for name in $containers; do
    [ ! -e "failed/$name" ] || { say "failed $name"; return; }
  done
  all_restored && say restored
}

settled() {
  for name in $containers; do
    [ ! -e "failed/$name" ] || { say "failed $name"; return; }
    [ -e "restored/$name" ] || return 1
    [ ! -e "images/$name/lazy" ] || [ -e "pages/$name" ] || return 1
  done
  # Whatever is started after this is a restart like any other.
  true >settled
  say settled
}

say() { printf '%s\n' "$*"; }

while read -r request name size port; do
  case $request in
    hello)
      [ -z "$keepsAddress" ] || prepare_takeover 2>>log
      say hello
      ;;
    takeover) if take_over >>log 2>&1; then say taken; else say kept; fi ;;
    images) if unpack "$name" "$size" "$port" 2>>log; then say "complete $name"; else say "failed $name"; fi ;;
    files | volumes)
      if head -c "$size" >"$request/$name"; then say "complete $name"; else say "failed $name"; fi
      ;;
    commit)
      ln -s committed decision 2>/dev/null
      if [ "$(readlink decision)" = committed ]; then note committed; wake; say committed; else say refused; fi
      ;;
    again) wake; say again ;;
    restored) until restored; do sleep 0.02; done ;;
    settled) until settled; do sleep 0.02; done ;;
    revoke)
      ln -sfn aborted decision
      wake
      [ -z "$keepsAddress" ] || keep_silent 2>>log
      say revoked
      ;;
  esac
done
