/**
 * `POST /v1/webhooks/git`: the Git server says that somebody has pushed. Whoever knows the secret may say so.
 *
 * It believes nothing of what it is sent: the only effect is that the repository is looked at now instead of soon. The
 * proofs are those of GitHub (`X-Hub-Signature-256`), Gitea and Forgejo (`X-Gitea-Signature`), and GitLab (`X-Gitlab-Token`).
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Context, Hono } from 'hono';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Logger } from '../ports/logger.ts';
import { internalError } from './errors.ts';

export interface Webhook {
  /** Asked for every request, so that a new secret counts at once. */
  readonly readSecret: () => Promise<string>;
  readonly tell: () => void;
}

/** GitHub lists up to 2,048 commits with all their files; nobody needs what is larger, since nothing is read from it. */
const bodyBytesMax = 8 * 1024 * 1024;

export function addWebhook(app: Hono, webhook: Webhook, logger: Logger): void {
  app.post('/v1/webhooks/git', async (context) => {
    const secret = await webhook.readSecret().catch((error: unknown) => {
      // Whoever asks has proved nothing yet, and must not learn where our files lie.
      logger.error({ err: error }, 'the secret of the webhook cannot be read');
      throw internalError();
    });
    const lengthBytes = Number(context.req.header('content-length') ?? Number.NaN);
    if (!(lengthBytes <= bodyBytesMax)) {
      throw new MaintenanceError('api/bad-request', 'halt', `a body needs a content-length, at most ${bodyBytesMax}`);
    }
    const body = Buffer.from(await context.req.arrayBuffer());
    if (!isProved(context, body, secret)) {
      logger.warn({}, 'webhook without the right signature refused');
      throw new MaintenanceError('api/unauthorized', 'halt', 'no signature, or not the right one');
    }
    logger.info({}, 'webhook received, looking at the repository');
    webhook.tell();
    return context.json({ requested: 'fetch' }, 202);
  });
}

function isProved(context: Context, body: Buffer, secret: string): boolean {
  // An empty secret would let everybody in.
  if (secret === '') return false;
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  const proofs: [string, string][] = [
    ['x-hub-signature-256', `sha256=${signature}`],
    ['x-gitea-signature', signature],
    ['x-gitlab-token', secret],
  ];
  return proofs.some(([header, expected]) => {
    const given = context.req.header(header);
    return given !== undefined && isEqual(given, expected);
  });
}

/** Compares digests, so that neither the length nor the first wrong character shows in the time it takes. */
export function isEqual(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
