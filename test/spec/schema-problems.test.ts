import { describe, expect, test } from 'vitest';
import { parseDocuments } from '../../src/spec/parse.ts';
import { inventory, parseTexts, plan, playbook, problemsIn } from './documents.ts';

test('valid documents have no problem, and every default of a server is filled in', () => {
  const parsed = parseTexts({});
  expect(parsed.problems).toEqual([]);
  expect(parsed.documentCount).toBe(3);
  expect(parsed.plans[0]?.spec.playbook).toBe('reboot-only');
  expect(parsed.playbooks[0]?.spec.service).toEqual([
    { reboot: { ladder: ['ssh', 'bmc-soft', 'bmc-cycle'], timeoutMs: 1_200_000, expect: undefined } },
  ]);
  expect(parsed.servers[1]).toEqual({
    name: 'rack1-02',
    node: 'rack1-02',
    address: '10.1.1.12',
    labels: { role: 'worker' },
    site: 'default',
    ssh: { user: 'root', port: 22, privateKey: { file: '/etc/key' }, hostKey: 'known_hosts' },
    bmc: {
      protocol: 'ipmi',
      address: '10.9.1.12',
      port: 623,
      user: 'admin',
      password: { file: '/etc/bmc' },
      cipherSuite: 17,
      privilege: 'operator',
      minCommandIntervalMs: 5_000,
    },
  });
});

test('what a server says itself wins over the default, setting by setting', () => {
  const own = inventory.replace(
    'bmc: { address: 10.9.1.12 }',
    'site: ber1, ssh: { port: 2222 }, bmc: { address: b, user: x }',
  );
  const server = parseTexts({ inventory: own }).servers[1];
  expect(server).toMatchObject({
    site: 'ber1',
    ssh: { user: 'root', port: 2222 },
    bmc: { address: 'b', user: 'x', password: { file: '/etc/bmc' } },
  });
});

/** The line goes to the end of the plan's spec, which is line 7. */
describe('a plan says where it is wrong', () => {
  const lines: [line: string, problem: string][] = [
    ['rollout: { maxUnavailible: 1 }', '7:14  unknown key "maxUnavailible", did you mean "maxUnavailable"?'],
    ['targts: {}', '7:3  unknown key "targts", did you mean "targets"?'],
    [
      'zebra: 1',
      '7:3  unknown key "zebra"; known here: playbook, parameters, targets, schedule, rollout, evacuation, rebalance',
    ],
    [
      'rollout: { maxUnavailable: 101% }',
      '7:30  "maxUnavailable" must be a whole number of servers, or a percentage between "0%" and "100%", not "101%"',
    ],
    [
      'rollout: { maxUnavailable: -1 }',
      '7:30  "maxUnavailable" must be a whole number of servers, or a percentage between "0%" and "100%", not -1',
    ],
    [
      'rollout: { waves: [{ servers: 1, soak: 30 }] }',
      '7:42  "soak" must be a length like "90m", "6h", "1h30m" or "2d", greater than zero, not 30',
    ],
    [
      'rollout: { waves: [{ servers: 1, soak: 0m }] }',
      '7:42  "soak" must be a length like "90m", "6h", "1h30m" or "2d", greater than zero, not "0m"',
    ],
    [
      'rollout: { waves: [{ soak: 3m }] }',
      '7:22  "servers" is missing in entry 1 of "waves"; it must be a whole number of servers, or a percentage between "0%" and "100%"',
    ],
    ['rollout: { waves: [] }', '7:21  "waves" must have at least 1 entry'],
    ['rollout: { maxParallel: 1.5 }', '7:27  "maxParallel" must be a whole number, not 1.5'],
    ['rollout: { haltAfter: { failures: 0 } }', '7:37  "failures" must be at least 1, not 0'],
    ['rollout:', '7:3  "rollout" is empty; give it a value, or take the key away'],
    ['rollout: [ 1 ]', '7:12  "rollout" must be a map of keys and values, not a list'],
    [
      'evacuation: { prefer: [ live, surg ] }',
      '7:33  entry 2 of "prefer" must be "live", "surge" or "evict", not "surg", did you mean "surge"?',
    ],
    [
      'evacuation: { rules: [ { match: { labels: { a: 1 } }, order: 1 } ] }',
      '7:50  "a" must be text, not 1; put it in quotes: "1"',
    ],
    ['parameters: { a: 6.10 }', '7:20  "a" must be text, a whole number, or true or false, not 6.1'],
    ['schedule: { windows: [] }', '7:24  "windows" must have at least 1 entry'],
    [
      'evacuation: { limits: { bandwidth: 10Gbit } }',
      '7:27  this version does not act on "bandwidth" yet; take it out; "perServer" and "perTarget" bound what goes over a link, and KubeVirt has a bandwidth of its own',
    ],
    [
      'gates: { before: [] }',
      '7:3  this version does not act on "gates" yet; take it out; checks after each server stand in the playbook under "verify"',
    ],
    [
      'silences: {}',
      '7:3  this version does not act on "silences" yet; take it out and set the silence in Alertmanager by hand',
    ],
    ['rebalance: {}', '7:3  "policy" is missing in "rebalance"'],
    ['rebalance: { policy: even }', '7:24  "policy" must be "spread", "return" or "none", not "even"'],
    ['rebalance: { policy: spread, maxMoves: 0 }', '7:42  "maxMoves" must be at least 1, not 0'],
    ['rebalance: { policy: spread, moves: 3 }', '7:32  unknown key "moves"; known here: policy, maxMoves, timeout'],
  ];
  test.each(lines)('%s', (line, problem) => {
    expect(problemsIn({ plan: `${plan}  ${line}\n` })).toEqual([`plan.yaml:${problem}`]);
  });
});

