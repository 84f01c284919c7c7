#!/bin/bash
# On the source: what the pod's containers wrote beside their memory, twice. A first copy goes over while the pod runs; in the
# freeze only what changed since, and what is gone since. `folders` says where: the upper folder of a container's own layer
# (a file that was deleted from a lower one is a device there), a volume, or, with other snapshotters than overlayfs, the
# whole tree, of which everything changed since the container was made is taken, and only in the freeze.
export LC_ALL=C
set -o pipefail

# That a file changed while it was read is no fault: it goes over once more.
archive() { # OPTION...
  tar --numeric-owner --xattrs "$@" || [ $? = 1 ]
}

# Sorted, each ended by NUL, in the form `./NAME`.
names() { # FOLDER TEST...
  find "$1" -mindepth 1 "${@:2}" -printf './%P\0' | sort -z
}

# What is written through a mapping changes a file's time only when a page is first written to after it was clean. So all
# pages are made clean before they are read; where a file system has no such moment there is no first copy.
is_dated() { # FOLDER
  case $(stat -f -c %T "$1") in ext2/ext3 | xfs | btrfs) timeout 30 sync -f "$1" ;; *) return 1 ;; esac
}

# Complete only when the other end has all of it.
first_copy() { # KIND NAME FOLDER
  local first=first.$1.$2
  rm -f "$first".*
  # File systems know the time but roughly.
  echo "@$(($(date +%s) - 2))" >"$first.since"
  [ "$1" != tree ] && is_dated "$3" || return 0
  find "$3" -type c -printf './%P\n' >"$first.left"
  archive --anchored --no-wildcards -X "$first.left" --quoting-style=literal --index-file="$first.index" -C "$3" -cvf - . |
    carry "first $1 $2" && true >"$first.complete"
}

# Sorted as well: what the other end may have. What follows a line break within a name is none.
names_of_first() { # KIND NAME
  [ ! -e "first.$1.$2.index" ] || sed -n -e 's#/$##' -e '/^\.\//p' "first.$1.$2.index" | tr '\n' '\0' | sort -z
}

pack_folder() { # KIND NAME FOLDER
  local first=first.$1.$2 out=out/files/$2 since
  [ "$1" != volume ] || out=out/volumes/$2
  if [ "$1" = tree ]; then
    (cd "$3" && find . -xdev -mindepth 1 -cnewer "${3%/rootfs}/config.json" ! -type d ! -type s -print0) |
      archive --null --no-recursion -C "$3" -T - -cf "$out.tar"
    return
  fi
  names "$3" -type c >"$out.gone" && names "$3" ! -type c >"now.$1.$2" || return 1
  if [ -e "$first.index" ]; then names_of_first "$1" "$2" | comm -z -23 - "now.$1.$2" >>"$out.gone"; fi
  if [ -e "$first.complete" ]; then
    read -r since <"$first.since"
    true >"$out.delta"
    names "$3" ! -type c -newerct "$since" && names_of_first "$1" "$2" | comm -z -13 - "now.$1.$2"
  else
    cat "now.$1.$2"
  fi | { printf './\0' && sort -zu; } | archive --null --no-recursion -C "$3" -T - -cf "$out.tar"
}
