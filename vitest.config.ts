import { defineConfig } from 'vitest/config'

// An older Node dies inside SQLite's binding without a word.
if (Number.parseInt(process.versions.node, 10) < 24)
  throw new Error(`Tests run on Node 24, this is ${process.version}: use "npm test" or "npx vitest run <path>".`)

export default defineConfig({
  test: {
    setupFiles: ['test/setup.ts'],
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    sequence: { shuffle: true },
    testTimeout: 20_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
})
