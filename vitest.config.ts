import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/postgres-for-all.ts'],
    testTimeout: 90_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 10_000 } },
    // Many a test waits: for a lease, a process, a browser. So more run than this many cores could.
    maxWorkers: 3,
    pool: 'forks',
    reporters: ['default', './test/support/summary.ts'],
  },
});
