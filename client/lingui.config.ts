import { defineConfig } from '@lingui/cli';
import { formatter } from '@lingui/format-po';

// Words that `Words.tsx` loads with what they are for: the first screen does not carry them.
const onDemand = ['audit/**', 'Door.tsx', 'Rights.tsx'].map((path) => `src/features/rooms/settings/${path}`);

export default defineConfig({
  sourceLocale: 'en',
  locales: ['en', 'fr'],
  catalogs: [
    {
      path: 'src/locales/{locale}',
      include: ['src'],
      exclude: ['**/*.test.*', '**/generated/**', ...onDemand],
    },
    { path: 'src/features/rooms/settings/locales/{locale}', include: onDemand },
  ],
  format: formatter({ lineNumbers: false }),
  // The compiled files are only a by-product of the check: the page imports the .po files through the Vite plugin.
  compileNamespace: 'es',
});
