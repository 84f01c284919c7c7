/**
 * The job runner: what is sent over the wire to run a command once, follow it, and pick it up again. POSIX sh with
 * coreutils or busybox, and `setsid`; nothing is installed on the server. It builds text and decides nothing.
 *
 * How "at most once" is kept. A job is a folder, `<jobs>/<id>`:
 *
 *   folder made      `mkdir`. Nothing has run. Whoever comes may start the job.
 *   `started`        the claim. A supervisor makes it as the last thing before it runs the script.
 *   `output`, `rest` the first megabyte of output; the last 8 KiB of what came after that.
 *   `timedout`       the bound was reached and the script's process group is being killed.
 *   `ended`          how it ended.
 *
 * - `mkdir` alone cannot be the claim: who dies between `mkdir` and the start would leave a job that never ran and could
 *   never be told from one that did. So everybody who finds no claim starts a supervisor, and the supervisors race for
 *   `started`; all but one find it made, and end. Started twice is harmless, claimed twice impossible.
 * - The claim is a symbolic link whose target is the value (boot id, process id, start time). It is the one thing that a
 *   shell can make which is exclusive, atomic and never half written: a file made by `>` exists empty for a moment, and
 *   after a power cut perhaps for ever. `ended` is a link for the same reason; that is stronger than write and rename.
 * - The claim is flushed to the disk before the script's first command. If the power goes before the flush, the script
 *   has done nothing and the job may start; if after, the claim is there. Without the flush a power cut could undo the
 *   claim of a firmware flash that was done.
 * - Claimed and not ended: it runs if its supervisor is alive (same boot id, same process id, same start time of that
 *   process, because process ids come round again). Else it is lost: nobody knows how far it came, nobody starts it.
 * - The text arrives over a connection that may be cut anywhere. All of it is one function, called by the last line; cut
 *   short it is a syntax error and does nothing. A here-document cut short would otherwise run with half its text.
 *
 * Nothing but `sh -s` stands in a process list: text and script travel by stdin. The script is removed once it ended.
 */
import { InvariantError } from '../../errors/maintenance-error.ts';

export interface RunnerSettings {
  /** Marks our lines among what login scripts and `sudo` print; new for every execution, so that no output fakes it. */
  readonly nonce: string;
  readonly jobsFolder: string;
  readonly bootIdFile: string;
}

export interface Follow {
  readonly id: string;
  /** Bytes of output that are known already. */
  readonly offset: number;
  /** How long this execution stays and watches; afterwards the client asks again. */
  readonly watchSeconds: number;
  /** Given: the job is started where nobody has started it. */
  readonly start?: { readonly script: string; readonly timeoutSeconds: number } | undefined;
}

/** What is kept of the output: the first so much … */
const outputBytesMax = 1_048_576;
/** … and the last so much of the rest. */
export const tailBytesMax = 8_192;

/** Ids become names of folders, so they are looked at even though they are our own. */
function checked(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(id))
    throw new InvariantError(`${JSON.stringify(id)} is no command id`);
  return id;
}

/** For the shell: a word that means exactly this text. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function heredoc(nonce: string, file: string, text: string): string {
  if (text.includes('\0')) throw new InvariantError('a script cannot hold a NUL');
  return `cat >${file} <<'EOF_${nonce}'\n${text}\nEOF_${nonce}`;
}

/** One function, called by the last line: see above. */
function whole(settings: RunnerSettings, body: string): string {
  return `main() {
nonce=${quoted(settings.nonce)}
say() { printf '%s %s\\n' "$nonce" "$*" >&2; }
printf '%s\\n' "$nonce"
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
${body}
}
main </dev/null
exit
`;
}

/** Job functions that every part uses. `claim` reads the link apart: boot id, process id, start time. */
function jobFunctions(settings: RunnerSettings): string {
  return `jobs=${quoted(settings.jobsFolder)}
boot=$(cat ${quoted(settings.bootIdFile)}) && [ -n "$boot" ] || { say broken 'no boot id'; return; }
claim() {
  claim=$(readlink "$1/started") || return 1
  claimBoot=\${claim%%.*} claimPid=\${claim#*.}
  claimBorn=\${claimPid#*.} claimPid=\${claimPid%%.*}
}
alive() {
  [ "$claimBoot" = "$boot" ] || return 1
  read -r stat 2>/dev/null <"/proc/$claimPid/stat" || return 1
  set -- \${stat##*) }
  [ "$1" != Z ] && [ "\${20}" = "$claimBorn" ]
}`;
}

/**
 * Runs detached, in a session of its own. Arguments: job folder, file of the script, seconds, boot id, umask.
 * The script gets a process group of its own, so that the bound ends all of it and nothing of ours.
 */
