// The routes. Everything but the sign-in pages asks for a session first; who is not signed in is sent to /login and
// comes back afterwards.

import type { QueryClient } from '@tanstack/react-query';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { RoomPage } from '../features/rooms/RoomPage';
import { RoomsPage } from '../features/rooms/RoomsPage';
import { Shell } from '../features/rooms/Shell';
import { ApiError } from '../lib/api';
import { patiently } from '../lib/patiently';
import type { Mesh } from '../state/mesh';
import { LoadFailed, NotFound } from './errors';

interface Context {
  mesh: Mesh;
  queries: QueryClient;
}

const rootRoute = createRootRouteWithContext<Context>()({ component: Outlet, notFoundComponent: NotFound });

/** Only paths of this page: an address elsewhere must not be a place to be sent to after signing in. */
export function safeNext(next: unknown): string {
  return typeof next === 'string' && /^\/(?![/\\])/.test(next) ? next : '/';
}

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/login',
  validateSearch: (search): { next?: string } => (search.next ? { next: safeNext(search.next) } : {}),
  component: lazyRouteComponent(() => patiently(() => import('../features/auth/LoginPage')), 'LoginPage'),
});
// What is opened once, by a link, is not part of the first screen.
const setupRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/setup',
  component: lazyRouteComponent(() => patiently(() => import('../features/auth/SetupPage')), 'SetupPage'),
});
const inviteRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/invite',
  component: lazyRouteComponent(() => patiently(() => import('../features/auth/InvitePage')), 'InvitePage'),
});
const linkRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/link',
  component: lazyRouteComponent(() => patiently(() => import('../features/auth/LinkPage')), 'LinkPage'),
});

const signedInRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'signed-in',
  beforeLoad: async ({ context: { mesh }, location }) => {
    if (mesh.session.getState().phase === 'in') return;
    try {
      mesh.signedIn(await mesh.api.me());
    } catch (error) {
      if (error instanceof ApiError && error.status === 401)
        throw redirect({ to: '/login', search: location.href === '/' ? {} : { next: location.href } });
      throw error;
    }
  },
  component: Shell,
  errorComponent: LoadFailed,
});
const roomsRoute = createRoute({ getParentRoute: () => signedInRoute, path: '/', component: RoomsPage });
const roomRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: '/rooms/$roomId',
  component: RoomPage,
});
const settingsRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: '/settings',
  component: lazyRouteComponent(
    () => patiently(() => import('../features/settings/SettingsPage')),
    'SettingsPage',
  ),
});

const pairRoute = createRoute({
  getParentRoute: () => signedInRoute,
  path: '/pair',
  validateSearch: (search): { code?: string } =>
    typeof search.code === 'string' ? { code: search.code } : {},
  component: lazyRouteComponent(() => patiently(() => import('../features/settings/PairPage')), 'PairPage'),
});

const routeTree = rootRoute.addChildren([
  loginRoute,
  setupRoute,
  inviteRoute,
  linkRoute,
  signedInRoute.addChildren([roomsRoute, roomRoute, settingsRoute, pairRoute]),
]);

export function createPageRouter(mesh: Mesh, queries: QueryClient) {
  return createRouter({
    routeTree,
    context: { mesh, queries },
    defaultPreload: false,
    scrollRestoration: false,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createPageRouter>;
  }
}
