/** What the schema cannot see in one plan, alone and together with the playbooks and servers that it names. */
import type { Judged, PlacedServer } from './inventory-checks.ts';
import type { MaintenancePlan } from './plan.ts';
import type { Parameter } from './playbook.ts';
import { valueFault } from './playbook-checks.ts';
import type { Problem } from './problem.ts';
import { didYouMean } from './problem.ts';
import type { ValuePath } from './source.ts';
import { checkSchedule } from './schedule-checks.ts';
import { isTarget } from './targets.ts';

export interface Surroundings {
  /** By name. Without parameters where the playbook itself is not valid: then only its name is known. */
  readonly playbooks: ReadonlyMap<string, Readonly<Record<string, Parameter>> | undefined>;
  /** `undefined` where an inventory or some other file could not be read whole: nothing can be said about servers then. */
  readonly servers: readonly PlacedServer[] | undefined;
  /** Whether every file could be read, so that a missing playbook is really missing. */
  readonly isWhole: boolean;
}

type Plan = Judged<MaintenancePlan>;

function checkParameters({ source, value }: Plan, playbooks: Surroundings['playbooks']): Problem[] {
  const known = playbooks.get(value.spec.playbook);
  if (known === undefined) return [];
  const given = value.spec.parameters ?? {};
  const problems: Problem[] = [];
  for (const [name, parameter] of Object.entries(known)) {
    if (parameter.default !== undefined || Object.hasOwn(given, name)) continue;
    const message = `playbook "${value.spec.playbook}" needs the parameter "${name}"`;
    const hint = `give it under "parameters"${parameter.description ? `: ${parameter.description}` : ''}`;
    const at = value.spec.parameters === undefined ? ['spec', 'playbook'] : ['spec', 'parameters'];
    problems.push(
      at.at(-1) === 'playbook' ? source.problemAt(at, { message, hint }) : source.problemAtKey(at, { message, hint }),
    );
  }
  for (const [name, text] of Object.entries(given)) {
    const at = ['spec', 'parameters', name];
    const parameter = Object.hasOwn(known, name) ? known[name] : undefined;
    if (parameter === undefined) {
      const names = Object.keys(known);
      const hint = didYouMean(name, names) ?? (names.length > 0 ? `it knows: ${names.join(', ')}` : 'it has none');
      problems.push(
        source.problemAtKey(at, { message: `playbook "${value.spec.playbook}" has no parameter "${name}"`, hint }),
      );
      continue;
    }
    const fault = valueFault(parameter.type, text);
    if (fault !== undefined) {
      problems.push(source.problemAt(at, { ...fault, message: `parameter "${name}" ${fault.message}` }));
    }
  }
  return problems;
}

function checkPlaybookName({ source, value }: Plan, { playbooks, isWhole }: Surroundings): Problem[] {
  const { playbook } = value.spec;
  if (playbooks.has(playbook) || !isWhole) return [];
  const names = [...playbooks.keys()].sort();
  const hint =
    didYouMean(playbook, names) ??
    (names.length === 0 ? 'read the folder of the playbooks too' : `there are: ${names.join(', ')}`);
  return [source.problemAt(['spec', 'playbook'], { message: `there is no playbook "${playbook}"`, hint })];
}

function checkTargets({ source, value }: Plan, servers: readonly PlacedServer[] | undefined): Problem[] {
  const { targets } = value.spec;
  const at = ['spec', 'targets'];
  const { matchLabels = {}, matchExpressions = [] } = targets;
  const problems = matchExpressions.flatMap(({ operator, values }, index): Problem[] => {
    const place = [...at, 'matchExpressions', index];
    const takesValues = operator === 'In' || operator === 'NotIn';
    if (takesValues && (values ?? []).length === 0) {
      return [
        source.problemAt([...place, 'operator'], { message: `"${operator}" needs at least one entry in "values"` }),
      ];
    }
    if (takesValues || values === undefined) return [];
    return [source.problemAtKey([...place, 'values'], { message: `"${operator}" takes no "values"` })];
  });
  if (Object.keys(matchLabels).length + matchExpressions.length === 0) {
    const hint = 'write matchLabels or matchExpressions; for all of them, match a label that all of them have';
    return [source.problemAtKey(at, { message: '"targets" is empty, which would mean every server', hint })];
  }
  if (servers === undefined || problems.length > 0) return problems;
  const names = servers.map(({ server }) => server.name);
  for (const [index, name] of (targets.exclude ?? []).entries()) {
    if (names.includes(name)) continue;
    const hint = didYouMean(name, names);
    problems.push(source.problemAt([...at, 'exclude', index], { message: `there is no server "${name}"`, hint }));
  }
  if (servers.some(({ server }) => isTarget(targets, server))) return problems;
  const hint = servers.length === 0 ? 'read the folder of the inventory too' : labelHint(matchLabels, servers);
  return [...problems, source.problemAtKey(at, { message: '"targets" matches no server of the inventory', hint })];
}

/** The first label that no server has, and what there is instead. */
function labelHint(wanted: Readonly<Record<string, string>>, servers: readonly PlacedServer[]): string {
  for (const [key, value] of Object.entries(wanted)) {
    const values = new Set(
      servers.flatMap(({ server }) => (Object.hasOwn(server.labels, key) ? [server.labels[key] ?? ''] : [])),
    );
    if (values.size === 0) {
      const keys = [...new Set(servers.flatMap(({ server }) => Object.keys(server.labels)))];
      return didYouMean(key, keys) ?? `no server has the label "${key}"`;
    }
    if (!values.has(value))
      return `"${key}" is ${[...values].toSorted().slice(0, 5).join(', ')} there, never "${value}"`;
  }
  return 'look at "labels" in the inventory, and at "exclude" here';
}

