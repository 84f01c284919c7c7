# What both ends of a move share: programs that stand by, the decision, and what CRIU has to say.

# Starts a program that reads what it has to do from file descriptor FD, before the freeze: its start takes longer than what
# it does. It ends without having done anything when its caller ends, or is told nothing. `private` are the caller's own
# descriptors, which no child may keep open.
stand_by() { # FD PROGRAM...
  fd=$1 channel=$move/standby.$$.$1
  shift
  mkfifo -m 600 "$channel" || return 1
  (
    for other in $private; do eval "exec $other>&-"; done
    exec "$@" <"$channel" >>"$move/log" 2>&1
  ) &
  eval "standby_$fd=$!; exec $fd>\"\$channel\""
  private="${private-} $fd"
  rm -f "$channel"
}

# Answers as the program does; in vain where nobody stands by.
tell() { # FD TEXT
  # Whoever stood by may be gone.
  trap '' PIPE
  eval "told=\${standby_$1-} standby_$1="
  [ -n "$told" ] && eval "printf '%s\n' \"\$2\" >&$1; exec $1>&-" && wait "$told"
}

# Whoever is first decides whether a move is `committed` or `aborted`; both are files, so that no program is needed to ask.
decided() { # WHAT
  [ "$move/decision" -ef "$move/$1" ]
}

decide() { # WHAT
  ln -s "$1" "$move/decision" 2>/dev/null || decided "$1"
}

# The first thing that CRIU was not content with, without where in its source it says so; that it may not raise a limit of its
# own is none.
complaint() { # LOG
  sed -n '/ Error (.*rlimit:/d; / Error (/{s/.*Error ([^)]*): *//p;q}' "$1" 2>/dev/null
}
