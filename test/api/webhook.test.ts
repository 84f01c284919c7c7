import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { serveFake } from './fixture.ts';

const loopback = { host: '127.0.0.1', port: 0 };
const secret = 'a-secret-of-the-webhook-0123';

async function serveWebhook(readSecret: () => Promise<string> = () => Promise.resolve(secret)) {
  const told: string[] = [];
  const webhook = { readSecret, tell: () => void told.push('told') };
  return { ...(await serveFake({ listen: loopback, webhook })), told };
}

const body = JSON.stringify({ ref: 'refs/heads/main' });

function signed(text: string, key = secret): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

async function post(address: string, headers: Record<string, string>, text = body): Promise<number> {
  return (await fetch(`${address}/v1/webhooks/git`, { method: 'POST', headers, body: text })).status;
}

describe('the webhook of the Git server', () => {
  it.each([
    ['GitHub', { 'x-hub-signature-256': `sha256=${signed(body)}` }],
    ['Gitea', { 'x-gitea-signature': signed(body) }],
    ['GitLab', { 'x-gitlab-token': secret }],
  ])('is believed with the proof of %s, needs no token, and only tells', async (_name, headers) => {
    const { api, told, operations } = await serveWebhook();
    expect(await post(api.address, headers)).toBe(202);
    expect([told, operations.asked]).toEqual([['told'], []]);
  });

  it.each([
    ['none', {}],
    ['an empty one', { 'x-hub-signature-256': '', 'x-gitlab-token': '' }],
    ['that of another secret', { 'x-hub-signature-256': `sha256=${signed(body, 'another')}` }],
    ['that of another body', { 'x-gitea-signature': signed(`${body} `) }],
    ['one of another form', { 'x-hub-signature-256': signed(body) }],
    ['the secret where a signature belongs', { 'x-hub-signature-256': secret, 'x-gitea-signature': secret }],
    ['a piece of the secret', { 'x-gitlab-token': secret.slice(0, -1) }],
  ])('is refused with %s, and tells nobody', async (_name, headers) => {
    const { api, told, logged } = await serveWebhook();
    expect(await post(api.address, headers as Record<string, string>)).toBe(401);
    expect(told).toEqual([]);
    expect(JSON.stringify(logged)).not.toContain(secret);
  });

  it('is there for nobody where no secret is set, and opens no other door', async () => {
    const { api } = await serveFake({ listen: loopback });
    expect(await post(api.address, { 'x-gitlab-token': '' })).toBe(401);
    const { api: open } = await serveWebhook();
    const answer = await fetch(`${open.address}/v1/runs`, { headers: { 'x-gitlab-token': secret } });
    expect(answer.status).toBe(401);
    expect((await fetch(`${open.address}/v1/webhooks/git`, { headers: { 'x-gitlab-token': secret } })).status).toBe(
      401,
    );
  });

  it('reads no body without bounds', async () => {
    const { api, told } = await serveWebhook();
    const large = 'x'.repeat(8 * 1024 * 1024 + 1);
    expect(await post(api.address, { 'x-gitlab-token': secret }, large)).toBe(400);
    expect(told).toEqual([]);
  });

  it('says nothing of our files where its secret cannot be read', async () => {
    const { api, logged } = await serveWebhook(() => Promise.reject(new Error('/etc/pitcrew/webhook is empty')));
    const answer = await fetch(`${api.address}/v1/webhooks/git`, { method: 'POST', body });
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('/etc/pitcrew');
    expect(logged.map(({ text }) => text)).toContain('the secret of the webhook cannot be read');
  });

  it('counts a new secret at once', async () => {
    let current = secret;
    const { api } = await serveWebhook(() => Promise.resolve(current));
    current = 'another-secret-0123456789';
    expect(await post(api.address, { 'x-gitlab-token': secret })).toBe(401);
    expect(await post(api.address, { 'x-gitlab-token': current })).toBe(202);
  });
});
