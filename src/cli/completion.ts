/** Completion scripts for bash, zsh and fish, made from the tree of commands. Pure: commands in, text out. */
import type { Command, Option } from 'commander';
import { unreachable } from '../errors/maintenance-error.ts';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

interface Leaf {
  readonly name: string;
  readonly about: string;
  readonly options: readonly Option[];
  /** Words that its arguments can be, of all arguments together. */
  readonly words: readonly string[];
  readonly takesFiles: boolean;
}

export function completionScript(program: Command, shell: Shell): string {
  const leaves = program.commands.map((command) => leafOf(command));
  switch (shell) {
    case 'bash':
      return bash(leaves, program.options);
    case 'zsh':
      return zsh(leaves, program.options);
    case 'fish':
      return fish(leaves, program.options);
    default:
      return unreachable(shell);
  }
}

function leafOf(command: Command): Leaf {
  return {
    name: command.name(),
    about: command.description(),
    options: command.options,
    words: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
    takesFiles: command.registeredArguments.some((argument) => argument.name() === 'paths'),
  };
}

function flagsOf(option: Option): string[] {
  return [option.short, option.long].filter((flag): flag is string => flag !== undefined);
}

function takesFile(option: Option): boolean {
  return /<(?:file|folder|path)/.test(option.flags);
}

/** A word inside single quotes of a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function bash(leaves: readonly Leaf[], globals: readonly Option[]): string {
  const names = leaves.map(({ name }) => name);
  const all = [...globals, ...leaves.flatMap(({ options }) => options)];
  const files = new Set(all.filter(takesFile).flatMap(flagsOf));
  const choices = all.filter((option) => option.argChoices);
  const globalFlags = globals.flatMap(flagsOf);
  const cases = leaves.map(({ name, options, words, takesFiles }) => {
    const list = [...words, ...options.flatMap(flagsOf), ...globalFlags].join(' ');
    return `    ${name}) words=${quote(list)}${takesFiles ? '; files=yes' : ''} ;;`;
  });
  return `# Completion of pitcrew for bash: source <(pitcrew completion bash)
_pitcrew() {
  local word="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command='' words='' files='' index
  COMPREPLY=()
  case "$previous" in
${choices.map((option) => `    ${flagsOf(option).join('|')}) COMPREPLY=($(compgen -W ${quote((option.argChoices ?? []).join(' '))} -- "$word")); return ;;`).join('\n')}
    ${[...files].join('|')}) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "\${COMP_WORDS[index]}" in
      ${names.join('|')}) command="\${COMP_WORDS[index]}"; break ;;
    esac
  done
  case "$command" in
    '') words=${quote([...names, ...globalFlags].join(' '))} ;;
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ -n "$files" ]; then COMPREPLY+=($(compgen -f -- "$word")); fi
}
complete -F _pitcrew pitcrew
`;
}

function zsh(leaves: readonly Leaf[], globals: readonly Option[]): string {
  const cases = leaves.map(({ name, options, words, takesFiles }) => {
    const specs = options.flatMap(zshOption);
    if (words.length > 0) specs.push(quote(`*:word:(${words.join(' ')})`));
    if (takesFiles) specs.push(quote('*:file:_files'));
    return `    ${name}) _arguments "\${shared[@]}" ${specs.join(' ')} ;;`;
  });
  return `#compdef pitcrew
# Completion of pitcrew for zsh: put it into a folder of $fpath as _pitcrew
_pitcrew() {
  local -a commands shared
  shared=(
${globals
  .flatMap(zshOption)
  .map((spec) => `    ${spec}`)
  .join('\n')}
  )
  commands=(
${leaves.map(({ name, about }) => `    ${quote(`${name}:${about.replaceAll(':', '\\:')}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  local command="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
compdef _pitcrew pitcrew
`;
}

function zshOption(option: Option): string[] {
  const about = option.description.replaceAll(/[[\]]/g, '').replaceAll(':', '\\:');
  const argument = option.required ? `:value:${zshValues(option)}` : '';
  return flagsOf(option).map((flag) => quote(`${flag}[${about}]${argument}`));
}

function zshValues(option: Option): string {
  if (option.argChoices) return `(${option.argChoices.join(' ')})`;
  return takesFile(option) ? '_files' : ' ';
}

function fish(leaves: readonly Leaf[], globals: readonly Option[]): string {
  const commands = leaves.map(
    ({ name, about }) => `complete -c pitcrew -n __fish_use_subcommand -f -a ${quote(name)} -d ${fishQuote(about)}`,
  );
  const details = leaves.flatMap(({ name, options, words, takesFiles }) => {
    const when = `-n '__fish_seen_subcommand_from ${name}'`;
    return [
      ...(words.length > 0 ? [`complete -c pitcrew ${when} -f -a ${quote(words.join(' '))}`] : []),
      ...(takesFiles ? [`complete -c pitcrew ${when} -F`] : []),
      ...options.map((option) => `complete -c pitcrew ${when} ${fishOption(option)}`),
    ];
  });
  const shared = globals.map((option) => `complete -c pitcrew ${fishOption(option)}`);
  return `# Completion of pitcrew for fish: pitcrew completion fish | source\n${[...commands, ...details, ...shared].join('\n')}\n`;
}

function fishOption(option: Option): string {
  const long = option.long ? `-l ${option.long.slice(2)}` : '';
  const short = option.short ? `-s ${option.short.slice(1)}` : '';
  const values = option.argChoices ? `-x -a ${quote(option.argChoices.join(' '))}` : fishArgument(option);
  return [short, long, values, `-d ${fishQuote(option.description)}`].filter((part) => part !== '').join(' ');
}

function fishArgument(option: Option): string {
  if (!option.required) return '-f';
  return takesFile(option) ? '-r -F' : '-x';
}

/** In fish a quote inside single quotes is written with a backslash. */
function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
