import { useState } from 'react';

/**
 * The token of a link. It stands in the fragment, which never reaches a server or its logs, and is taken out of the
 * address at once, so that it does not stay in the history either.
 */
export function useFragmentToken(): string | undefined {
  const [token] = useState(() => takeToken());
  return token;
}

/** React may run an initialiser twice; the second run must find the same token. */
let taken: { path: string; token: string } | undefined;

function takeToken(): string | undefined {
  const { pathname, hash, search } = window.location;
  const token = new URLSearchParams(hash.slice(1)).get('token') ?? undefined;
  if (token) {
    taken = { path: pathname, token };
    window.history.replaceState(window.history.state, '', pathname + search);
  }
  return taken?.path === pathname ? taken.token : undefined;
}
