import type { KnipConfig } from 'knip'

export default {
  project: ['src/**/*.{ts,tsx}'],
  ignore: ['src/api/generated/**'],
} satisfies KnipConfig
