// Somebody's own Gotify and ntfy. Tokens go to the server and never come back.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Group, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import type { Preferences } from './api';
import type { Change } from './Choices';

interface Props {
  preferences: Preferences;
  change: Change;
}

export function Places(props: Props) {
  return (
    <>
      <Gotify {...props} />
      <Ntfy {...props} />
      {props.preferences.server_default && (
        <Text size="xs" c="dimmed">
          <Trans>Who names no place is told at the Gotify of this server, which its operator reads.</Trans>
        </Text>
      )}
    </>
  );
}

function Gotify({ preferences, change }: Props) {
  const { t } = useLingui();
  const set = preferences.gotify;
  const [url, setUrl] = useState(set?.url ?? '');
  const [token, setToken] = useState('');
  async function submit() {
    const gotify = { ...(url ? { url } : {}), ...(token ? { token } : {}) };
    if (await change({ gotify })) setToken('');
  }
  const remove = async () => {
    if (await change({ gotify: null })) setUrl('');
  };
  return (
    <Place title="Gotify" isSet={set !== undefined} submit={submit} remove={remove}>
      <TextInput
        label={t`Address of the Gotify`}
        type="url"
        placeholder="https://gotify.example.com"
        description={preferences.server_gotify ? t`Empty: the Gotify of this server.` : undefined}
        required={!preferences.server_gotify}
        withAsterisk={false}
        value={url}
        onChange={(event) => setUrl(event.currentTarget.value)}
      />
      <Token
        label={t`Token of an application`}
        isSet={set?.token_set}
        value={token}
        change={setToken}
        required
      />
    </Place>
  );
}

function Ntfy({ preferences, change }: Props) {
  const { t } = useLingui();
  const set = preferences.ntfy;
  const [url, setUrl] = useState(set?.url ?? '');
  const [topic, setTopic] = useState(set?.topic ?? '');
  const [token, setToken] = useState('');
  async function submit() {
    if (await change({ ntfy: { url, topic, ...(token ? { token } : {}) } })) setToken('');
  }
  const remove = async () => {
    if (!(await change({ ntfy: null }))) return;
    setUrl('');
    setTopic('');
  };
  return (
    <Place title="ntfy" isSet={set !== undefined} submit={submit} remove={remove}>
      <TextInput
        label={t`Address of the ntfy`}
        type="url"
        placeholder="https://ntfy.sh"
        required
        withAsterisk={false}
        value={url}
        onChange={(event) => setUrl(event.currentTarget.value)}
      />
      <TextInput
        label={t`Topic`}
        description={t`Whoever knows it can read it, unless your ntfy asks for a token: choose a long one.`}
        required
        withAsterisk={false}
        maxLength={64}
        pattern="[A-Za-z0-9_\-]+"
        value={topic}
        onChange={(event) => setTopic(event.currentTarget.value)}
      />
      <Token
        label={t`Access token, where the topic needs one`}
        isSet={set?.token_set}
        value={token}
        change={setToken}
      />
    </Place>
  );
}

interface PlaceProps {
  title: string;
  isSet: boolean;
  submit: () => void;
  remove: () => void;
  children: ReactNode;
}

function Place({ title, isSet, submit, remove, children }: PlaceProps) {
  const { t } = useLingui();
  return (
    <form
      aria-label={title}
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        submit();
      }}
    >
      <Stack gap="sm">
        <Title order={3} size="h5">
          {title}
        </Title>
        {children}
        <Group gap="sm">
          <Button type="submit" variant="default" aria-label={t`Save ${title}`}>
            <Trans>Save</Trans>
          </Button>
          {isSet && (
            <Button variant="subtle" color="red" aria-label={t`Remove ${title}`} onClick={remove}>
              <Trans>Remove</Trans>
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  );
}

interface TokenProps {
  label: string;
  isSet: boolean | undefined;
  value: string;
  change: (value: string) => void;
  required?: boolean;
}

function Token({ label, isSet, value, change, required = false }: TokenProps) {
  const { t } = useLingui();
  return (
    <PasswordInput
      label={label}
      autoComplete="off"
      placeholder={isSet ? t`Stored; enter one to replace it` : undefined}
      required={required && !isSet}
      withAsterisk={false}
      maxLength={256}
      value={value}
      onChange={(event) => change(event.currentTarget.value.trim())}
    />
  );
}
