/** fwupd with one update, which is staged by `update` and written by the next boot (see `MachineFiles.boot`). */
import { sh } from './sh.ts';

const fwupdmgr = sh`json='' verb=''
for word in "$@"; do
  case $word in
    --json) json=1 ;;
    -y | --assume-yes | --force | --no-reboot-check | --no-unreported-check | --no-metadata-check) ;;
    -*) echo "Failed to parse arguments: Unknown option $word" >&2; exit 1 ;;
    *) [ -n "$verb" ] || verb=$word ;;
  esac
done
fwupd=$LAB_ROOT/var/lib/fwupd
case $verb in
  refresh) line 'Successfully downloaded new metadata: 1 local device supported' ;;
  get-devices | get-topology) echo 'BMC Firmware' ;;
  get-updates | get-upgrades)
    if [ ! -e "$fwupd/offered" ]; then
      if [ -n "$json" ]; then echo '{ "Devices" : [] }'; else echo 'No updatable devices'; fi
      exit 2
    fi
    if [ -n "$json" ]; then
      echo '{ "Devices" : [ { "Name" : "BMC Firmware", "Version" : "2.14", "Releases" : [ { "Version" : "2.17" } ] } ] }'
    else
      cat "$fwupd/offered"
    fi
    ;;
  update | upgrade | install)
    is_root || { echo 'Failed to obtain auth' >&2; exit 1; }
    [ -e "$fwupd/offered" ] || exit 2
    line 'Downloading 2.17 for BMC Firmware...'
    line 'Scheduling...: BMC Firmware'
    mv "$fwupd/offered" "$fwupd/staged"
    line 'An update requires a reboot to complete.'
    ;;
  *) echo "Command not found: $verb" >&2; exit 1 ;;
esac
`;

export const firmwareShims = { fwupdmgr };
