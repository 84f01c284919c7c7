/** A whole installation whose documents come from a Git repository, told of commits by a webhook, killed in between. */
import { createHmac, randomBytes } from 'node:crypto';
import { cp, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Repository, signingKey } from '../adapters/git/repository.ts';
import { freePort } from '../adapters/ssh/sshd.ts';
import { Installation, planName, quickServers, runEnded, until } from './installation.ts';

async function push(address: string, secret: string): Promise<number> {
  const body = '{"ref":"refs/heads/main"}';
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  const headers = { 'x-hub-signature-256': `sha256=${signature}` };
  return (await fetch(`${address}/v1/webhooks/git`, { method: 'POST', headers, body })).status;
}

describe('plans from Git', () => {
  it('a run pins a signed commit; what is broken or unsigned is not used, also after a kill and with the repository away', async (context) => {
    const installation = await Installation.for(context, { servers: quickServers(3) });
    const { folder, lab } = installation;
    const anna = await signingKey(folder, 'anna');
    const signers = path.join(folder, 'allowed-signers');
    await writeFile(signers, anna.allowed);
    const secret = randomBytes(24).toString('hex');
    const secretFile = path.join(folder, 'webhook-secret');
    await writeFile(secretFile, `${secret}\n`, { mode: 0o600 });
    const repository = await Repository.make({ 'README.md': '# plans\n' });
    await cp(installation.documents, path.join(repository.path, 'ops/plans'), { recursive: true });
    await cp(lab.inventoryFolder, path.join(repository.path, 'ops/inventory'), { recursive: true });
    const good = await repository.commit({}, anna.file);

    const port = await freePort();
    const source = ['--git', repository.path, '--git-folder', 'ops', '--git-allowed-signers', signers];
    const more = ['--git-poll', '1h', '--git-webhook-secret-file', secretFile, '--listen', `127.0.0.1:${port}`];
    const first = await installation.startDaemon({ source, arguments: more });
    const plan = async (): Promise<string> => {
      const { stdout, stderr } = await installation.pitcrew(['plan', planName]);
      return stdout + stderr;
    };
    expect(await plan()).toContain(`commit ${good.slice(0, 7)}`);

    const planFile = 'ops/plans/plan.yaml';
    const text = await readFile(path.join(repository.path, planFile), 'utf8');
    const broken = await repository.commit({ [planFile]: text.replace('maxUnavailable', 'maxUnavailible') }, anna.file);
    expect(await push(`http://127.0.0.1:${port}`, 'not the secret')).toBe(401);
    expect(await push(`http://127.0.0.1:${port}`, secret)).toBe(202);
    await until('the broken commit is reported', 30_000, async () => {
      const said = await plan();
      const isSaid = said.includes(`commit ${broken.slice(0, 7)} is not used`) && said.includes('did you mean');
      return isSaid && said.includes(`commit ${good.slice(0, 7)}\n`) ? true : undefined;
    });
    const doctor = await installation.pitcrew(['doctor']);
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toContain(`${planFile}:`);

    const client = await first.client();
    const { runId, notices } = await client.start(planName);
    expect(notices?.[0]).toContain('is not used');
    await first.kill();
    await rename(repository.path, `${repository.path}-away`);
    const second = await installation.startDaemon({ source, arguments: more });
    const again = await second.client();
    expect((await again.preview(planName)).warnings[0]).toContain('the repository cannot be fetched since');
    const ended = await runEnded(again, runId, 90_000);
    expect(ended).toMatchObject({ status: 'done', commit: good });
    expect((await installation.pitcrew(['status', runId])).stdout).toContain(`commit ${good.slice(0, 7)}`);

    await rename(`${repository.path}-away`, repository.path);
    const unsigned = await repository.commit({ [planFile]: `${text}# unsigned\n` });
    await push(`http://127.0.0.1:${port}`, secret);
    await until('the unsigned commit is reported', 30_000, async () =>
      (await plan()).includes(
        `commit ${unsigned.slice(0, 7)} is not used: commit ${unsigned.slice(0, 7)} is not signed`,
      )
        ? true
        : undefined,
    );
    const mended = await repository.commit({}, anna.file);
    await push(`http://127.0.0.1:${port}`, secret);
    await until('the mended commit is in use', 30_000, async () =>
      (await again.preview(planName)).definition.commit === mended ? true : undefined,
    );
    const log = (await Promise.all(installation.daemons.map((daemon) => daemon.log()))).join('');
    expect(log).not.toContain(secret);
    expect(log.match(/"text":"the newest commit is not used"/g)).toHaveLength(2);
  }, 240_000);
});
