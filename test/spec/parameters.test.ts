import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fillIn, fillPlain, fillSsh, quoteForShell } from '../../src/spec/parameters.ts';
import { playbook, problemsIn } from './documents.ts';

function runShell(script: string): string {
  const { stdout, status, stderr } = spawnSync('/bin/sh', ['-c', script], { encoding: 'utf8', env: {} });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const filled: [script: string, filled: string][] = [
  ['apt-get install ${package}', "apt-get install 'p'"],
  ['a=$${x:-1} $$ $1 $(b) `c` $x', 'a=${x:-1} $$ $1 $(b) `c` $x'],
  ['x-${package}-y', "x-'p'-y"],
  ["echo it's\\''", "echo it's\\''"],
  ['echo \\${package}', 'echo \\${package}'],
  ['echo "$(echo ${package})"', 'echo "$(echo \'p\')"'],
  ['echo `echo ${package}`', "echo `echo 'p'`"],
  ['echo $((1 << 2)) ${package}', "echo $((1 << 2)) 'p'"],
  ["echo a # it's ${package}\necho ${package}", "echo a # it's ${package}\necho 'p'"],
  ['echo a#${package}', "echo a#'p'"],
  ['case x in x) echo ${package} ;; esac', "case x in x) echo 'p' ;; esac"],
  ["dpkg-query -W -f='$${Version}' ${package}", "dpkg-query -W -f='${Version}' 'p'"],
  ["cat <<E\nit's\nE\necho ${package}", "cat <<E\nit's\nE\necho 'p'"],
];
test.each(filled)('%j is filled in as %j', (script, expected) => {
  expect(fillIn(script, { package: 'p' })).toBe(expected);
});

test('whatever the value, the shell sees one word that is exactly this value', () => {
  const words = fc.array(fc.string({ unit: 'binary', minLength: 0, maxLength: 30 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(words, (texts) => {
      const values = Object.fromEntries(
        // A shell's word cannot hold a NUL, and documents allow no control characters at all.
        texts.map((text, index) => [`p${index}`, text.replaceAll(/[\p{Cc}\p{Cs}]/gu, '')]),
      );
      const script = Object.keys(values)
        .map((name) => `printf '%s\\n' \${${name}}`)
        .join('\n');
      expect(runShell(fillIn(script, values))).toBe(
        Object.values(values)
          .map((text) => `${text}\n`)
          .join(''),
      );
    }),
    { numRuns: 25 },
  );
});

test('a value is never run, also inside a substitution', () => {
  const evil = "'; echo evil; $(echo evil) `echo evil` '";
  expect(runShell(fillIn('x="$(printf %s ${v})"; printf %s "$x"', { v: evil }))).toBe(evil);
  expect(quoteForShell('')).toBe("''");
});

test('other texts take values as they are, and leave ${newest} to the server', () => {
  expect(fillPlain('${flavour}-${newest} $${x}', { flavour: "a'b" })).toBe("a'b-${newest} ${x}");
  expect(fillSsh({ ssh: { copy: { content: 'v=${v}', to: '/etc/${v}.conf' } } }, { v: 1 })).toEqual({
    ssh: { copy: { content: 'v=1', to: '/etc/1.conf' } },
  });
  expect(fillSsh({ ssh: { run: 'echo ${v}', timeoutMs: 5 } }, { v: true })).toEqual({
    ssh: { run: "echo 'true'", timeoutMs: 5 },
  });
});

test('what the checks of documents would have refused is a bug of ours', () => {
  expect(() => fillIn('echo ${x}', {})).toThrow('no value for ${x}');
  expect(() => fillIn('echo ${constructor}', {})).toThrow('no value for ${constructor}');
  expect(() => fillIn('echo "${x}"', { x: 1 })).toThrow('inside quotes');
  expect(() => fillPlain('${x}', {})).toThrow('no value for ${x}');
});

/** The script is a literal block; its first line is line 9 and begins in column 11. */
describe('a placeholder that cannot be filled in is found in the document', () => {
  const head = playbook.replace('spec:', 'spec:\n  parameters: { package: { type: string, default: p } }');
  const lines: [script: string, problem: string | undefined][] = [
    ['echo ${package} $x $${x} $$ $(a)', undefined],
    ['echo ${home}', "10:16  ${home} is no parameter of this playbook; write $home or $${home} for the shell's own"],
    ['echo ${packge}', '10:16  ${packge} is no parameter of this playbook, did you mean "package"?'],
    ['echo ${x:-1}', "10:16  ${x:-1} is no parameter of this playbook; write $${x:-1} for the shell's own"],
    ['echo ${x', "10:16  ${x is no parameter of this playbook; write $${x for the shell's own"],
    [
      'echo $${a} ${package} ${b}',
      "10:33  ${b} is no parameter of this playbook; write $b or $${b} for the shell's own",
    ],
    [
      'echo "${package}"',
      '10:17  ${package} stands inside quotes, but its value is put in with quotes of its own; write ${package} without quotes around it',
    ],
    [
      "echo '${package}'",
      '10:17  ${package} stands inside quotes, but its value is put in with quotes of its own; write ${package} without quotes around it',
    ],
    [
      'cat <<E\n          ${package}\n          E',
      '11:11  ${package} stands inside a here-document, but its value is put in with quotes of its own; set a variable before it: package=${package}, and use $package there',
    ],
    [
      'echo ${newest}',
      '10:16  ${newest} is known only in "reboot.expect.kernel" and in the check "kernel.is"; find the kernel in the script itself',
    ],
    ['true # ${anything}', undefined],
  ];
  test.each(lines)('%j', (script, problem) => {
    const text = `${head}    - ssh:\n        run: |\n          ${script}\n`;
    expect(problemsIn({ playbook: text })).toEqual(problem === undefined ? [] : [`playbook.yaml:${problem}`]);
  });

  test('in every list, and in quoted scalars', () => {
    const text = `${head}  needed: [ { ssh: { run: "a \${x}", needed: exit 0 } } ]
  prepare: [ { ssh: { run: 'it''s \${x}' } } ]
  verify: [ { ssh: { run: "a \${x}" } }, { kernel: { is: "\${x}" } } ]
  undo: [ { ssh: { run: "a \${x}" } }, { ssh: { copy: { content: "\${x}", to: /a } } } ]
`;
    const places = problemsIn({ playbook: text }).map((problem) => /:(\d+:\d+) /.exec(problem)?.[1]);
    expect(places).toEqual(['8:30', '9:35', '10:30', '10:58', '11:28', '11:66']);
  });

  test('${newest} is for kernels', () => {
    const kernels = `${playbook.replace('reboot: {}', 'reboot: { expect: { kernel: "${newest}" } }')}  verify: [ { kernel: { is: "\${newest}" } } ]\n`;
    expect(problemsIn({ playbook: kernels })).toEqual([]);
    expect(problemsIn({ playbook: kernels.replace('{newest}', '{newst}') })).toEqual([
      'playbook.yaml:6:36  ${newst} is no parameter of this playbook, did you mean "newest"?',
    ]);
  });
});

describe('the parameters of a playbook make sense by themselves', () => {
  const lines: [parameters: string, problem: string][] = [
    ['{ a: { type: integer, default: x } }', '7:46  the default of "a" must be a whole number'],
    ['{ a: { type: string, default: 1 } }', '7:45  the default of "a" must be text; put it in quotes'],
    ['{ a: { type: boolean, default: "true" } }', '7:46  the default of "a" must be true or false'],
    ['{ a: { type: text } }', '7:28  "type" must be "string", "integer" or "boolean", not "text"'],
    [
      '{ newest: { type: string } }',
      '7:17  "newest" is taken: it stands for the newest kernel on the server; give the parameter another name',
    ],
    ['{ PATH: { type: string } }', '7:17  the name "PATH" must be letters and digits, the first one a small letter'],
  ];
  test.each(lines)('%s', (parameters, problem) => {
    const problems = problemsIn({ playbook: `${playbook}  parameters: ${parameters}\n` });
    expect(problems).toContain(`playbook.yaml:${problem}`);
  });
});
