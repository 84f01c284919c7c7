/** What a source of documents promises, wherever they lie. */
import { describe, expect, it } from 'vitest';
import type { DocumentSource } from '../../src/ports/documents.ts';
import { inventory, plan, playbook } from '../spec/documents.ts';

export interface DocumentsWorld {
  readonly source: DocumentSource;
  /** Makes these files the current ones, beside those that are there, and lets the source notice. */
  readonly put: (files: Readonly<Record<string, string>>) => Promise<void>;
}

const valid = { 'inventory.yaml': inventory, 'playbooks/reboot.yml': playbook, 'plans/weekly.yaml': plan };

export function documentsContract(
  kind: string,
  make: (files: Readonly<Record<string, string>>) => Promise<DocumentsWorld>,
): void {
  describe(`documents from ${kind}`, () => {
    it('are every YAML file, however deep, but for hidden ones and what is not YAML', async () => {
      const noise = {
        '.github/x.yaml': 'x: 1',
        'a/.hidden.yaml': 'x: 1',
        'README.md': '# x',
        'plans/weekly.yaml.bak': plan,
        'plans/weekly.yaml~': plan,
        'plans/notes.txt': plan,
        'package.json': '{ "kind": "module" }',
        LICENSE: 'x',
        'playbooks/do.sh': 'x',
        'node_modules/x.yaml': 'x: 1',
      };
      const { source } = await make({ ...valid, ...noise });
      const { plans, playbooks, servers, warnings, notices = [] } = await source.read();
      expect([plans.length, playbooks.length, servers.length, warnings, notices]).toEqual([1, 1, 2, [], []]);
    });

    it('that were probably meant and are not read are named, also beside what is wrong in the others', async () => {
      const mistaken = {
        'plans/BIOS.YAML': plan,
        'plans/old.Yml': plan,
        'plans/firmware.yaml.txt': plan,
        'plans/kernel.json': '{ "apiVersion": "pitcrew.dev/v1", "kind": "MaintenancePlan" }',
        '.github/x.YAML': 'x: 1',
        'a/.hidden.YAML': 'x: 1',
      };
      const { source } = await make({ ...valid, ...mistaken });
      const { plans, notices = [] } = await source.read();
      expect(plans).toHaveLength(1);
      const named = notices.map((notice) => /(\w+\.[\w.]+) is not read: documents are YAML/.exec(notice)?.[1]);
      expect(new Set(named)).toEqual(new Set(['BIOS.YAML', 'firmware.yaml.txt', 'kernel.json', 'old.Yml']));
      const wrong = { 'plans/weekly.yaml': plan.replace('reboot-only', 'bios') };
      const missing = await make({ ...valid, ...mistaken, ...wrong });
      const message = expect.stringMatching(/no playbook[^]*BIOS\.YAML is not read/) as string;
      await expect(missing.source.read()).rejects.toMatchObject({ code: 'document/invalid', message });
    });

    it('are read anew once they have changed, and the digest stands for what they say', async () => {
      const { source, put } = await make(valid);
      const before = await source.read();
      expect((await source.read()).digest).toBe(before.digest);
      await put({ 'plans/weekly.yaml': `${plan}  rollout: { maxUnavailable: 2 }\n` });
      const after = await source.read();
      expect(after.plans[0]?.spec.rollout?.maxUnavailable).toEqual({ kind: 'count', count: 2 });
      expect(after.digest).not.toBe(before.digest);
      await put({ 'plans/weekly.yaml': plan });
      expect((await source.read()).digest).toBe(before.digest);
    });

    it('are valid together or not at all: every problem is named with its file and line', async () => {
      const { source } = await make({
        ...valid,
        'plans/weekly.yaml': `${plan}  zebra: 1\n`,
        'playbooks/reboot.yml': `${playbook}    - wait: soon\n`,
      });
      await expect(source.read()).rejects.toMatchObject({
        code: 'document/invalid',
        disposition: 'halt',
        details: { problems: 2 },
        message: expect.stringMatching(/plans\/weekly\.yaml:7:3 .*zebra.*\n.*playbooks\/reboot\.yml:7:13 /),
      });
    });

    it('bring the files beside a playbook with them, and the calendars beside a plan', async () => {
      const calendar = [
        'BEGIN:VCALENDAR',
        'BEGIN:VEVENT',
        'UID:1',
        'DTSTART;VALUE=DATE:20261224',
        'DTEND;VALUE=DATE:20261227',
        'SUMMARY:Christmas',
        'END:VEVENT',
        'END:VCALENDAR',
        '',
      ];
      const schedule = [
        '  schedule:',
        '    windows: [ { opens: "0 22 * * SAT", lasts: 6h, timeZone: Europe/Berlin } ]',
        '    blackouts: [ { ical: days.ics, timeZone: Europe/Berlin } ]',
        '',
      ];
      const { source } = await make({
        ...valid,
        'plans/weekly.yaml': plan + schedule.join('\n'),
        'plans/days.ics': calendar.join('\r\n'),
        'playbooks/reboot.yml': `${playbook}    - ssh: { script: do.sh }\n`,
        'playbooks/do.sh': 'echo one\n',
      });
      const { plans, playbooks } = await source.read();
      expect(JSON.stringify(plans[0]?.spec.schedule)).toContain('Christmas');
      expect(playbooks[0]?.spec.service[1]).toEqual({ ssh: { run: 'echo one\n', timeoutMs: 600_000 } });
    });

    it('that name a file which is not there are invalid', async () => {
      const { source } = await make({ ...valid, 'playbooks/reboot.yml': `${playbook}    - ssh: { script: do.sh }\n` });
      await expect(source.read()).rejects.toMatchObject({
        code: 'document/invalid',
        message: expect.stringMatching(/reboot\.yml:7:22 {2}cannot read .*playbooks\/do\.sh: there is no such file/),
      });
    });

    it('that are too large are refused, not read', async () => {
      const { source } = await make({
        ...valid,
        'playbooks/reboot.yml': `${playbook}    - ssh: { copy: { from: image, to: /tmp/i } }\n`,
        'playbooks/image': 'x'.repeat(4 * 1024 * 1024 + 1),
      });
      await expect(source.read()).rejects.toMatchObject({
        code: 'document/invalid',
        message: expect.stringContaining('it has 4194305 bytes, more than 4194304'),
      });
    });
  });
}
