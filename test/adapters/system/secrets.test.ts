import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { objectionTo, readSecret, SecretStore } from '../../../src/adapters/system/secrets.ts';
import { MaintenanceError } from '../../../src/errors/maintenance-error.ts';

const value = 'hunter2-content';

describe('a secret', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pitcrew-secrets-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const file = async (content: string, mode = 0o600): Promise<string> => {
    const path = join(folder, 'secret');
    await writeFile(path, content);
    await chmod(path, mode);
    return path;
  };
  const refusalOf = async (path: string): Promise<MaintenanceError> => {
    const error: unknown = await readSecret({ file: path }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(MaintenanceError);
    const refusal = error as MaintenanceError;
    expect(refusal).toMatchObject({ code: 'secret/unreadable', disposition: 'halt' });
    expect(refusal.message).toContain(path);
    expect(`${refusal.message} ${JSON.stringify(refusal.details)} ${String(refusal.cause)}`).not.toContain(value);
    return refusal;
  };

  test.for([
    [`${value}\n`, value],
    [`${value}\r\n`, value],
    [`${value}\n\n`, `${value}\n`],
    [` ${value} `, ` ${value} `],
    [value, value],
  ])('in the file %j is %j: one line break at the end is not part of it', async ([content = '', expected]) => {
    expect(await readSecret({ file: await file(content) })).toBe(expected);
  });

  test.for([0o604, 0o602, 0o644, 0o640, 0o620])('in a file of mode %o is refused, with what to do', async (mode) => {
    const refusal = await refusalOf(await file(value, mode));
    expect(refusal.message).toContain('chmod 600');
  });

  test.for(['', '\n'])('of %j is refused: a program would go on without one', async (content) => {
    expect((await refusalOf(await file(content))).message).toContain('empty');
  });

  test('in no file, a folder or a pipe is refused at once', async () => {
    expect((await refusalOf(join(folder, 'missing'))).message).toContain('ENOENT');
    await refusalOf(folder);
    const pipe = join(folder, 'pipe');
    await promisify(execFile)('mkfifo', ['-m', '600', pipe]);
    expect((await refusalOf(pipe)).message).toContain('regular file');
  });

  test('behind a symbolic link is judged by the file itself, as Kubernetes mounts them', async () => {
    const link = join(folder, 'link');
    await symlink(await file(value), link);
    expect(await readSecret({ file: link })).toBe(value);
    await file(value, 0o644);
    await refusalOf(link);
  });

  test('that is too large is refused before it is read', async () => {
    expect((await refusalOf(await file('x'.repeat(70_000)))).message).toContain('right file');
  });

  test('of another owner may be readable by our group, never by everybody', () => {
    const ofRoot = { uid: 0, size: 10, isFile: () => true };
    expect(objectionTo({ ...ofRoot, mode: 0o100440 }, 1000)).toBeUndefined();
    expect(objectionTo({ ...ofRoot, mode: 0o100440 }, 0)).toContain('group');
    expect(objectionTo({ ...ofRoot, mode: 0o100444 }, 1000)).toContain('everybody');
  });

  test('in the environment is read, and named where it is missing', async () => {
    const store = new SecretStore({ env: { BMC: value, NOTHING: '' } });
    expect(await store.read({ env: 'BMC' })).toBe(value);
    await expect(store.read({ env: 'NOTHING' })).rejects.toMatchObject({
      code: 'secret/unreadable',
      message: expect.stringContaining('NOTHING') as string,
    });
    await expect(store.read({ env: 'MISSING' })).rejects.toMatchObject({ code: 'secret/unreadable' });
  });

  test('is read anew each time, and every value is known for redaction', async () => {
    const store = new SecretStore();
    const path = await file('first');
    expect(store.known()).toEqual([]);
    expect(await store.read({ file: path })).toBe('first');
    await writeFile(path, 'second');
    expect(await store.read({ file: path })).toBe('second');
    expect(store.known()).toEqual(['first', 'second']);
  });
});
