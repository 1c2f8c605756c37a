import { lingui } from '@lingui/vite-plugin';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const server = process.env.MESH_DEV_SERVER ?? 'http://127.0.0.1:8000';
const proxied = [
  '/auth',
  '/rooms/',
  '/caps',
  '/ice',
  '/me',
  '/devices',
  '/notifications',
  '/health',
  '/.well-known',
  '/ws/',
];

export default defineConfig({
  plugins: [react({ babel: { plugins: ['@lingui/babel-plugin-lingui-macro'] } }), lingui()],
  build: {
    target: 'es2022',
    // The policy of the server allows no inline scripts, and small assets are cheap to fetch.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
  },
  worker: { format: 'es' },
  server: {
    proxy: {
      ...Object.fromEntries(proxied.map((path) => [path, { target: server, bypass: keepPages }])),
      '/ws': { target: server, ws: true },
    },
  },
});

/** `/rooms/<id>` is both a page and a resource: a browser that asks for HTML gets the page. */
function keepPages(request: { headers: { accept?: string } }): string | undefined {
  return request.headers.accept?.includes('text/html') ? '/index.html' : undefined;
}