function checkRollout({ source, value }: Plan): Problem[] {
  const { maxUnavailable, maxParallel, waves = [] } = value.spec.rollout ?? {};
  const isZero = (amount: typeof maxUnavailable): boolean =>
    amount !== undefined && (amount.kind === 'count' ? amount.count : amount.percent) === 0;
  const at = ['spec', 'rollout'];
  const warn = (place: ValuePath, message: string): Problem =>
    source.problemAt(place, { severity: 'warning', message, hint: 'write 1 or more unless that is meant' });
  return [
    ...(isZero(maxUnavailable)
      ? [warn([...at, 'maxUnavailable'], '"maxUnavailable" is 0, so no server ever starts')]
      : []),
    ...(maxParallel === 0 ? [warn([...at, 'maxParallel'], '"maxParallel" is 0, so no server ever starts')] : []),
    ...waves.flatMap(({ servers }, index) =>
      isZero(servers) ? [warn([...at, 'waves', index, 'servers'], `wave ${index + 1} holds no server`)] : [],
    ),
  ];
}

function checkEvacuation({ source, value }: Plan): Problem[] {
  const policy = value.spec.evacuation;
  if (policy === undefined) return [];
  const problems: Problem[] = [];
  const repeated = (list: readonly string[] | undefined, at: ValuePath): void => {
    const index = (list ?? []).findIndex((way, place) => list?.indexOf(way) !== place);
    if (index === -1) return;
    problems.push(source.problemAt([...at, index], { message: `"${list?.[index]}" stands in "prefer" twice` }));
  };
  repeated(source.valueAt(['spec', 'evacuation', 'prefer']) as string[] | undefined, ['spec', 'evacuation', 'prefer']);
  for (const [index, rule] of policy.rules.entries()) {
    const at = ['spec', 'evacuation', 'rules', index];
    repeated(rule.prefer, [...at, 'prefer']);
    const { namespaces, labels, owners } = rule.match;
    const named = [namespaces, owners, labels && Object.keys(labels)].filter((list) => list !== undefined);
    if (named.length === 0 || named.some((list) => list.length === 0)) {
      const message =
        named.length === 0 ? '"match" is empty, which would mean every pod' : 'a list in "match" is empty';
      const hint = 'name namespaces, labels or owners; what holds for every pod stands beside "rules"';
      problems.push(source.problemAtKey([...at, 'match'], { message, hint }));
    }
    if (
      rule.prefer === undefined &&
      rule.liveKeeps === undefined &&
      rule.restart === undefined &&
      rule.action === undefined &&
      rule.order === undefined
    ) {
      const hint = 'add prefer, liveKeeps, restart, action or order';
      problems.push(source.problemAtKey([...at, 'match'], { message: 'this rule says nothing about its pods', hint }));
    }
    if (rule.restart === 'never' && rule.prefer !== undefined && !rule.prefer.includes('live')) {
      const message =
        '"restart: never" leaves only "live", and "prefer" does not name it: such a pod blocks its server';
      problems.push(source.problemAtKey([...at, 'restart'], { severity: 'warning', message }));
    }
  }
  return problems;
}

/** What is kept alive is asked of live moves alone. */
function checkLiveKeeps({ source, value }: Plan): Problem[] {
  const { evacuation } = value.spec;
  if (evacuation === undefined) return [];
  const isAlive = (ways: readonly string[] | undefined): boolean => (ways ?? evacuation.prefer).includes('live');
  const warn = (at: ValuePath): Problem => {
    const message = '"liveKeeps" says what a live move has to keep, and no "prefer" that it goes with names "live"';
    return source.problemAtKey(at, { severity: 'warning', message, hint: 'add live to "prefer", or take it out' });
  };
  const at = ['spec', 'evacuation'];
  const { rules, liveKeeps } = evacuation;
  const isUsed = isAlive(undefined) || rules.some((rule) => rule.liveKeeps === undefined && isAlive(rule.prefer));
  return [
    ...(liveKeeps !== undefined && !isUsed ? [warn([...at, 'liveKeeps'])] : []),
    ...rules.flatMap((rule, index) =>
      rule.liveKeeps !== undefined && !isAlive(rule.prefer) ? [warn([...at, 'rules', index, 'liveKeeps'])] : [],
    ),
  ];
}

/** A restart would be a second move, so a plan that moves nothing alive never brings anything back. */
function checkRebalance({ source, value }: Plan): Problem[] {
  const { rebalance, evacuation } = value.spec;
  const prefers = [evacuation?.prefer ?? ['live'], ...(evacuation?.rules ?? []).map((rule) => rule.prefer ?? [])];
  if (rebalance?.policy !== 'return' || prefers.some((ways) => ways.includes('live'))) return [];
  const message = '"return" moves pods only alive, and "evacuation" never does: nothing will go back';
  return [source.problemAt(['spec', 'rebalance', 'policy'], { severity: 'warning', message })];
}

export function checkPlan(plan: Plan, surroundings: Surroundings): Problem[] {
  return [
    ...checkPlaybookName(plan, surroundings),
    ...checkParameters(plan, surroundings.playbooks),
    ...checkTargets(plan, surroundings.servers),
    ...checkSchedule(plan),
    ...checkRollout(plan),
    ...checkEvacuation(plan),
    ...checkLiveKeeps(plan),
    ...checkRebalance(plan),
  ];
}
