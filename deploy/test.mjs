/**
 * Runs the tests: `fast` (what `npm test` runs), `slow` (what CI runs after it) or `nodes` (what
 * `npm run lab:nodes` runs). Ends with one plain line of counts, so that a
 * run without tests cannot pass for a success.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..');
const bin = (name) => path.join(root, 'node_modules', '.bin', name);
const layer = process.argv[2] ?? 'fast';
const layers = {
  fast: ['--exclude', 'test/slow/**', '--exclude', 'test/nodes/**'],
  slow: ['test/slow'],
  // One after the other: they measure, and each has a lab of its own.
  nodes: ['test/nodes', '--no-file-parallelism'],
};

function run(title, command, args) {
  console.log(`── ${title}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  return status === 0;
}

function tidy() {
  return [
    run('types', bin('tsc'), ['-p', '.']),
    run('lint', bin('oxlint'), []),
    run('format', bin('oxfmt'), ['--check', 'src', 'test', 'deploy']),
    run('dead code', bin('knip'), []),
  ].every(Boolean);
}

function vitest(args) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'pitcrew-test-'));
  const report = path.join(folder, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile=${report}`];
  const isGreen = run('tests', bin('node'), [
    path.join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--config',
    'test/vitest.config.ts',
    ...reporters,
    ...args,
  ]);
  const { numPassedTests = 0, numFailedTests = 0 } = JSON.parse(readFileSync(report, 'utf8'));
  rmSync(folder, { recursive: true });
  console.log(`\n${numPassedTests} passed, ${numFailedTests} failed`);
  return isGreen && numPassedTests > 0;
}

const args = layers[layer];
if (!args) {
  console.error(`unknown layer "${layer}": fast, slow or nodes`);
  process.exitCode = 2;
} else {
  const isTidy = layer === 'fast' ? tidy() : true;
  const isGreen = vitest(args);
  process.exitCode = isTidy && isGreen ? 0 : 1;
}
