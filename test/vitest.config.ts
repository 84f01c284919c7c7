import { defineConfig } from 'vitest/config';

/** One config, the suites are folders: `npm test` runs the fast ones, `.ci/run` all of them. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // A checker that found nothing to check must fail, not pass.
    passWithNoTests: false,
  },
});
