/** Where this daemon's documents come from, and what it says of them when it starts. It decides nothing about them. */
import path from 'node:path';
import { GitDocuments } from '../adapters/git/git-documents.ts';
import { gitSettings, type GitOptions } from '../adapters/git/settings.ts';
import { FolderDocuments } from '../adapters/system/documents.ts';
import type { SecretStore } from '../adapters/system/secrets.ts';
import type { Webhook } from '../api/webhook.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { DocumentSource } from '../ports/documents.ts';
import type { Logger } from '../ports/logger.ts';
import type { InventoryServer } from '../spec/inventory.ts';
import type { Teardown } from './teardown.ts';

interface DocumentsInput {
  readonly options: {
    readonly data: string;
    readonly documents: readonly string[];
    readonly repository?: GitOptions & { readonly pollMs: number };
    readonly webhookSecretFile?: string;
  };
  readonly logger: Logger;
  readonly secrets: SecretStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly teardown: Teardown;
}

interface OpenDocuments {
  readonly documents: DocumentSource;
  readonly webhook?: Webhook | undefined;
}

/** A shorter one could be guessed. */
const webhookSecretLengthMin = 16;

/** @throws `git/settings`, `secret/unreadable`, `host/missing-program`; a repository that does not answer is no error */
export async function openDocuments(input: DocumentsInput): Promise<OpenDocuments> {
  const { options, logger, secrets, clock, random, teardown } = input;
  const { repository, data, webhookSecretFile } = options;
  if (!repository) return { documents: new FolderDocuments(options.documents) };
  const documents = new GitDocuments({
    settings: gitSettings(repository),
    folder: path.resolve(data, 'git'),
    pollMs: repository.pollMs,
    readToken: (file) => secrets.read({ file }),
    env: process.env,
    clock,
    random,
    logger,
  });
  teardown.add('documents', () => documents.stop());
  const webhook = webhookSecretFile === undefined ? undefined : await webhookOf(webhookSecretFile, input, documents);
  await documents.start();
  return { documents, webhook };
}

async function webhookOf(file: string, { secrets }: DocumentsInput, documents: GitDocuments): Promise<Webhook> {
  const readSecret = (): Promise<string> => secrets.read({ file });
  if ((await readSecret()).length < webhookSecretLengthMin) {
    const message = `the secret of the webhook (${file}) is shorter than ${webhookSecretLengthMin} characters`;
    throw new MaintenanceError('git/settings', 'halt', message);
  }
  return { readSecret, tell: () => documents.tell() };
}

/**
 * The servers as they were when the documents could last be used: a mistake in a document changes the next run, and what
 * goes on goes on. Where they never could be since the daemon began, whoever needs them waits until somebody has mended that.
 */
export function lastGoodServers(documents: DocumentSource): () => Promise<readonly InventoryServer[]> {
  let known: readonly InventoryServer[] | undefined;
  return async () => {
    try {
      known = (await documents.read()).servers;
    } catch (error) {
      if (!(error instanceof MaintenanceError)) throw error;
      const { code, message, details } = error;
      if (!known) throw new MaintenanceError(code, 'wait', message, { details, cause: error });
    }
    return known;
  };
}

/** Said at the start; documents that cannot be used must not keep a daemon from going on with unfinished runs. */
export async function reportDocuments(documents: DocumentSource, logger: Logger): Promise<void> {
  try {
    const { servers, warnings = [], notices = [], commit } = await documents.read();
    for (const warning of [...warnings, ...notices]) logger.warn({ warning }, 'warning in the documents');
    logger.info({ servers: servers.length, commit }, 'documents are valid');
  } catch (error) {
    if (!(error instanceof MaintenanceError)) throw error;
    const { code, message } = error;
    logger.error({ code, message }, 'documents cannot be used; unfinished runs go on, new ones cannot start');
  }
}
