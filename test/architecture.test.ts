/**
 * The architecture as a table: what each module of `src` may import. Changing the table is how the architecture is
 * changed, and `docs/decisions/` says why.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const src = path.join(import.meta.dirname, '..', 'src');

const pure = ['errors', 'spec', 'cluster', 'schedule', 'evacuation', 'planner', 'workflow'];
const everything = readdirSync(src).filter((name) => !name.includes('.'));

const mayImport: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  spec: ['schedule', 'errors'],
  cluster: ['errors'],
  schedule: ['errors'],
  evacuation: ['spec', 'cluster', 'errors'],
  planner: ['spec', 'schedule', 'evacuation', 'cluster', 'workflow', 'errors'],
  workflow: ['spec', 'schedule', 'cluster', 'errors'],
  ports: ['spec', 'workflow', 'evacuation', 'cluster', 'errors'],
  steps: ['ports', 'evacuation', 'workflow', 'cluster', 'spec', 'errors'],
  movers: ['ports', 'cluster', 'spec', 'errors'],
  engine: ['workflow', 'planner', 'schedule', 'evacuation', 'steps', 'ports', 'cluster', 'spec', 'errors'],
  adapters: ['ports', 'cluster', 'spec', 'workflow', 'errors'],
  simulator: ['ports', 'spec', 'workflow', 'evacuation', 'cluster', 'errors'],
  lab: ['simulator', 'ports', 'cluster', 'spec', 'errors'],
  api: ['engine', 'ports', 'spec', 'workflow', 'errors'],
  telemetry: ['ports', 'errors'],
  rehearsal: [
    'engine',
    'simulator',
    'movers',
    'steps',
    'planner',
    'schedule',
    'ports',
    'cluster',
    'spec',
    'workflow',
    'errors',
  ],
  daemon: everything.filter((name) => name !== 'cli'),
  cli: everything.filter((name) => name !== 'daemon'),
};

interface Import {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly target: string;
}

function sourceFiles(): string[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
}

function importsOf(file: string): string[] {
  const text = readFileSync(path.join(src, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
}

function crossings(): Import[] {
  return sourceFiles().flatMap((file) =>
    importsOf(file)
      .filter((target) => target.startsWith('.'))
      .map((target) => path.relative(src, path.resolve(src, path.dirname(file), target)))
      .map((target) => ({ file, from: file.split('/')[0] ?? '', to: target.split('/')[0] ?? '', target })),
  );
}

describe('the architecture table', () => {
  it('has a line for every module, and sees their files', () => {
    expect(Object.keys(mayImport).sort()).toEqual(everything.sort());
    expect(sourceFiles().length).toBeGreaterThan(60);
    expect(crossings().length).toBeGreaterThan(200);
  });

  it('holds for every import', () => {
    const breaches = crossings().filter(
      ({ from, to, file }) => file.includes('/') && from !== to && !mayImport[from]?.includes(to),
    );
    expect(breaches.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });

  it('keeps adapters apart from each other, but for what the system folder offers', () => {
    const breaches = crossings().filter(({ from, to, file, target }) => {
      const [own, other] = [file.split('/')[1], target.split('/')[1]];
      return from === 'adapters' && to === 'adapters' && own !== other && other !== 'system';
    });
    expect(breaches.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });

  it('keeps pure modules free of clock, chance, process and node', () => {
    const impure =
      /\bnew Date\b|\bDate\.now\b|\bMath\.random\b|\bprocess\.|\bset(?:Timeout|Interval|Immediate)\b|'node:|Temporal\.Now/;
    const files = sourceFiles().filter((file) => pure.includes(file.split('/')[0] ?? ''));
    expect(files.length).toBeGreaterThan(20);
    const breaches = files.filter((file) => impure.test(readFileSync(path.join(src, file), 'utf8')));
    expect(breaches).toEqual([]);
  });

  it('has a head comment in every file, and none over 400 lines', () => {
    const files = sourceFiles().map((file) => ({ file, text: readFileSync(path.join(src, file), 'utf8') }));
    expect(files.filter(({ text }) => !/^(?:#!.*\n)?\/\*\*/.test(text)).map(({ file }) => file)).toEqual([]);
    expect(files.filter(({ text }) => text.split('\n').length > 400).map(({ file }) => file)).toEqual([]);
  });
});
