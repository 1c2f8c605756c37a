// The frame around every page of somebody who is signed in: rooms at the side, on a phone in a drawer.

import { Trans, useLingui } from '@lingui/react/macro';
import { Drawer } from '@mantine/core';
import { useDisclosure, useMediaQuery } from '@mantine/hooks';
import { Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { createContext, Suspense, useContext, useEffect, useMemo, useState } from 'react';
import { useStore } from 'zustand';
import { useMesh, useSession } from '../../app/mesh';
import { coversPage, hasCalls } from '../../state/callStore';
import { lazyPart } from '../../ui/lazyPart';
import { useShortcuts } from '../shortcuts/useShortcuts';
import { ConnectionBanner } from './ConnectionBanner';
import classes from './rooms.module.css';
import { Sidebar } from './Sidebar';

export const NARROW = '(max-width: 61.99em)';

const ShortcutList = lazyPart(() =>
  import('../shortcuts/ShortcutList').then((module) => module.ShortcutList),
);
const TransfersEverywhere = lazyPart(() =>
  import('../files/tray/Everywhere').then((module) => module.Everywhere),
);

const NewRoom = lazyPart(() => import('./NewRoom').then((module) => module.NewRoom));
const Palette = lazyPart(() => import('../palette/Palette').then((module) => module.Palette));
const CallLayer = lazyPart(() => import('../call/CallLayer').then((module) => module.CallLayer));

const Frame = createContext({ openRooms: () => {}, newRoom: () => {} });
/** Opens the list of rooms where it is not in sight, and what makes a new one. */
export const useFrame = () => useContext(Frame);

export function Shell() {
  const { t } = useLingui();
  const narrow = useMediaQuery(NARROW, window.matchMedia(NARROW).matches, { getInitialValueInEffect: false });
  const [opened, drawer] = useDisclosure(false);
  const [listing, list] = useDisclosure(false);
  const [finding, palette] = useDisclosure(false);
  const [creating, newRoom] = useDisclosure(false);
  const phase = useSession((state) => state.phase);
  const transferring = useStore(useMesh().transfers, (state) => Object.keys(state.transfers).length > 0);
  // Once there: who clears the last one away goes on looking at the list.
  const [transferred, setTransferred] = useState(transferring);
  if (transferring && !transferred) setTransferred(true);
  const calls = useStore(useMesh().calls, hasCalls);
  // What a call covers takes neither keys nor touches.
  const covered = useStore(useMesh().calls, coversPage);
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const ended = useSession((state) => state.ended);

  useEffect(() => {
    if (phase !== 'out') return;
    // Whoever was signed out against their will comes back to where they were.
    const { pathname: here } = window.location;
    void navigate({ to: '/login', search: ended && here !== '/login' ? { next: here } : {}, replace: true });
  }, [phase, ended, navigate]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: every change of the address closes the drawer
  useEffect(() => drawer.close(), [pathname]);

  const frame = useMemo(
    () => ({ openRooms: drawer.open, newRoom: newRoom.open }),
    [drawer.open, newRoom.open],
  );
  // Two layers at once would both hold the keyboard.
  const openPalette = () => {
    drawer.close();
    palette.open();
  };

  useShortcuts((shortcut) => {
    if (shortcut.kind === 'palette') palette.open();
    else if (shortcut.kind === 'list') list.open();
    else return false;
    return true;
  });

  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#main">
        <Trans>Skip to the content</Trans>
      </a>
      {narrow ? (
        <Drawer
          opened={opened}
          onClose={drawer.close}
          size={288}
          padding={0}
          withCloseButton={false}
          attributes={{ content: { 'aria-label': t`Rooms` } }}
          classNames={{ body: classes.drawerBody, content: classes.drawerContent }}
        >
          <Sidebar onNewRoom={newRoom.open} onPalette={openPalette} />
        </Drawer>
      ) : (
        <Sidebar onNewRoom={newRoom.open} onPalette={palette.open} />
      )}
      <div className={classes.content}>
        <ConnectionBanner />
        <div className={classes.covered} inert={covered}>
          <Frame.Provider value={frame}>
            <Outlet />
          </Frame.Provider>
          {transferred && (
            <Suspense>
              <TransfersEverywhere />
            </Suspense>
          )}
        </div>
        {calls && (
          <Suspense>
            <CallLayer />
          </Suspense>
        )}
      </div>
      {creating && (
        <Suspense>
          <NewRoom onClose={newRoom.close} />
        </Suspense>
      )}
      {finding && (
        <Suspense>
          <Palette onClose={palette.close} onNewRoom={newRoom.open} onShortcuts={list.open} />
        </Suspense>
      )}
      {listing && (
        <Suspense>
          <ShortcutList onClose={list.close} />
        </Suspense>
      )}
    </div>
  );
}
