#!/bin/bash
# On the source: what the pod's containers wrote beside their memory, twice. A first copy goes over while the pod runs; in the
# freeze only what changed since, and what is gone since. `folders` says where: the layer of a container's own (the upper
# folder of overlayfs, the lower ones, and what the container sees), a volume, or, with other snapshotters than overlayfs,
# the whole tree, of which everything changed since the container was made is taken, and only in the freeze.
export LC_ALL=C
set -o pipefail
attributes=(--xattrs --xattrs-include=user.* --xattrs-include=security.capability)

# That a file changed while it was read is no fault: it goes over once more. Holes stay holes.
archive() { # OPTION...
  tar --numeric-owner --sparse "${attributes[@]}" "$@" || [ $? = 1 ]
}

# CRIU reads file systems in memory through folders of this name, which come and go at the same time: `/tmp/cr-tmpfs.XXXXXX`, or
# at the top where there is no `/tmp`.
fleeting=('!' '(' -path '*/cr-tmpfs.??????' -prune ')')

# As `find`; but what goes between being listed and being looked at, as they do and files of a pod that runs, is no fault.
look() { # FOLDER... TEST...
  local said
  [ -d "$1" ] && { said=$(find "$@" 2>&1 >&3 3>&-) || ! grep -v ': No such file or directory$' <<<"$said" >&2; } 3>&1
}
export -f look

# Sorted, each ended by NUL, in the form `./NAME`.
names() { # FOLDER TEST...
  look "$1" -mindepth 1 "${fleeting[@]}" "${@:2}" -printf './%P\0' | sort -z
}

# The same, with the number of what has this name. A folder that takes the place of another has files with old times in it.
numbers() { # FOLDER
  look "$1" -mindepth 1 "${fleeting[@]}" ! -type c -printf '%i ./%P\0' | sort -z
}

# What is written through a mapping changes a file's time only when a page is first written to after it was clean. So all
# pages are made clean before they are read; where a file system has no such moment there is no first copy.
is_dated() { # FOLDER
  case $(stat -f -c %T "$1") in ext2/ext3 | xfs | btrfs) timeout 30 sync -f "$1" ;; *) return 1 ;; esac
}

# Seconds between the clock and the boot: another number means that the clock was set, and times say nothing any more.
clock_offset() {
  local up rest
  read -r up rest </proc/uptime
  echo $(($(date +%s) - ${up%.*}))
}

# Complete only when the other end has all of it.
first_copy() { # KIND NAME FOLDER
  local first=first.$1.$2
  rm -f "$first".*
  clock_offset >"$first.offset"
  # File systems know the time but roughly.
  echo "@$(($(date +%s) - 2))" >"$first.since"
  [ "$1" != tree ] && is_dated "$3" || return 0
  numbers "$3" >"$first.numbers" && look "$3" -type c -printf './%P\n' >"$first.left"
  archive --anchored --no-wildcards -X "$first.left" --quoting-style=literal --index-file="$first.index" -C "$3" -cvf - . |
    carry "first $1 $2" && true >"$first.complete"
}

is_usable() { # FIRST
  local offset now
  [ -e "$1.complete" ] && read -r offset <"$1.offset" && now=$(clock_offset) || return 1
  [ $((now - offset)) -ge -1 ] && [ $((now - offset)) -le 1 ]
}

# Sorted as well: what the other end may have. What follows a line break within a name is none.
names_of_first() { # FIRST
  [ ! -e "$1.index" ] || sed -n -e 's#/$##' -e '/^\.\//p' "$1.index" | tr '\n' '\0' | sort -z
}

# What lower layers have and the container does not see: removed, or hidden by a folder that was made anew in its place.
hidden() { # UPPER SEEN LOWERS
  local lower lowers
  IFS=: read -r -a lowers <<<"$3"
  look "$1" "${fleeting[@]}" -type d -printf './%P\0' >now.folders || return 1
  for lower in "${lowers[@]}"; do
    # Many layers are written relative to the folder of all of them.
    case $lower in /*) ;; *) lower=${1%/*/*}/$lower ;; esac
    entries_of "$lower" || return 1
  done | sort -zu >now.lower
  entries_of "$2" | sort -z | comm -z -23 now.lower -
}

# Of the folders in `now.folders`, as far as they are there.
entries_of() { # FOLDER
  (
    cd "$1" || exit 1
    xargs -0 sh -c 'for each; do [ ! -d "$each" ] || [ -L "$each" ] || printf "%s\0" "$each"; done' sh <"$OLDPWD/now.folders" |
      xargs -0 -r bash -c 'look "$@" -mindepth 1 -maxdepth 1 -print0' bash
  )
}

changed_in_tree() { # FOLDER
  (cd "$1" && look . -xdev -mindepth 1 "${fleeting[@]}" -cnewer "${1%/rootfs}/config.json" ! -type d ! -type s "${@:2}")
}

pack_folder() { # KIND NAME FOLDER SEEN LOWERS
  local first=first.$1.$2 out=out/files/$2 now=now.$1.$2 since
  [ "$1" != volume ] || out=out/volumes/$2
  if [ "$1" = tree ]; then
    changed_in_tree "$3" -print0 | archive --null --no-recursion -C "$3" -T - -cf "$out.tar"
    return
  fi
  names "$3" ! -type c >"$now" || return 1
  if [ "$1" = layer ]; then hidden "$3" "$4" "$5" >"$out.gone" || return 1; else : >"$out.gone"; fi
  if [ -e "$first.index" ]; then names_of_first "$first" | comm -z -23 - "$now" >>"$out.gone" || return 1; fi
  if is_usable "$first"; then
    read -r since <"$first.since"
    true >"$out.delta"
    names "$3" ! -type c -newerct "$since" && names_of_first "$first" | comm -z -13 - "$now" &&
      numbers "$3" | comm -z -13 "$first.numbers" - | sed -z 's/^[0-9]* //'
  else
    cat "$now"
  fi | { printf './\0' && sort -zu; } | archive --null --no-recursion -C "$3" -T - -cf "$out.tar"
}

# What goes along in the freeze lies in memory at both ends, in the room that was made for it.
freezeKib=196608

# KiB that can only go over in the freeze. Of what lies in memory the target knows already.
kib_in_freeze() { # WHEN KIND NAME FOLDER
  local each sum=0
  if [ "$2" = tree ]; then
    for each in $(changed_in_tree "$4" -printf '%k '); do sum=$((sum + each)); done
  elif [ ! -e "first.$2.$3.complete" ]; then
    case $1.$(stat -f -c %T "$4") in
      *.tmpfs | before.ext2/ext3 | before.xfs | before.btrfs) ;;
      *) sum=$(du -skx "$4") sum=${sum%%[!0-9]*} ;;
    esac
  fi
  echo "${sum:-0}"
}

# `before` anything was copied, or after it; says so if it is.
is_too_much() { # WHEN
  local kind name folder kib=0
  while read -r kind name folder _; do
    [ ! -d "$folder" ] || kib=$((kib + $(kib_in_freeze "$1" "$kind" "$name" "$folder")))
  done <folders
  [ "$kib" -gt "$freezeKib" ] || return 1
  echo "blocked $((kib / 1024)) MiB of its files could go over only while it stands still, and $((freezeKib / 1024)) are the limit"
}
