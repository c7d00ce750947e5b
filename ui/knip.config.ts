import type { KnipConfig } from 'knip'

export default {
  project: ['src/**/*.{ts,tsx,css}'],
  ignore: ['src/api/generated/**'],
} satisfies KnipConfig
