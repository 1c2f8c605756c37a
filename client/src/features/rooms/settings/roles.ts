// What a role is called, and who decides about whom: as the server sees it (docs/protocol.md, section 3).

import type { MessageDescriptor } from '@lingui/core';
import { msg } from '@lingui/core/macro';
import type { Role } from '../../../protocol/rest';

export const ROLES: Role[] = ['owner', 'moderator', 'member', 'guest'];

export const ROLE_NAMES: Record<Role, MessageDescriptor> = {
  owner: msg`Owner`,
  moderator: msg`Moderator`,
  member: msg`Member`,
  guest: msg`Guest`,
};

export function outranks(role: Role, other: Role): boolean {
  return role === 'owner' || (role === 'moderator' && (other === 'member' || other === 'guest'));
}
