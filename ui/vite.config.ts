import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const server = process.env.HEADRACE_API_URL ?? 'http://127.0.0.1:7400'

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  worker: { format: 'es' },
  build: {
    outDir: '../src/headrace/server/static',
    emptyOutDir: true,
    // The content security policy allows no data: scripts or styles; a file each costs nothing on a kept connection.
    assetsInlineLimit: 0,
    target: 'es2022',
  },
  server: { proxy: { '/api': { target: server, ws: true, changeOrigin: true } } },
  preview: { proxy: { '/api': { target: server, ws: true, changeOrigin: true } } },
})
