# Whoever wants a connection to the pod is sent on to where it will be; there its first packet waits in a queue. The rules forget
# that by themselves, so that a source whose script is no more is called again.
calls_go_to() { # MAC; the caller's own is `mac`
  cat <<RULES
table netdev pitcrew {}
delete table netdev pitcrew
table netdev pitcrew {
  set calls {
    type inet_proto
    flags timeout
    elements = { tcp timeout 5s }
  }
  chain in {
    type filter hook ingress device eth0 priority 0;
    ip protocol @calls tcp flags & (syn | ack) == syn ether saddr set $mac ether daddr set $1 fwd to eth0
  }
}
RULES
}
