# Memory that is fetched page by page passes through ports of the loopback interface: from root to root, and for nobody else
# on this server.
guard_pages() { # TABLE PORT...
  guarded=$1
  shift
  [ "$#" -gt 0 ] || return 0
  list=$(printf '%s, ' "$@")
  nft -f - <<RULES
table inet $guarded {}
delete table inet $guarded
table inet $guarded {
  chain pages {
    type filter hook output priority -500;
    oif "lo" tcp dport { ${list%, } } meta skuid != 0 drop
  }
}
RULES
}