const supervisor = `job=$1 script=$2 seconds=$3 boot=$4 mask=$5 self=$0
read -r stat <"/proc/$$/stat"
set -- \${stat##*) }
if ! ln -s "$boot.$$.\${20}" "$job/started" 2>/dev/null; then rm -f "$script" "$self"; exit; fi
sync -f "$job" 2>/dev/null || sync
ulimit -c 0
rm -f "$job/pipe"
mkfifo "$job/pipe"
{
  # At the limit the kernel ends this cat alone; the script never notices.
  ( ulimit -f ${outputBytesMax / 512}; exec cat >>"$job/output" )
  tail -c ${tailBytesMax} >"$job/rest"
  true >"$job/drained"
} <"$job/pipe" >/dev/null 2>&1 &
( umask "$mask"; cd /; exec setsid sh "$script" ) </dev/null >"$job/pipe" 2>&1 &
child=$!
read -r stat <"/proc/$child/stat"
set -- \${stat##*) }
# true and not ":", here and elsewhere: where the file cannot be made, a shell gives up at a special builtin.
# Should it outlive us, the number may by then be another's: it looks at the start time before each kill.
setsid sh -c '
  same() { read -r stat <"/proc/$3/stat" && { set -- "$4" \${stat##*) }; [ "\${21}" = "$1" ]; }; }
  sleep "$1"
  same "$@" || exit
  true >"$2/timedout"
  kill -s TERM -- "-$3"
  sleep 10
  same "$@" && kill -s KILL -- "-$3"' \\
  pitcrew-watchdog "$seconds" "$job" "$child" "\${20}" </dev/null >/dev/null 2>&1 &
watchdog=$!
wait "$child"
code=$?
tick() { sleep "$1" 2>/dev/null || sleep 1; }
how=exited
if [ -e "$job/timedout" ]; then
  how=timedOut
  # The leader has gone; the others of its group get the same 10 seconds to end.
  n=0
  while [ "$n" -lt 100 ] && kill -s 0 -- "-$child" 2>/dev/null; do n=$((n + 1)); tick 0.1; done
  kill -s KILL -- "-$child" 2>/dev/null
fi
# A script of no length ends before its watchdog has a group of its own.
kill -s KILL -- "-$watchdog" 2>/dev/null || kill -s KILL "$watchdog" 2>/dev/null
# A daemon that the script left behind may hold the pipe for ever, so this has an end.
n=0
until [ -e "$job/drained" ] || [ "$n" -ge 5 ]; do n=$((n + 1)); tick 0.02; done
until [ -e "$job/drained" ] || [ "$n" -ge 25 ]; do n=$((n + 1)); tick 0.1; done
ln -s "$how.$code" "$job/ended"
rm -f "$job/pipe" "$script" "$self"`;

/** Makes the folder, leaves both scripts in it under names of this process, and starts a supervisor. */
function startText(settings: RunnerSettings, start: { script: string; timeoutSeconds: number }): string {
  return `mask=$(umask)
umask 077
command -v setsid >/dev/null || { say broken 'setsid is missing'; return; }
if [ ! -L "$job/started" ]; then
  mkdir -p "$jobs" && { mkdir "$job" 2>/dev/null || [ -d "$job" ]; } && true >>"$job/output" ||
    { say broken "$jobs cannot be written"; return; }
  ${heredoc(settings.nonce, '"$job/script.$$"', start.script)}
  [ $? = 0 ] || { say broken "$jobs cannot be written"; return; }
  ${heredoc(settings.nonce, '"$job/supervisor.$$"', supervisor)}
  [ $? = 0 ] || { say broken "$jobs cannot be written"; return; }
  ( setsid sh "$job/supervisor.$$" "$job" "$job/script.$$" ${start.timeoutSeconds} "$boot" "$mask" \\
      </dev/null >/dev/null 2>&1 & )
  n=0
  until [ -L "$job/started" ] || [ "$n" -ge 5 ]; do n=$((n + 1)); tick 0.02; done
  until [ -L "$job/started" ] || [ "$n" -ge 55 ]; do n=$((n + 1)); tick 0.1; done
fi`;
}

/**
 * Starts (if asked to) and follows. Output goes to stdout after the line with the nonce, as it is. On stderr: `claimed`
 * as soon as the job has certainly been started, at the end one of `unknown`, `running`, `lost` and
 * `exited CODE` or `timedOut CODE`, followed by whether that was in this boot.
 */
