/** `pitcrew daemon`: reads its options and hands over; what the daemon is made of is put together elsewhere. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import { UsageError, type DaemonOptions } from '../io.ts';
import { addGitOptions, gitSourceOf, type GitFlags } from '../git-options.ts';
import type { Run } from '../session.ts';

type Options = Omit<DaemonOptions, 'data' | 'documents' | 'repository' | 'webhookSecretFile'> &
  GitFlags & { readonly documents?: string[] };

/** Where plans, playbooks and inventory are looked for when nothing is said. */
export const documentPaths = ['playbooks', 'inventory', 'deploy/plans'];

export function addDaemon(program: Command, run: Run): void {
  const daemon = program
    .command('daemon')
    .option('--documents <path...>', `folders or files with the documents (default: ${documentPaths.join(', ')})`)
    .option('--redis <url>', 'Redis, without a password in it (PITCREW_REDIS may have one)')
    .option('--kubeconfig <file>', 'kubeconfig (default: KUBECONFIG, then the service account)')
    .option('--context <name>', 'context in the kubeconfig')
    .option('--listen <address>', 'also listen here: 127.0.0.1:PORT (always: <data>/daemon.sock)')
    .option('--sites <site...>', 'only work for these sites')
    .option('--known-hosts <file>', 'SSH host keys (default: <data>/known_hosts)')
    .description('the service that carries out runs');
  addGitOptions(daemon);
  daemon.action((options: Options, command: Command) =>
    run(command, async (session) => {
      const { io, data, loaders } = session;
      checkRedis(options.redis);
      const redis = options.redis ?? io.env['PITCREW_REDIS'];
      const knownHosts = resolve(io.cwd, options.knownHosts ?? join(data, 'known_hosts'));
      const source = gitSourceOf(options, { cwd: io.cwd, knownHosts });
      if (source && options.documents) {
        throw new UsageError('the documents come from --documents or from --git', 'with --git use --git-folder');
      }
      const runDaemon = await loaders.runDaemon();
      const documents = options.documents ?? documentPaths;
      await runDaemon({ ...options, data, documents, ...(redis ? { redis } : {}), ...source }, io.signal);
      return ExitCode.done;
    }),
  );
}

/** Arguments are there for everybody to read in the list of processes. */
function checkRedis(url: string | undefined): void {
  if (url === undefined || (URL.parse(url)?.password ?? '') === '') return;
  throw new UsageError('a password does not belong on the command line', 'set PITCREW_REDIS to the URL instead');
}
