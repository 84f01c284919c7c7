/** What a Shell keeps besides, where there is a wire that can break and a real `/bin/sh` at its other end. */
import { expect, it } from 'vitest';
import { command, failureOf, type ShellWire, type ShellWorld } from './shell.contract.ts';

const forever = new AbortController().signal;

export function wireContract(worldOf: () => ShellWorld): void {
  const wireOf = (): ShellWire => {
    const { wire } = worldOf();
    if (!wire) throw new Error('this world has no wire');
    return wire;
  };
  broken(worldOf, wireOf);
  strangers(wireOf);
  scripts(worldOf, wireOf);
}

function broken(worldOf: () => ShellWorld, wireOf: () => ShellWire): void {
  it('picks a command up where it was when the connection is cut in the middle', async () => {
    const { shell, executions, counting } = worldOf();
    const texts: string[] = [];
    let cut = 0;
    const onOutput = (text: string): void => {
      texts.push(text);
      if (cut === 0) cut = wireOf().cut();
    };
    const script = counting('cut', 'for n in 1 2 3 4 5 6; do echo "line $n ü"; sleep 0.5; done; exit 7');
    const outcome = await shell.run(command('w.1', script, { onOutput }), forever);
    const all = [1, 2, 3, 4, 5, 6].map((n) => `line ${n} ü\n`).join('');
    expect(cut).toBeGreaterThan(0);
    expect(outcome).toEqual({ kind: 'exited', exitCode: 7, tail: all });
    expect(texts.join('')).toBe(all);
    expect(await executions('cut')).toBe(1);
  });

  it('notices a peer that says nothing any more, and goes on once it speaks', async () => {
    const { shell, executions, counting } = worldOf();
    let silenced = false;
    const onOutput = (): void => {
      if (silenced) return;
      silenced = true;
      wireOf().silence(true);
      setTimeout(() => wireOf().silence(false), 3_000);
    };
    const script = counting('silent', 'echo begun; sleep 2; echo ended');
    const outcome = await shell.run(command('w.2', script, { onOutput }), forever);
    expect(silenced).toBe(true);
    expect(outcome).toEqual({ kind: 'exited', exitCode: 0, tail: 'begun\nended\n' });
    expect(await executions('silent')).toBe(1);
  });

  it('connects again by itself after an idle connection was lost', async () => {
    const { shell } = worldOf();
    const before = await shell.readFacts(forever);
    expect(wireOf().cut()).toBeGreaterThan(0);
    await expect.poll(() => shell.readFacts(forever).catch(() => undefined), { timeout: 15_000 }).toEqual(before);
  });
}

function strangers(wireOf: () => ShellWire): void {
  it('talks to no server whose host key is another one', async () => {
    const error = await failureOf(wireOf().wrongHostKey().readFacts(forever));
    expect(error).toMatchObject({ code: 'ssh/host-key', disposition: 'halt' });
    expect(error.message).toMatch(/shows the host key SHA256:\S+.*; expected is SHA256:A+/);
  });

  it('talks to no server whose host key nobody wrote down', async () => {
    const error = await failureOf(wireOf().unknownHostKey().readFacts(forever));
    expect(error).toMatchObject({ code: 'ssh/host-key', disposition: 'halt' });
    expect(error.message).toMatch(/SHA256:\S+; nothing is written down for this server in \//);
  });

  it('says that the server does not accept the key, and that a person is needed', async () => {
    const error = await failureOf(wireOf().wrongKey().readFacts(forever));
    expect(error).toMatchObject({ code: 'ssh/auth', disposition: 'halt' });
  });
}

function scripts(worldOf: () => ShellWorld, wireOf: () => ShellWire): void {
  it('hands a script over as it is, whatever stands in it', async () => {
    const { shell } = worldOf();
    const script = `printf '%s|' 'a "b" $c' "it's" '\\n' 'äöü €' '$(date)' \\\n  "EOF"\ncat <<'X'\n\`x\` \\\nX\ntrue`;
    const outcome = await shell.run(command('w.3', script), forever);
    expect(outcome).toEqual({
      kind: 'exited',
      exitCode: 0,
      tail: 'a "b" $c|it\'s|\\n|äöü €|$(date)|EOF|`x` \\\n',
    });
  });

  it('gives a script nothing to read, so that none waits for an answer', async () => {
    const { shell } = worldOf();
    const outcome = await shell.run(command('w.4', 'read answer && echo "got $answer" || echo nothing'), forever);
    expect(outcome).toEqual({ kind: 'exited', exitCode: 0, tail: 'nothing\n' });
  });

  it('keeps standard output and errors together, in their order', async () => {
    const { shell } = worldOf();
    const outcome = await shell.run(command('w.5', 'echo one; echo two >&2; echo three; nosuchprogram'), forever);
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 127 });
    expect(outcome.tail).toMatch(/^one\ntwo\nthree\n.*nosuchprogram.*not found\n$/);
  });

  it('ends all that a script started when its time is over', async () => {
    const { shell } = worldOf();
    const script = "trap '' TERM\nsleep 345 &\n( sleep 346 & )\nsleep 347";
    const outcome = await shell.run(command('w.6', script, { timeoutMs: 1_000 }), forever);
    expect(outcome.kind).toBe('timedOut');
    const left = (await wireOf().processes()).filter((line) => /sleep 34[567]/.test(line));
    expect(left).toEqual([]);
  });

  it('keeps the end of a long output, and its beginning only up to a bound', async () => {
    const { shell } = worldOf();
    let received = 0;
    const onOutput = (text: string): void => void (received += text.length);
    const script = 'head -c 5000000 /dev/zero | tr "\\0" x; echo; echo the end';
    const outcome = await shell.run(command('w.7', script, { onOutput }), forever);
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect(outcome.tail.endsWith('x\nthe end\n')).toBe(true);
    expect(outcome.tail.length).toBeLessThanOrEqual(8_192);
    expect(received).toBeGreaterThan(500_000);
    expect(received).toBeLessThan(1_200_000);
  });

  it('does not wait for a daemon that a script leaves behind', async () => {
    const { shell } = worldOf();
    const outcome = await shell.run(command('w.8', 'setsid sleep 348 &\necho started'), forever);
    expect(outcome).toEqual({ kind: 'exited', exitCode: 0, tail: 'started\n' });
    expect((await wireOf().processes()).filter((line) => line === 'sleep 348')).toHaveLength(1);
  });

  it('shows neither script nor output in a process list', async () => {
    const { shell } = worldOf();
    let lines: Promise<string[]> | undefined;
    const onOutput = (): void => void (lines ??= wireOf().processes());
    await shell.run(command('w.9', 'password=tell-nobody; echo "$password"; sleep 1', { onOutput }), forever);
    const seen = (await lines) ?? [];
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.filter((line) => line.includes('tell-nobody'))).toEqual([]);
  });

  it('writes a file as it is, for its owner alone', async () => {
    const { shell } = worldOf();
    const path = `${wireOf().folder}/new folder/it's ä.conf`;
    const content = `no newline at the end, "quotes", $dollars and €${'.'.repeat(200)}`;
    await shell.writeFile(path, 'before', forever);
    await shell.writeFile(path, content, forever);
    expect(await wireOf().readFile(path)).toBe(content);
    const script = `cd '${wireOf().folder}/new folder' && stat -c %a * && ls -A | wc -l`;
    expect(await shell.run(command('w.10', script), forever)).toMatchObject({ tail: '600\n1\n' });
  });
}
