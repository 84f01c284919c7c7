import { describe, expect, test } from 'vitest';
import { parseDocuments } from '../../src/spec/parse.ts';
import { describeProblem } from '../../src/spec/problem.ts';
import { inventory, parseTexts, plan, playbook, problemsIn } from './documents.ts';

function server(line: string): string {
  return `${inventory}    - { ${line} }\n`;
}

describe('no two servers are one and the same', () => {
  const lines: [line: string, problem: string][] = [
    [
      'name: rack1-09, address: 10.1.1.19, bmc: { address: 10.9.1.12 }',
      '11:61  server "rack1-09" has the same BMC address as "rack1-02" (10.9.1.12, line 10)',
    ],
    [
      'name: rack1-09, address: 10.1.1.12, bmc: { address: 10.9.1.19 }',
      '11:34  server "rack1-09" has the same SSH address as "rack1-02" (10.1.1.12, line 10)',
    ],
    [
      'name: rack1-09, node: rack1-01, address: 10.1.1.19, bmc: { address: 10.9.1.19 }',
      '11:31  server "rack1-09" is the same node as "rack1-01" (rack1-01, line 9)',
    ],
    [
      'name: rack1-02, address: 10.1.1.12, bmc: { address: 10.9.1.12 }',
      '11:15  server "rack1-02" stands in the inventory twice (line 10)',
    ],
  ];
  test.each(lines)('%s', (line, problem) => {
    expect(problemsIn({ inventory: server(line) })).toEqual([`inventory.yaml:${problem}`]);
  });

  test('another port is another BMC', () => {
    expect(
      problemsIn({ inventory: server('name: a, address: 10.1.1.19, bmc: { address: 10.9.1.12, port: 6230 }') }),
    ).toEqual([]);
  });

  test('across inventories the other file is named', () => {
    const other = inventory.replace('fra1', 'ber1').replaceAll('rack1', 'rack9').replaceAll('10.1.1', '10.2.1');
    const files = [
      { path: 'a.yaml', text: inventory },
      { path: 'b.yaml', text: other },
    ];
    expect(parseDocuments(files).problems.map(describeProblem)).toEqual([
      'b.yaml:9:87  server "rack9-01" has the same BMC address as "rack1-01" (10.9.1.11, a.yaml:9)',
      'b.yaml:10:87  server "rack9-02" has the same BMC address as "rack1-02" (10.9.1.12, a.yaml:10)',
    ]);
  });
});

describe('a server that lacks what it needs is found before any run', () => {
  test('one server', () => {
    expect(problemsIn({ inventory: server('name: a, address: b') })).toEqual([
      'inventory.yaml:11:15  server "a" has no bmc.address; give every server its own bmc: { address: … }',
    ]);
  });

  test('many servers are one problem', () => {
    const bare = inventory.replace(', password: { file: /etc/bmc }', '');
    expect(problemsIn({ inventory: bare })).toEqual([
      'inventory.yaml:9:15  2 servers (rack1-01, rack1-02) have no bmc.password; set bmc.password under "defaults" or at the server, as { file: /path/to/password } or { env: NAME }',
    ]);
  });

  test.each(['user: root, ', 'privateKey: { file: /etc/key }'])('without %s', (setting) => {
    const [problem] = problemsIn({ inventory: inventory.replace(setting, '') });
    expect(problem).toContain(`have no ssh.${setting.slice(0, setting.indexOf(':'))}`);
  });
});

