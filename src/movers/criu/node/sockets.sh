# Sockets that go by the pod's own address, which a pod that gets another one cannot have any more: TCP that listens on it,
# and UDP that is bound to it, if by being connected. All addresses, loopback and groups are anybody's. From /proc alone.
own_sockets() { # PID; prints PROTOCOL ADDRESS:PORT INODE
  for protocol in tcp udp; do
    # Of TCP those that listen: connections are closed anyway.
    state='[0-9A-F]+'
    [ "$protocol" = udp ] || state=0A
    cat "${proc:-/proc}/$1/net/$protocol" "${proc:-/proc}/$1/net/${protocol}6" 2>/dev/null |
      sed -nE "s/^ *[0-9]+: ([0-9A-F]+):([0-9A-F]+) [^ ]+ $state [^ ]+ [^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +([0-9]+) .*/\1 \2 \3/p" |
      while read -r address port inode; do
        # The kernel prints words of 32 bits, whose first byte stands last on the processors that containers run on here.
        case ${address#0000000000000000FFFF0000} in
          00000000 | ??????7F | ??????E? | FFFFFFFF) ;;
          00000000000000000000000000000000 | 00000000000000000000000001000000 | ??????FF????????????????????????) ;;
          *) printf '%s %s:%d %s\n' "$protocol" "$(address_of "${address#0000000000000000FFFF0000}")" "0x$port" "$inode" ;;
        esac
      done
  done
}

address_of() {
  turned=$(printf %s "$1" | sed -E 's/(..)(..)(..)(..)/\4\3\2\1/g')
  if [ "${#1}" = 8 ]; then
    printf '%d.%d.%d.%d' $(printf %s "$turned" | sed -E 's/(..)/0x\1 /g')
  else
    printf '[%s]' "$(printf %s "$turned" | tr A-F a-f | sed -E 's/(....)/\1:/g; s/:$//')"
  fi
}

# A question to a name server is a UDP socket that is gone in a moment, and no reason for anything.
lasting_own_sockets() { # PID; prints PROTOCOL ADDRESS:PORT
  own=$(own_sockets "$1")
  [ -n "$own" ] || return 0
  sleep 0.3
  own_sockets "$1" | while read -r protocol where inode; do
    ! printf '%s\n' "$own" | grep -q " $inode\$" || printf '%s %s\n' "$protocol" "$where"
  done
}
