// Tests what a call needs, one thing after the other, and says in plain words what is wrong.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Loader, Modal, Stack, Text } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck, IconCircleMinus } from '@tabler/icons-react';
import { useQueries, useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useMesh, useSession } from '../../app/mesh';
import { faultOf, openCamera, openMicrophone, storedChoice } from '../../lib/call/devices';
import { answered, placeOf, type Reach, reach, type Way, waysOf } from '../../lib/call/diagnosis';
import classes from './call.module.css';
import { explainCall } from './sentences';

const KEY = ['call', 'diagnosis'];
const WAYS: Way[] = ['stun', 'turn-udp', 'turn-tcp', 'turn-tls'];

export function Diagnosis({ onClose }: { onClose: () => void }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const online = useSession((state) => state.connection.status === 'online');
  const device = (kind: 'microphone' | 'camera') => ({
    queryKey: [...KEY, kind],
    queryFn: async (): Promise<{ label?: string; fault?: string }> => {
      try {
        const track = await (kind === 'microphone' ? openMicrophone : openCamera)(storedChoice());
        track.stop();
        return { label: track.label };
      } catch (error) {
        return { fault: faultOf(error) };
      }
    },
    gcTime: 0,
    retry: false,
  });
  const [microphone, camera] = useQueries({ queries: [device('microphone'), device('camera')] });
  const servers = useQuery({
    queryKey: [...KEY, 'ice'],
    queryFn: () => mesh.api.ice(),
    gcTime: 0,
    retry: false,
  });
  const ways = waysOf(servers.data?.ice_servers ?? []);
  const tests = useQueries({
    queries: ways.map(({ way, server }) => ({
      queryKey: [...KEY, server.urls[0]],
      queryFn: () => reach([server], way !== 'stun'),
      gcTime: 0,
      retry: false,
    })),
  });
  const local = useQuery({ queryKey: [...KEY, 'host'], queryFn: () => reach([]), gcTime: 0, retry: false });
  const stuns = ways.flatMap(({ way, server }) => (way === 'stun' ? [server] : []));
  const around = useQuery({
    queryKey: [...KEY, 'around'],
    queryFn: () => reach(stuns),
    enabled: stuns.length > 0,
    gcTime: 0,
    retry: false,
  });

  const names: Record<Way, string> = {
    stun: t`STUN: your address as others see it`,
    'turn-udp': t`Relay over UDP`,
    'turn-tcp': t`Relay over TCP`,
    'turn-tls': t`Relay over TLS`,
  };
  const missing: Record<Way, string> = {
    stun: t`No STUN server is configured: calls work within one network. The operator sets STUN_URL.`,
    'turn-udp': t`None is configured: strict firewalls stop calls. The operator sets TURN_URL.`,
    'turn-tcp': t`None is configured: networks without UDP stop calls. The operator adds ?transport=tcp to TURN_URL.`,
    'turn-tls': t`None is configured: networks that pass only https stop calls. The operator adds turns: to TURN_URL.`,
  };
  const wrong = (way: Way, found: Reach | undefined) => {
    const said = found?.errors.join('; ');
    if (found?.errors.some((error) => error.startsWith('401')))
      return t`The relay refused the name and password that the server gave (${said}). The operator compares TURN_SECRET at both.`;
    const hint =
      way === 'stun'
        ? t`No answer. A firewall may stop UDP, or the address of the server is wrong.`
        : way === 'turn-tls'
          ? t`No answer. Its certificate may have expired, or a firewall stops it.`
          : t`No answer. A firewall may stop it, or the relay does not run.`;
    return said ? `${hint} (${said})` : hint;
  };

  const relays = tests.filter((_, index) => ways[index]?.way !== 'stun');
  const verdict = (): Omit<RowProps, 'name'> => {
    const pending = servers.isPending || around.isLoading || relays.some(({ isPending }) => isPending);
    if (pending || !around.data) return { pending, good: undefined, detail: missing.stun };
    const relay = relays.some(({ data }) => data?.relay);
    const place = placeOf(around.data);
    if (place === 'open')
      return { pending, good: true, detail: t`Direct: nothing stands between this device and the others.` };
    if (place === 'router')
      return {
        pending,
        good: true,
        detail: relay
          ? t`This device is behind a router. Calls are direct where the other side lets that come about, else they go through the relay.`
          : t`This device is behind a router. Calls are direct where the other side lets that come about; there is no relay where it does not.`,
      };
    if (place === 'symmetric')
      return {
        pending,
        good: relay,
        detail: relay
          ? t`This device is behind a router that shows everybody another port. Calls to others behind routers go through the relay.`
          : t`This device is behind a router that shows everybody another port, and no relay is reached: calls to others behind routers do not come about.`,
      };
    return {
      pending,
      good: relay,
      detail: relay
        ? t`No UDP comes through this network. Calls go through the relay over TCP, which is slower.`
        : t`No UDP comes through this network, and no relay is reached: only who is in the same network can be called.`,
    };
  };

  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={<Trans>What a call needs</Trans>}
      closeButtonProps={{ 'aria-label': t`Close` }}
    >
      <Stack gap="xs">
        <ul className={classes.tests}>
          <Row
            name={t`Microphone`}
            pending={microphone.isPending}
            good={microphone.data?.fault === undefined}
            detail={
              microphone.data?.fault
                ? explainCall(i18n, { code: microphone.data.fault, detail: '' })
                : microphone.data?.label
            }
          />
          <Row
            name={t`Camera`}
            pending={camera.isPending}
            good={camera.data?.fault === undefined}
            detail={
              camera.data?.fault
                ? explainCall(i18n, { code: camera.data.fault, detail: '' })
                : camera.data?.label
            }
          />
          <Row
            name={t`Connection to the server (WebSocket)`}
            pending={false}
            good={online}
            detail={
              online
                ? t`It stands.`
                : t`It is lost. A proxy that does not pass WebSockets on may be in the way.`
            }
          />
          <Row
            name={t`Direct connections (WebRTC)`}
            pending={local.isPending}
            good={local.data?.host ?? false}
            detail={
              local.data?.host
                ? t`This browser can make them.`
                : t`The browser finds no network to offer. An extension or a policy may have switched WebRTC off.`
            }
          />
          {WAYS.map((way) => {
            const of = ways.flatMap((one, index) =>
              one.way === way ? [{ ...one, test: tests[index] }] : [],
            );
            if (of.length === 0)
              return (
                <Row
                  key={way}
                  name={names[way]}
                  pending={servers.isPending}
                  good={undefined}
                  detail={servers.error ? t`The server did not say which there are.` : missing[way]}
                />
              );
            return of.map(({ server, test }) => {
              const good = way === 'stun' ? test?.data && answered(test.data) : test?.data?.relay;
              const [url] = server.urls;
              return (
                <Row
                  key={url}
                  name={names[way]}
                  pending={test?.isPending ?? true}
                  good={good ?? false}
                  detail={good ? t`It works: ${url}` : `${url}: ${wrong(way, test?.data)}`}
                />
              );
            });
          })}
          <Row name={t`The way to others`} {...verdict()} />
        </ul>
        <Button onClick={onClose} style={{ alignSelf: 'flex-end' }}>
          <Trans>Done</Trans>
        </Button>
      </Stack>
    </Modal>
  );
}

interface RowProps {
  name: string;
  pending: boolean;
  /** Undefined: there is nothing to test. */
  good: boolean | undefined;
  detail: ReactNode;
}

function Row({ name, pending, good, detail }: RowProps) {
  const { t } = useLingui();
  const state = pending ? t`being tested` : good === undefined ? t`not there` : good ? t`good` : t`wrong`;
  return (
    <li className={classes.test}>
      <span
        className={classes.testIcon}
        data-state={pending ? 'pending' : good === undefined ? 'none' : good ? 'good' : 'wrong'}
      >
        {pending ? (
          <Loader size={18} aria-hidden="true" />
        ) : good === undefined ? (
          <IconCircleMinus size={20} aria-hidden="true" />
        ) : good ? (
          <IconCircleCheck size={20} aria-hidden="true" />
        ) : (
          <IconAlertTriangle size={20} aria-hidden="true" />
        )}
      </span>
      <div>
        <Text size="sm" fw={560}>
          {name} <span className="visually-hidden">: {state}</span>
        </Text>
        {!pending && (
          <Text size="sm" c="dimmed">
            {detail}
          </Text>
        )}
      </div>
    </li>
  );
}