describe('a plan fits its playbook and the inventory', () => {
  const parameters = `${playbook}  parameters: { package: { type: string }, count: { type: integer, default: 1 } }\n`;

  test('an unknown playbook', () => {
    expect(problemsIn({ plan: plan.replace('reboot-only', 'reboot-olny') })).toEqual([
      'plan.yaml:5:13  there is no playbook "reboot-olny", did you mean "reboot-only"?',
    ]);
    expect(problemsIn({ plan: plan.replace('reboot-only', 'firmware') })).toEqual([
      'plan.yaml:5:13  there is no playbook "firmware"; there are: reboot-only',
    ]);
    expect(parseDocuments([{ path: 'plan.yaml', text: plan }]).problems.map(describeProblem)).toEqual([
      'plan.yaml:5:13  there is no playbook "reboot-only"; read the folder of the playbooks too',
      'plan.yaml:6:3  "targets" matches no server of the inventory; read the folder of the inventory too',
    ]);
  });

  test('a playbook that is itself wrong is not missing', () => {
    const problems = problemsIn({ playbook: `${playbook}    - { wait: soon }\n` });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('"wait" must be');
  });

  const lines: [given: string, problem: string | undefined][] = [
    ['{ package: p }', undefined],
    ['{ package: p, count: 3 }', undefined],
    ['{ count: 3 }', '7:3  playbook "reboot-only" needs the parameter "package"; give it under "parameters"'],
    ['{ package: p, cuont: 3 }', '7:29  playbook "reboot-only" has no parameter "cuont", did you mean "count"?'],
    ['{ package: p, x: 3 }', '7:29  playbook "reboot-only" has no parameter "x"; it knows: package, count'],
    ['{ package: 3 }', '7:26  parameter "package" must be text; put it in quotes'],
    ['{ package: p, count: "3" }', '7:36  parameter "count" must be a whole number'],
    ['{ package: "a\\nb" }', '7:26  parameter "package" must be one line without control characters'],
  ];
  test.each(lines)('parameters %s', (given, problem) => {
    const problems = problemsIn({ plan: `${plan}  parameters: ${given}\n`, playbook: parameters });
    expect(problems).toEqual(problem === undefined ? [] : [`plan.yaml:${problem}`]);
  });

  test('a parameter without default must be given', () => {
    expect(problemsIn({ playbook: parameters })).toEqual([
      'plan.yaml:5:13  playbook "reboot-only" needs the parameter "package"; give it under "parameters"',
    ]);
  });

  const targets: [targets: string, problem: string][] = [
    [
      '{}',
      '6:3  "targets" is empty, which would mean every server; write matchLabels or matchExpressions; for all of them, match a label that all of them have',
    ],
    [
      '{ matchLabels: {}, exclude: [ rack1-01 ] }',
      '6:3  "targets" is empty, which would mean every server; write matchLabels or matchExpressions; for all of them, match a label that all of them have',
    ],
    [
      '{ matchLabels: { role: wroker } }',
      '6:3  "targets" matches no server of the inventory; "role" is worker there, never "wroker"',
    ],
    ['{ matchLabels: { rloe: worker } }', '6:3  "targets" matches no server of the inventory, did you mean "role"?'],
    [
      '{ matchLabels: { role: worker }, exclude: [ rack1-01, rack1-03 ] }',
      '6:66  there is no server "rack1-03", did you mean "rack1-01"?',
    ],
    [
      '{ matchLabels: { role: worker }, exclude: [ rack1-01, rack1-02 ] }',
      '6:3  "targets" matches no server of the inventory; look at "labels" in the inventory, and at "exclude" here',
    ],
    ['{ matchExpressions: [ { key: role, operator: In } ] }', '6:57  "In" needs at least one entry in "values"'],
    ['{ matchExpressions: [ { key: role, operator: Exists, values: [ a ] } ] }', '6:65  "Exists" takes no "values"'],
  ];
  test.each(targets)('targets %s', (text, problem) => {
    expect(problemsIn({ plan: plan.replace('{ matchLabels: { role: worker } }', text) })).toEqual([
      `plan.yaml:${problem}`,
    ]);
  });

  const matching: [targets: string, names: number][] = [
    ['{ matchExpressions: [ { key: role, operator: In, values: [ worker, x ] } ] }', 1],
    ['{ matchExpressions: [ { key: role, operator: NotIn, values: [ x ] } ] }', 1],
    ['{ matchExpressions: [ { key: role, operator: Exists } ] }', 1],
    ['{ matchExpressions: [ { key: gpu, operator: DoesNotExist } ] }', 1],
    ['{ matchExpressions: [ { key: gpu, operator: Exists } ] }', 0],
    ['{ matchExpressions: [ { key: constructor, operator: Exists } ] }', 0],
  ];
  test.each(matching)('%s is by the rules of Kubernetes', (text, matches) => {
    const problems = problemsIn({ plan: plan.replace('{ matchLabels: { role: worker } }', text) });
    expect(problems.length === 0).toBe(matches === 1);
  });

  test('while an inventory is wrong, nothing is said about which servers there are', () => {
    const problems = problemsIn({ inventory: server('name: A, address: b'), plan: plan.replace('worker', 'x') });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('inventory.yaml:11:15');
  });
});

test('two documents of one kind do not share a name, two kinds may', () => {
  const files = [
    { path: 'a.yaml', text: playbook },
    { path: 'b.yaml', text: `${playbook}---\n${inventory.replace('fra1', 'reboot-only')}` },
  ];
  expect(parseDocuments(files).problems.map(describeProblem)).toEqual([
    'b.yaml:3:19  there is another Playbook "reboot-only" (a.yaml:3); give one of them another name',
  ]);
});

