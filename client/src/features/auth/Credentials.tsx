import { useLingui } from '@lingui/react/macro';
import { Button, PasswordInput, Stack } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { explainError } from '../../app/failures';
import { NameInput } from '../../ui/NameInput';
import { Problem } from '../../ui/Problem';

export interface CredentialsValue {
  username: string;
  password: string;
}

export const MIN_PASSWORD_CHARS = 10;

/** Name and password. `fresh` chooses them (sign-up), otherwise they exist. */
export function Credentials(props: {
  fresh?: boolean;
  action: ReactNode;
  busy: boolean;
  error: unknown;
  onSubmit: (value: CredentialsValue) => void;
}) {
  const { t, i18n } = useLingui();
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [tooShort, setTooShort] = useState(false);

  function submit(event: FormEvent) {
    event.preventDefault();
    const short = props.fresh === true && password.length < MIN_PASSWORD_CHARS;
    setTooShort(short);
    if (!short) props.onSubmit({ username: username.trim(), password });
  }

  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Problem>{props.error ? explainError(i18n, props.error) : null}</Problem>
        <NameInput as="username" autoFocus value={username} onChange={setUsername} />
        <PasswordInput
          label={t`Password`}
          name="password"
          autoComplete={props.fresh ? 'new-password' : 'current-password'}
          required
          withAsterisk={false}
          description={
            props.fresh
              ? t`At least ${MIN_PASSWORD_CHARS} characters. A short sentence is easy to remember.`
              : undefined
          }
          error={tooShort ? t`Use at least ${MIN_PASSWORD_CHARS} characters.` : undefined}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button type="submit" size="md" fullWidth loading={props.busy} mt={4}>
          {props.action}
        </Button>
      </Stack>
    </form>
  );
}
