/**
 * The routes of the HTTP API: each one checks the token, parses what came in and calls one operation.
 *
 * It decides nothing about runs; a request is answered as soon as the operation has recorded it.
 */
import { Hono, type Context } from 'hono';
import { z } from 'zod';
import type { Operations } from '../engine/operations.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Logger } from '../ports/logger.ts';
import { Name } from '../spec/values.ts';
import { internalError, parseJson, statusOf, toErrorBody } from './errors.ts';
import { streamChanges } from './events.ts';
import { addWebhook, isEqual, type Webhook } from './webhook.ts';
import { byHeader, versionHeader } from './wire.ts';

export interface AppSettings {
  readonly operations: Operations;
  readonly token: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
  /** Left out: there is no such route. */
  readonly webhook?: Webhook | undefined;
}

const bodyBytesMax = 65_536;

const StartBody = z.strictObject({ plan: Name });
const PowerBody = z.strictObject({ verb: z.enum(['status', 'on', 'off', 'cycle']), force: z.boolean().optional() });
/** Who asks, as they say themselves: for the journal, not for rights. */
const By = z.string().regex(/^[\x21-\x7e]{1,128}$/);

export function createApp(settings: AppSettings): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    context.header(versionHeader, '1');
    await next();
  });
  app.get('/healthz', (context) => context.json({ ok: true }));
  // It has a proof of its own instead of the token.
  if (settings.webhook) addWebhook(app, settings.webhook, settings.logger);
  // Before every other route of /v1, also before those that do not exist: without the token nothing is to be learnt.
  app.use('/v1/*', async (context, next) => {
    if (!isTokenRight(context.req.header('authorization'), settings.token)) {
      throw new MaintenanceError('api/unauthorized', 'halt', 'no token, or not the right one');
    }
    await next();
    if (context.req.method === 'POST') {
      const { method, path } = context.req;
      settings.logger.info({ method, path, by: byOf(context), status: context.res.status }, 'request answered');
    }
  });
  addRunRoutes(app, settings.operations);
  addRequestRoutes(app, settings.operations);
  addServerRoutes(app, settings.operations);
  app.get('/v1/events', (context) => streamChanges(context, settings));
  app.notFound((context) => answerError(context, new MaintenanceError('api/not-found', 'halt', 'no such address')));
  app.onError((error, context) => {
    if (error instanceof MaintenanceError) return answerError(context, error);
    settings.logger.error({ err: error, path: context.req.path }, 'request failed');
    return answerError(context, internalError());
  });
  return app;
}

function addRunRoutes(app: Hono, operations: Operations): void {
  app.get('/v1/runs', async (context) => context.json(await operations.runs()));
  app.get('/v1/runs/:run', async (context) => context.json(await operations.run(nameOf(context, 'run'))));
  app.get('/v1/runs/:run/history', async (context) =>
    context.json(await operations.history({ runId: nameOf(context, 'run') })),
  );
  app.get('/v1/runs/:run/servers/:server/history', async (context) =>
    context.json(await operations.history({ runId: nameOf(context, 'run'), server: nameOf(context, 'server') })),
  );
  app.get('/v1/runs/:run/servers/:server/output', async (context) =>
    context.json(await operations.output({ runId: nameOf(context, 'run'), server: nameOf(context, 'server') })),
  );
  app.get('/v1/plans/:plan/preview', async (context) =>
    context.json(await operations.preview(nameOf(context, 'plan'))),
  );
  app.get('/v1/windows', async (context) => context.json(await operations.windows()));
  app.get('/v1/plans/:plan/windows', async (context) =>
    context.json(await operations.windows(nameOf(context, 'plan'))),
  );
  app.get('/v1/snapshot', async (context) => context.json(await operations.snapshot()));
  app.get('/v1/doctor', async (context) => context.json(await operations.doctor()));
}

/** Requests of people about a run: recorded, then answered with 202, because the engine acts in its own time. */
function addRequestRoutes(app: Hono, operations: Operations): void {
  app.post('/v1/runs', async (context) => {
    const { plan } = await bodyOf(context, StartBody);
    return context.json(await operations.start({ plan, by: byOf(context) }), 202);
  });
  for (const verb of ['pause', 'resume', 'stop', 'approve'] as const) {
    app.post(`/v1/runs/:run/${verb}`, async (context) => {
      const runId = nameOf(context, 'run');
      await operations[verb](runId, byOf(context));
      return context.json({ runId, requested: verb }, 202);
    });
  }
  for (const verb of ['retry', 'skip'] as const) {
    app.post(`/v1/runs/:run/servers/:server/${verb}`, async (context) => {
      const runId = nameOf(context, 'run');
      const server = nameOf(context, 'server');
      await operations[verb](runId, server, byOf(context));
      return context.json({ runId, server, requested: verb }, 202);
    });
  }
}

function addServerRoutes(app: Hono, operations: Operations): void {
  app.get('/v1/servers', async (context) => context.json(await operations.servers()));
  app.get('/v1/servers/:server', async (context) => context.json(await operations.server(nameOf(context, 'server'))));
  app.post('/v1/servers/:server/power', async (context) => {
    const server = nameOf(context, 'server');
    const request = await bodyOf(context, PowerBody);
    return context.json({ server, power: await operations.power(server, request, byOf(context)) });
  });
  app.post('/v1/servers/:server/evacuate', async (context) =>
    context.json(await operations.evacuate(nameOf(context, 'server'), byOf(context)), 202),
  );
  app.post('/v1/servers/:server/return', async (context) =>
    context.json(await operations.returnServer(nameOf(context, 'server'), byOf(context)), 202),
  );
}

function isTokenRight(header: string | undefined, token: string): boolean {
  const given = /^Bearer ([^\s]+)$/i.exec(header ?? '')?.[1] ?? '';
  // An empty token would let everybody in who sends none.
  return isEqual(given, token) && token !== '';
}

function nameOf(context: Context, parameter: string): string {
  const parsed = Name.safeParse(context.req.param(parameter));
  if (parsed.success) return parsed.data;
  throw new MaintenanceError('api/bad-request', 'halt', `not the name of a ${parameter}: ${problemOf(parsed.error)}`);
}

function byOf(context: Context): string {
  const parsed = By.safeParse(context.req.header(byHeader));
  return parsed.success ? parsed.data : 'api';
}

async function bodyOf<Schema extends z.ZodType>(context: Context, schema: Schema): Promise<z.output<Schema>> {
  // A stated length keeps the bound simple: no body is read before it is known to be small.
  const lengthBytes = Number(context.req.header('content-length') ?? Number.NaN);
  if (!(lengthBytes <= bodyBytesMax)) {
    throw new MaintenanceError('api/bad-request', 'halt', `a body needs a content-length, at most ${bodyBytesMax}`);
  }
  const parsed = schema.safeParse(parseJson(await context.req.text()));
  if (parsed.success) return parsed.data;
  throw new MaintenanceError('api/bad-request', 'halt', `the body is not as expected: ${problemOf(parsed.error)}`);
}

function problemOf(error: z.ZodError): string {
  return error.issues
    .map((issue) => (issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message))
    .join('; ');
}

function answerError(context: Context, error: MaintenanceError): Response {
  return context.json(toErrorBody(error), statusOf(error.code));
}