describe('a limit of 0 is a warning, because it stops everything and may be meant', () => {
  const lines: [line: string, problem: string][] = [
    ['maxUnavailable: 0', '7:30  warning: "maxUnavailable" is 0, so no server ever starts'],
    ['maxUnavailable: 0%', '7:30  warning: "maxUnavailable" is 0, so no server ever starts'],
    ['maxParallel: 0', '7:27  warning: "maxParallel" is 0, so no server ever starts'],
    ['waves: [ { servers: 0 } ]', '7:34  warning: wave 1 holds no server'],
  ];
  test.each(lines)('%s', (line, problem) => {
    expect(problemsIn({ plan: `${plan}  rollout: { ${line} }\n` })).toEqual([
      `plan.yaml:${problem}; write 1 or more unless that is meant`,
    ]);
  });

  test('a document with warnings only is valid', () => {
    const parsed = parseTexts({ plan: `${plan}  rollout: { maxUnavailable: 0 }\n` });
    expect(parsed.problems.map(({ severity }) => severity)).toEqual(['warning']);
    expect(parsed.plans[0]?.spec.rollout?.maxUnavailable).toEqual({ kind: 'count', count: 0 });
  });
});

describe('evacuation rules say something about some pods', () => {
  const lines: [rule: string, problem: string][] = [
    [
      '{ match: {}, order: 1 }',
      '7:28  "match" is empty, which would mean every pod; name namespaces, labels or owners; what holds for every pod stands beside "rules"',
    ],
    [
      '{ match: { namespaces: [] }, order: 1 }',
      '7:28  a list in "match" is empty; name namespaces, labels or owners; what holds for every pod stands beside "rules"',
    ],
    [
      '{ match: { namespaces: [ a ] } }',
      '7:28  this rule says nothing about its pods; add prefer, liveKeeps, restart, action or order',
    ],
    ['{ match: { namespaces: [ a ] }, prefer: [ evict, evict ] }', '7:75  "evict" stands in "prefer" twice'],
    [
      '{ match: { namespaces: [ a ] }, prefer: [ evict ], restart: never }',
      '7:77  warning: "restart: never" leaves only "live", and "prefer" does not name it: such a pod blocks its server',
    ],
  ];
  test.each(lines)('%s', (rule, problem) => {
    expect(problemsIn({ plan: `${plan}  evacuation: { rules: [ ${rule} ] }\n` })).toEqual([`plan.yaml:${problem}`]);
  });
});

describe('liveKeeps where nothing goes alive', () => {
  const warned =
    'warning: "liveKeeps" says what a live move has to keep, and no "prefer" that it goes with names "live"; add live to "prefer", or take it out';
  const ofRule = (prefer: string): string =>
    `  evacuation: { prefer: [ evict ], rules: [ { match: { namespaces: [ a ] }, ${prefer}liveKeeps: memory } ] }\n`;

  test('is warned of, beside "prefer" and in a rule', () => {
    expect(problemsIn({ plan: `${plan}  evacuation: { prefer: [ evict ], liveKeeps: memory }\n` })).toEqual([
      `plan.yaml:7:36  ${warned}`,
    ]);
    expect(problemsIn({ plan: plan + ofRule('') })).toEqual([`plan.yaml:7:77  ${warned}`]);
  });

  test('is none where something that it goes for may move alive', () => {
    const rules = 'rules: [ { match: { namespaces: [ a ] }, prefer: [ live ] } ]';
    expect(problemsIn({ plan: `${plan}  evacuation: { liveKeeps: memory }\n` })).toEqual([]);
    expect(problemsIn({ plan: `${plan}  evacuation: { prefer: [ evict ], liveKeeps: memory, ${rules} }\n` })).toEqual(
      [],
    );
    expect(problemsIn({ plan: plan + ofRule('prefer: [ live ], ') })).toEqual([]);
  });
});

describe('a rebalancing that could never move anything', () => {
  const returning = '  rebalance: { policy: return }\n';
  const neverAlive = '  evacuation: { prefer: [ surge, evict ] }\n';

  test('is warned of: pods go back only alive', () => {
    expect(problemsIn({ plan: plan + neverAlive + returning })).toEqual([
      'plan.yaml:8:24  warning: "return" moves pods only alive, and "evacuation" never does: nothing will go back',
    ]);
  });

  test('is none where something may move alive', () => {
    const rule = '{ match: { namespaces: [ a ] }, prefer: [ live ] }';
    const someAlive = neverAlive.replace(' }', `, rules: [ ${rule} ] }`);
    expect(problemsIn({ plan: plan + returning })).toEqual([]);
    expect(problemsIn({ plan: plan + someAlive + returning })).toEqual([]);
    expect(problemsIn({ plan: `${plan}${neverAlive}  rebalance: { policy: spread, timeout: 10m }\n` })).toEqual([]);
  });
});

test('a file that is written is no check: under "verify" it would be passed over', () => {
  const copied = `${playbook}  verify:\n    - ssh: { copy: { content: x, to: /etc/x } }\n`;
  expect(problemsIn({ playbook: copied })).toEqual([
    'playbook.yaml:8:14  unknown key "copy"; known here: run, timeout, script',
  ]);
});
