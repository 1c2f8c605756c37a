// The ways in and the OpenID provider (docs/protocol.md, section 1), loaded with the pages that need them.

import type { Api } from '../../lib/api';
import { boolean, nullable, object, string, withDefault } from '../../protocol/decode';
import type { StartOidc } from '../../protocol/generated/StartOidc';
import { ok } from '../../protocol/rest';

const methods = object({
  local: boolean,
  oidc: nullable(object({ name: string, register: boolean })),
});
const redirect = object({ url: string });
const linked = object({ oidc: withDefault(boolean, false) });

export function oidcApi({ call }: Api) {
  return {
    methods: () => call('GET', '/auth/methods', methods),
    start: (what: StartOidc) => call('POST', '/auth/oidc/start', redirect, what),
    isLinked: () => call('GET', '/me', linked).then((me) => me.oidc),
    unlink: () => call('DELETE', '/auth/oidc/link', ok),
  };
}
