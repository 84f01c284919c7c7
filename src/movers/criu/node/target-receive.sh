#!/bin/bash
# On the target, at the far end of the one-move key: all that this key can do. `session` is a conversation, a line for each
# request and for each answer; `first` takes the first copy of a folder; `parts` takes one archive with what the pod consists
# of, but for memory that stays behind.
move=${0%/*}
. "$move/env"
. "$move/lib"
umask 077
cd "$move" || exit 1
case $1 in
  'first '*)
    take_first ${1#first } 2>>log
    exit
    ;;
esac
# Tells the conversation how the bulk comes along.
exec 3<>bulk
if [ "$1" = parts ]; then
  echo open >&3
  tar -x -f - images files volumes 2>>log
  echo "ended $?" >&3
  exit
fi
private='3 8'
# Never holds anything: reading from it is a sleep that needs no process.
exec 8<> <(:)

say() { printf '%s\n' "$*"; }

bulk_is() { # SECONDS WORD
  local seconds=$1 word
  while [ "$seconds" -gt 0 ]; do
    seconds=$((seconds - 1))
    read -r -t 1 -u 3 word || continue
    [ "$word" != "$2" ] || return 0
    case $word in ended*) return 1 ;; esac
  done
  return 1
}

# A restored process stands still at each page that it touches before it came. Should the pages stop coming, it must not
# go on with empty ones: it is ended.
fetch_pages() { # NAME PORT
  mkdir -p "work/$1"
  rm -f "work/$1/lazy-pages.socket" "pages/$1"
  true >"images/$1/lazy"
  (
    criu lazy-pages --page-server --address 127.0.0.1 --port "$2" -D "$move/images/$1" -W "$move/work/$1" -o lazy.log \
      </dev/null >/dev/null 2>&1 3>&- &
    echo "$!" >"work/$1/pages.pid"
    wait "$!"
    result=$?
    if [ "$result" = 0 ]; then
      true >"pages/$1"
    else
      end_incomplete "$1"
      true >"failed/$1"
    fi
    note "pages $1 $result"
  ) &
}

pages_can_be_fetched() { # NAME
  local n=0
  until [ -S "work/$1/lazy-pages.socket" ]; do
    n=$((n + 1))
    if [ "$n" -gt 2500 ] || [ -e "failed/$1" ]; then return 1; fi
    read -r -t 0.002 -u 8
  done
  return 0
}

# By the id under which it was restored, if it was.
end_incomplete() {
  [ -e "restored/$1" ] && read -r id _ 2>/dev/null <"waiting/$1.at" || return
  runc --root /run/containerd/runc/k8s.io kill --all "$id" KILL >>log 2>&1
  rm -f "images/$1.complete"
}

arrived() { # NAME:PORT...
  local part id bundle
  bulk_is 120 'ended 0' || return 1
  for part; do [ "${part#*:}" = 0 ] || fetch_pages "${part%:*}" "${part#*:}"; done
  for part; do
    # Those that do not wait yet have no place to put them.
    read -r id bundle 2>/dev/null <"waiting/${part%:*}.at" || continue
    apply_files "${part%:*}" "$id" "$bundle" || return 1
  done
  for part; do
    [ "${part#*:}" = 0 ] || pages_can_be_fetched "${part%:*}" || return 1
    true >"images/${part%:*}.complete"
  done
}

# Says so for the first one that did.
any_failed() {
  for name in $containers; do
    [ -e "failed/$name" ] || continue
    say "failed $name $(complaint "work/$name/restore.log")"
    return 0
  done
  return 1
}

restored() {
  any_failed && return
  all_restored && say restored
}

settled() {
  any_failed && return
  for name in $containers; do
    [ -e "restored/$name" ] || return 1
    [ ! -e "images/$name/lazy" ] || [ -e "pages/$name" ] || return 1
  done
  # Whatever is started after this is a restart like any other.
  true >settled
  say settled
}

while read -r request rest; do
  case $request in
    hello) say hello ;;
    begin)
      [ -z "$keepsAddress" ] || prepare_takeover 2>>log
      if bulk_is 10 open; then say "begun ${mac%% *}"; else say failed; fi
      ;;
    takeover) if take_over >>log 2>&1; then say taken; else say kept; fi ;;
    parts) if arrived $rest 2>>log; then say complete; else say failed; fi ;;
    commit) if decide committed; then note committed; wake; say committed; else say refused; fi ;;
    anew)
      # The folder stays: who waits for what comes into it has it open.
      rm -rf "failed/$rest" "restored/$rest" "images/$rest.complete" "images/$rest"/* "files/$rest".*
      say anew
      ;;
    again) wake; say again ;;
    restored) until restored; do read -r -t 0.02 -u 8; done ;;
    settled) until settled; do read -r -t 0.02 -u 8; done ;;
    revoke)
      ln -sfn aborted decision
      wake
      [ -z "$keepsAddress" ] || keep_silent 2>>log
      say revoked
      ;;
  esac
done