/** The line is a second entry of `service`, on line 7. */
describe('an action says where it is wrong, of the branch that was meant', () => {
  const lines: [line: string, problem: string][] = [
    ['{ ssh: { run: 3 } }', '7:21  "run" must be text, not 3; put it in quotes: "3"'],
    ['{ ssh: { run: "" } }', '7:21  "run" must not be empty'],
    ['{ ssh: { run: a, timout: 3m } }', '7:24  unknown key "timout", did you mean "timeout"?'],
    ['{ ssh: {} }', '7:14  "ssh" must be a map with one of the keys "run", "timeout", "script" or "copy"'],
    ['{ ssh: { run: a, copy: {} } }', '7:24  "copy" cannot stand beside "run"; make them two entries of the list'],
    ['{ ssh: { run: a }, reboot: {} }', '7:26  "reboot" cannot stand beside "ssh"; make them two entries of the list'],
    ['{ rebooot: {} }', '7:9  unknown key "rebooot", did you mean "reboot"?'],
    [
      'reboot',
      '7:7  entry 2 of "service" must be a map with one of the keys "ssh", "reboot", "power", "bootDevice" or "wait"; write "reboot: …"',
    ],
    [
      '{ reboot: { ladder: [ bmc ] } }',
      '7:29  entry 1 of "ladder" must be "ssh", "bmc-soft" or "bmc-cycle", not "bmc"',
    ],
    ['{ power: cycle }', '7:16  "power" must be "on" or "off", not "cycle"'],
    [
      '{ wait: soon }',
      '7:15  "wait" must be a length like "90m", "6h", "1h30m" or "2d", greater than zero, not "soon"',
    ],
    ['{ ssh: { copy: { content: x, to: a/b } } }', '7:40  "to" must be an absolute path on the server, not "a/b"'],
    [
      '{ ssh: { script: ../x.sh } }',
      '7:24  "script" must be a path inside the folder of this document, without "..", not "../x.sh"',
    ],
    [
      '{ ssh: { script: /etc/x } }',
      '7:24  "script" must be a path inside the folder of this document, without "..", not "/etc/x"',
    ],
    [
      '{ firmware: {} }',
      '7:9  this version does not act on "firmware" yet; take it out; call the vendor’s tool with "ssh" instead',
    ],
    [
      '{ kubernetes: {} }',
      '7:9  this version does not act on "kubernetes" yet; take it out; call kubectl on the server with "ssh" instead',
    ],
    [
      '{ prometheus: {} }',
      '7:9  this version does not act on "prometheus" yet; take it out; ask Prometheus with curl in an "ssh" step instead',
    ],
  ];
  test.each(lines)('%s', (line, problem) => {
    expect(problemsIn({ playbook: `${playbook}    - ${line}\n` })).toEqual([`playbook.yaml:${problem}`]);
  });
});

