/** What is said of a name that there is nothing of: with the one that was probably meant. It decides nothing. */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { MaintenancePlan } from '../spec/plan.ts';
import { didYouMean } from '../spec/problem.ts';

interface Named {
  readonly name: string;
}

/** Ids are made by chance: what differs in more than one place is another run, and no typing mistake. */
const runEditsMax = 1;

export function noSuchServer(name: string, servers: readonly Named[]): MaintenanceError {
  return notFound(`no server named ${name} in the inventory`, didYouMean(name, namesOf(servers)));
}

export function noSuchRun(runId: string, runIds: readonly string[]): MaintenanceError {
  return notFound(`there is no run ${runId}`, didYouMean(runId, runIds, runEditsMax));
}

export function noSuchServerInRun(runId: string, name: string, servers: readonly Named[]): MaintenanceError {
  return notFound(`run ${runId} has no server ${name}`, didYouMean(name, namesOf(servers)));
}

export function noSuchPlan(name: string, plans: readonly Pick<MaintenancePlan, 'metadata'>[]): MaintenanceError {
  const names = namesOf(plans.map(({ metadata }) => metadata));
  const question = didYouMean(name, names);
  const message = `no plan named ${name}; ${question ?? `there are: ${names.join(', ') || 'none'}`}`;
  return new MaintenanceError('document/not-found', 'halt', message);
}

function notFound(message: string, question: string | undefined): MaintenanceError {
  return new MaintenanceError('api/not-found', 'halt', question === undefined ? message : `${message}; ${question}`);
}

function namesOf(all: readonly Named[]): string[] {
  return all.map(({ name }) => name);
}
