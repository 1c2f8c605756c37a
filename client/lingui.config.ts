import { defineConfig } from '@lingui/cli';
import { formatter } from '@lingui/format-po';

export default defineConfig({
  sourceLocale: 'en',
  locales: ['en', 'fr'],
  catalogs: [
    {
      path: 'src/locales/{locale}',
      include: ['src'],
      exclude: ['**/*.test.*', '**/generated/**', 'src/features/notifications/**', 'src/features/oidc/**'],
    },
    // Loaded when they are needed, and so no part of the first screen.
    {
      path: 'src/features/notifications/locales/{locale}',
      include: ['src/features/notifications'],
      exclude: ['**/*.test.*'],
    },
    {
      path: 'src/features/oidc/locales/{locale}',
      include: ['src/features/oidc'],
      exclude: ['**/*.test.*'],
    },
  ],
  format: formatter({ lineNumbers: false }),
  // The compiled files are only a by-product of the check: the page imports the .po files through the Vite plugin.
  compileNamespace: 'es',
});
