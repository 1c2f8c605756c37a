// What can go wrong at the provider and on the way back, where the server names it in the address.

import type { I18n, MessageDescriptor } from '@lingui/core';
import { msg } from '@lingui/core/macro';
import { useState } from 'react';
import { ApiError } from '../../lib/api';

const SENTENCES: Record<string, MessageDescriptor> = {
  OIDC_EXPIRED: msg`This sign-in was begun in another browser, or it took longer than ten minutes. Start again.`,
  OIDC_REFUSED: msg`The sign-in was called off. Start again, or sign in another way.`,
  OIDC_INVALID: msg`The answer of the sign-in provider was not accepted. Start again; if it stays so, tell the operator.`,
  OIDC_NO_ACCOUNT: msg`Nobody here signs in like this yet. Open an invitation, or sign in another way and link your account in the settings.`,
  OIDC_TAKEN: msg`That account belongs to somebody else here, or yours is linked with another one already.`,
  OIDC_UNAVAILABLE: msg`The sign-in provider does not answer. Try again later, or sign in another way.`,
};

/** A sentence for what only happens here. */
export function explainOidc(i18n: I18n, code: string): string | undefined {
  const known = SENTENCES[code];
  return known && i18n._(known);
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof ApiError ? error.code : undefined;
}

/** The code of what went wrong, as the way back leaves it in the address, which is tidied at once. */
export function useFailure(): string {
  const [code] = useState(() => takeCode());
  return code;
}

/** React may run an initialiser twice; the second run must find the same code. */
let taken: { path: string; code: string } | undefined;

function takeCode(): string {
  const { hash, pathname, search } = window.location;
  const code = /^#failed=([A-Z_]+)$/.exec(hash)?.[1];
  if (code) {
    taken = { path: pathname, code };
    window.history.replaceState(window.history.state, '', pathname + search);
  }
  return taken?.path === pathname ? taken.code : '';
}