/** The entry is a third server, on line 11. */
describe('a server says where it is wrong', () => {
  const lines: [line: string, problem: string][] = [
    [
      '{ name: A, address: a }',
      '15  "name" must be made of lower-case letters, digits, "-" and ".", at most 63 of them, not "A"',
    ],
    [
      '{ name: a, address: "1.2.3.4:22" }',
      '27  "address" must be a host name or an IP address, without port, not "1.2.3.4:22"',
    ],
    [
      '{ name: a, address: -oProxyCommand=x }',
      '27  "address" must be a host name or an IP address, without port, not "-oProxyCommand=x"',
    ],
    ['{ name: a, address: b, ssh: { user: -x } }', '43  "user" must be a user name, not "-x"'],
    ['{ name: a, address: b, ssh: { port: 70000 } }', '43  "port" must be at most 65535, not 70000'],
    ['{ name: a, address: b, bmc: { cipherSuite: 18 } }', '50  "cipherSuite" must be at most 17, not 18'],
    [
      '{ name: a, address: b, bmc: { protocol: redfish } }',
      '47  this version does not act on "redfish" here yet; write ipmi, which most BMCs speak beside Redfish',
    ],
    ['{ name: a, adress: b }', '7  "address" is missing in entry 3 of "servers"'],
  ];
  test.each(lines)('%s', (line, problem) => {
    expect(problemsIn({ inventory: `${inventory}    - ${line}\n` })[0]).toBe(`inventory.yaml:11:${problem}`);
  });

  test('an address is no default', () => {
    const wrong = inventory.replace('bmc: { user: admin', 'bmc: { address: b, user: admin');
    expect(problemsIn({ inventory: wrong })).toEqual([
      'inventory.yaml:7:12  an address belongs to one server, so it cannot be a default; write it at each server',
    ]);
  });
});

describe('a document says what it is', () => {
  const lines: [text: string, problem: string][] = [
    ['', '1:1  this file holds no document; write one, or delete the file'],
    ['# nothing yet\n', '1:1  this file holds no document; write one, or delete the file'],
    ['hello', '1:1  a document is a map that begins with apiVersion, kind, metadata and spec'],
    [
      'a: 1',
      '1:1  "kind" is missing, so nobody knows what this document is; kind is "MaintenancePlan", "Playbook" or "Inventory"',
    ],
    ['kind: Playbok', '1:7  unknown kind "Playbok", did you mean "Playbook"?'],
    ['kind: Deployment', '1:7  unknown kind "Deployment"; kind is "MaintenancePlan", "Playbook" or "Inventory"'],
    ['kind: [ Playbook ]', '1:7  "kind" must be text; kind is "MaintenancePlan", "Playbook" or "Inventory"'],
    [
      playbook.replace('pitcrew.dev/v1', 'pitcrew.dev/v2'),
      '1:13  "apiVersion" must be "pitcrew.dev/v1", not "pitcrew.dev/v2"',
    ],
    [playbook.replace(/^.*\n/, ''), '1:1  "apiVersion" is missing; it must be "pitcrew.dev/v1"'],
  ];
  test.each(lines)('%j', (text, problem) => {
    const { problems } = parseDocuments([{ path: 'x.yaml', text }]);
    expect(
      problems.map(({ path, line, column, message, hint }) => {
        const asked = hint?.startsWith('did you mean') ? `, ${hint}` : hint && `; ${hint}`;
        return `${path}:${line}:${column}  ${message}${asked ?? ''}`;
      }),
    ).toEqual([`x.yaml:${problem}`]);
  });
});
