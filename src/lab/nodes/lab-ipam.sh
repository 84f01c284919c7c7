#!/bin/sh
# CNI address management for the pod network of the lab: one pool for all servers, as Calico's. A pod that asks for an address
# by its annotation `lab.pitcrew.dev/ip` gets it, also while another server still holds it: that is how a pod moves.
#
# /var/lib/cni/lab is shared by all servers; it has a folder per address, and in it a file per sandbox that holds the address.
set -eu
pool=/var/lib/cni/lab
config=$(cat)
exec 9>"$pool/.lock"
# One at a time, over all servers.
flock 9
case $CNI_COMMAND in
  VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}'; exit 0 ;;
  CHECK) exit 0 ;;
  DEL)
    rm -f "$pool"/*/"$CNI_CONTAINERID"
    # Only an address that nobody holds any more goes back; rmdir refuses the others.
    for address in "$pool"/*/; do rmdir "$address" 2>/dev/null || true; done
    exit 0 ;;
esac
asked=$(printf '%s' "$config" | tr -d '\n' | sed -n 's/.*"lab\.pitcrew\.dev\/ip" *: *"\([0-9.]*\)".*/\1/p')
address=
if [ -n "$asked" ]; then
  mkdir -p "$pool/$asked"
  : >"$pool/$asked/$CNI_CONTAINERID"
  address=$asked
else
  # Round and round: others remember for a while whose an address was.
  number=$(cat "$pool/.last" 2>/dev/null || echo 0)
  tries=0
  while [ -z "$address" ]; do
    tries=$((tries + 1)) number=$(((number + 1) % 2500))
    [ "$tries" -lt 2500 ] || { echo '{"cniVersion":"1.0.0","code":11,"msg":"no address is left"}'; exit 1; }
    candidate=10.88.$((1 + number / 250)).$((1 + number % 250))
    # Making the folder is what takes the address: only one can.
    if mkdir "$pool/$candidate" 2>/dev/null; then
      : >"$pool/$candidate/$CNI_CONTAINERID"
      address=$candidate
      echo "$number" >"$pool/.last"
    fi
  done
fi
printf '{"cniVersion":"1.0.0","ips":[{"address":"%s/16"}]}\n' "$address"
