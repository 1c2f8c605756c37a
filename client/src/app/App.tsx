import { i18n } from '@lingui/core';
import { I18nProvider } from '@lingui/react';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useState } from 'react';
import type { Mesh } from '../state/mesh';
import { MeshProvider } from './mesh';
import { createPageRouter } from './router';
import { cssVariables, theme } from './theme';

export function App({ mesh }: { mesh: Mesh }) {
  const [{ router, queries }] = useState(() => {
    const queries = new QueryClient({
      defaultOptions: { queries: { retry: 1, staleTime: 15_000 }, mutations: { retry: false } },
    });
    return { queries, router: createPageRouter(mesh, queries) };
  });
  return (
    <I18nProvider i18n={i18n}>
      <MantineProvider theme={theme} defaultColorScheme="auto" cssVariablesResolver={cssVariables}>
        <Notifications position="top-center" limit={3} zIndex={400} />
        <QueryClientProvider client={queries}>
          <MeshProvider mesh={mesh}>
            <RouterProvider router={router} />
          </MeshProvider>
        </QueryClientProvider>
      </MantineProvider>
    </I18nProvider>
  );
}
