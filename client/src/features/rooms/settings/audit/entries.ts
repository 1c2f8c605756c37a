// The record of a room, as the server gives it (docs/protocol.md, section 1). Apart from the other answers: only who
// opens it loads this.

import type { MessageDescriptor } from '@lingui/core';
import { msg } from '@lingui/core/macro';
import {
  array,
  count,
  type Decoded,
  id,
  lenientArray,
  object,
  optional,
  string,
} from '../../../../protocol/decode';
import type { AuditAct } from '../../../../protocol/generated';

const party = object({ user_id: id, name: string });
const entry = object({
  seq: count,
  at: count,
  act: string,
  actor: optional(party),
  capabilities: optional(array(string)),
  target: optional(party),
  detail: optional(string),
});
export type Entry = Decoded<typeof entry>;
export const auditPage = object({ entries: lenientArray(entry) });

export const ACT_NAMES: Record<AuditAct, MessageDescriptor> = {
  'capability.granted': msg`Permission given`,
  'capability.refused': msg`Permission refused`,
  'capability.used': msg`Permission used`,
  'capability.revoked': msg`Permission taken back`,
  'member.joined': msg`Came in`,
  'member.left': msg`Left`,
  'member.removed': msg`Removed`,
  'member.banned': msg`Banned`,
  'member.unbanned': msg`Ban lifted`,
  'member.role': msg`Role changed`,
  'lobby.admitted': msg`Let in`,
  'lobby.refused': msg`Not let in`,
  'room.changed': msg`Room settings changed`,
  'invite.created': msg`Invitation made`,
  'invite.revoked': msg`Invitation revoked`,
};

/** A later server may know acts that this page does not. */
export function isKnown(act: string): act is AuditAct {
  return Object.hasOwn(ACT_NAMES, act);
}

/** Everything as one file, one entry a line. */
export async function wholeRecord(roomId: string): Promise<Blob> {
  const response = await fetch(`/rooms/${encodeURIComponent(roomId)}/audit?format=ndjson`, {
    credentials: 'same-origin',
    cache: 'no-store',
    headers: { accept: 'application/x-ndjson' },
  });
  if (!response.ok) throw new Error(`${response.status}`);
  return response.blob();
}
