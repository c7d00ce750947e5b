import type { KnipConfig } from 'knip'

export default {
  project: ['src/**/*.{ts,tsx,css}'],
  ignore: ['src/api/generated/**'],
  // The browser tests, which are Python, read it from node_modules.
  ignoreDependencies: ['axe-core'],
} satisfies KnipConfig
