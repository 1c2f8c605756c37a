import { useLingui } from '@lingui/react/macro';
import { TextInput, type TextInputProps } from '@mantine/core';

/** What someone is called: by an account with that name, or for once. */
export function NameInput({
  as,
  onChange,
  ...props
}: Pick<TextInputProps, 'description' | 'autoFocus'> & {
  as: 'username' | 'nickname';
  value: string;
  onChange: (name: string) => void;
}) {
  const { t } = useLingui();
  const ofAccount = as === 'username' && ({ autoCapitalize: 'none', spellCheck: false } as const);
  return (
    <TextInput
      label={t`Name`}
      name={as}
      autoComplete={as}
      {...ofAccount}
      required
      withAsterisk={false}
      maxLength={64}
      onChange={(event) => onChange(event.currentTarget.value)}
      {...props}
    />
  );
}