export function followText(settings: RunnerSettings, follow: Follow): string {
  const body = `${jobFunctions(settings)}
job="$jobs/"${quoted(checked(follow.id))}
offset=${follow.offset}
tick() { sleep "$1" 2>/dev/null || sleep 1; }
${follow.start ? startText(settings, follow.start) : ''}
claim "$job" || { say unknown; return; }
say claimed
[ -r "$job/output" ] && exec 3<"$job/output" || exec 3</dev/null
tail -c "+$((offset + 1))" <&3
n=0
while [ ! -L "$job/ended" ] && alive; do
  n=$((n + 1))
  # Quick at first for the many short commands, then every half second.
  if [ "$n" -le 5 ]; then tick 0.02; elif [ "$n" -le 15 ]; then tick 0.1; else tick 0.5; fi
  cat <&3
  [ "$n" -lt ${15 + follow.watchSeconds * 2} ] || { say running; return; }
done
ended=$(readlink "$job/ended") || { cat <&3; say lost; return; }
cat <&3
if [ -s "$job/rest" ]; then
  skip=$((offset - $(wc -c <"$job/output")))
  [ "$skip" -gt 0 ] || skip=0
  tail -c "+$((skip + 1))" "$job/rest"
fi
[ "$claimBoot" = "$boot" ] && when=thisBoot || when=earlierBoot
say "\${ended%%.*} \${ended#*.} $when"`;
  return whole(settings, body);
}

/** Says `unknown`, `running`, `ended` or `lost`, and starts nothing. */
export function statusText(settings: RunnerSettings, id: string): string {
  const body = `${jobFunctions(settings)}
job="$jobs/"${quoted(checked(id))}
claim "$job" || { say unknown; return; }
if [ -L "$job/ended" ]; then say ended; return; fi
if alive; then say running; return; fi
# It may have ended between the two looks.
if [ -L "$job/ended" ]; then say ended; else say lost; fi`;
  return whole(settings, body);
}

/** Removes the folders of jobs that do not run any more; one that runs keeps its claim, else it could run twice. */
export function forgetText(settings: RunnerSettings, idPrefix: string): string {
  const body = `${jobFunctions(settings)}
for job in "$jobs/"${quoted(checked(idPrefix))}*; do
  [ -d "$job" ] || continue
  if claim "$job" && [ ! -L "$job/ended" ] && alive; then continue; fi
  rm -rf "$job"
done
say done`;
  return whole(settings, body);
}

/** One line per fact; which kernel is the newest is found out here, not there. */
export function factsText(settings: RunnerSettings): string {
  const body = `printf 'bootId %s\\n' "$(cat ${quoted(settings.bootIdFile)})"
printf 'kernel %s\\n' "$(uname -r)"
for file in /boot/vmlinuz-*; do
  [ -f "$file" ] && printf 'file %s\\n' "\${file##*/}"
done
if command -v systemctl >/dev/null; then
  if units=$(systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null); then
    printf '%s\n' "$units" | head -n 200 | while read -r unit rest; do
      case $unit in '●' | '*') unit=\${rest%% *} ;; esac
      [ -z "$unit" ] || printf 'failed %s\n' "$unit"
    done
  elif [ -d /run/systemd/system ]; then
    # Not asked is not healthy. Where systemd does not run (a container, another init), nothing can have failed in it.
    say broken 'systemctl list-units fails'
    return
  fi
fi
say done`;
  return whole(settings, body);
}

/** Written beside its place and moved there, so that nobody reads half of it; parents with the usual mode. */
export function writeFileText(settings: RunnerSettings, path: string, content: string): string {
  const folder = path.slice(0, path.lastIndexOf('/')) || '/';
  const lines = Buffer.from(content, 'utf8').toString('base64').replaceAll(/.{76}/g, '$&\n');
  const body = `path=${quoted(path)}
mkdir -p ${quoted(folder)} || { say broken "the folder of $path cannot be made"; return; }
umask 077
{
${heredoc(settings.nonce, '"$path.pitcrew.$$.base64"', lines)}
} && base64 -d <"$path.pitcrew.$$.base64" >"$path.pitcrew.$$" && chmod 600 "$path.pitcrew.$$" &&
  mv -f "$path.pitcrew.$$" "$path" && { sync "$path" 2>/dev/null || sync; } && rm -f "$path.pitcrew.$$.base64" ||
  { rm -f "$path.pitcrew.$$" "$path.pitcrew.$$.base64"; say broken "$path cannot be written"; return; }
say done`;
  return whole(settings, body);
}

/**
 * The answer must get out before the network goes, hence the second. Without systemd, or where its bus is dead, the
 * older ways are tried; none of them forces anything, because forcing is the BMC's part.
 */
export const rebootScript = `sleep 1
systemctl reboot || shutdown -r now || reboot`;
