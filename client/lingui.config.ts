import { defineConfig } from '@lingui/cli';
import { formatter } from '@lingui/format-po';

// Words that are loaded with what they are for: the first screen does not carry them.
const onDemand = ['audit/**', 'Door.tsx', 'Rights.tsx', 'rights.ts'].map(
  (path) => `src/features/rooms/settings/${path}`,
);

export default defineConfig({
  sourceLocale: 'en',
  locales: ['en', 'fr'],
  catalogs: [
    {
      path: 'src/locales/{locale}',
      include: ['src'],
      exclude: [
        '**/*.test.*',
        '**/generated/**',
        'src/features/notifications/**',
        'src/features/oidc/**',
        'src/features/files/tray/**',
        'src/features/folders/**',
        'src/features/terminal/**',
        'src/features/call/**',
        'src/features/palette/**',
        'src/features/shortcuts/**',
        ...onDemand,
      ],
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
    {
      path: 'src/features/files/tray/locales/{locale}',
      include: ['src/features/files/tray'],
    },
    {
      path: 'src/features/folders/locales/{locale}',
      include: ['src/features/folders'],
    },
    {
      path: 'src/features/terminal/locales/{locale}',
      include: ['src/features/terminal'],
      exclude: ['**/*.test.*'],
    },
    {
      path: 'src/features/call/locales/{locale}',
      include: ['src/features/call'],
    },
    {
      path: 'src/features/palette/locales/{locale}',
      include: ['src/features/palette', 'src/features/shortcuts'],
      exclude: ['**/*.test.*'],
    },
    { path: 'src/features/rooms/settings/locales/{locale}', include: onDemand },
  ],
  format: formatter({ lineNumbers: false }),
  // The compiled files are only a by-product of the check: the page imports the .po files through the Vite plugin.
  compileNamespace: 'es',
});
