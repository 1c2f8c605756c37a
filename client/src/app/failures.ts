// Sentences for what can go wrong: the code decides, so that they come in the reader's language; the server's own words
// stand in where a code is new. Each says what to do next.

import type { I18n, MessageDescriptor } from '@lingui/core';
import { msg } from '@lingui/core/macro';
import { ApiError } from '../lib/api';
import { SignalError } from '../lib/ws';

const SENTENCES: Record<string, MessageDescriptor> = {
  NETWORK: msg`The server cannot be reached. Check your connection, then try again.`,
  UNREADABLE: msg`The server gave an answer that this page cannot read. Reload the page.`,
  OFFLINE: msg`Not connected to the server right now. It works again as soon as the connection is back.`,
  TIMEOUT: msg`The server did not answer in time. Try again.`,
  UNAUTHENTICATED: msg`Your session has ended. Sign in again.`,
  WRONG_CREDENTIALS: msg`Name or password is wrong.`,
  LOCAL_LOGIN_OFF: msg`This server takes no passwords. Use a sign-in link, or go on with a device that is signed in.`,
  CODE_INVALID: msg`No device shows this code, or its five minutes are over. Compare it with the device, or start there again.`,
  LINK_INVALID: msg`This link is wrong, used or expired. Ask for a new one.`,
  FORBIDDEN: msg`You may not do this. Ask the owner of the room.`,
  ORIGIN_REFUSED: msg`The server does not accept this address of the page. Open it at its public address.`,
  CAP_NOT_ALLOWED: msg`Your role in this room does not allow this, or the other side has just left.`,
  CAP_REQUIRED: msg`The server did not accept the permission for this. Try again.`,
  CAP_EXPIRED: msg`The permission ran out before it was used. Try again.`,
  ROOM_NOT_FOUND: msg`There is no such room, or you are not a member of it.`,
  INVITE_INVALID: msg`This invitation is unknown, expired or used up. Ask for a new one.`,
  ROOM_LOCKED: msg`This room is locked. Ask an owner or moderator to unlock it, then try again.`,
  BANNED: msg`You were banned from this room. Ask an owner or moderator to lift it.`,
  IN_LOBBY: msg`An owner or moderator has to let you in. This page goes on by itself.`,
  NOT_ADMITTED: msg`You were not let in. Ask for a new invitation.`,
  NAME_TAKEN: msg`This name is taken. Choose another one.`,
  SETUP_DONE: msg`Mesh is set up already. Sign in instead.`,
  THROTTLED: msg`Too many attempts. Wait a moment, then try again.`,
  RATE_LIMITED: msg`That was too fast. Wait a moment, then try again.`,
  STORE_UNAVAILABLE: msg`The server cannot store anything right now. Nothing was changed; try again later.`,
  UNROUTABLE: msg`The other side has just left the room.`,
  NO_WEBRTC: msg`This browser cannot make direct connections (WebRTC is missing or switched off).`,
  declined: msg`The other side said no.`,
  busy: msg`The other side is busy. Try again later.`,
  timeout: msg`Nobody answered in time. Try again.`,
  cancelled: msg`It was called off.`,
  taken: msg`Another device has accepted it.`,
  unsupported: msg`The other side cannot do this.`,
  failed: msg`It failed at the other side.`,
  gone: msg`The other side has left the room.`,
  DONE: msg`The other side ended it.`,
  STOPPED: msg`Its owner stopped sharing.`,
  CAP_REFUSED: msg`The two devices could not prove who they are to each other. Try again; if it stays so, tell the operator.`,
  REVOKED: msg`The permission was taken back.`,
  LEASE_LAPSED: msg`The permission was not renewed in time, probably after a lost connection. Open it again.`,
  HELLO_TIMEOUT: msg`The other side did not identify itself in time. Try again.`,
  PROTOCOL: msg`The other side sent something that does not belong here. Update both sides, then try again.`,
  CONNECTION: msg`The direct connection was lost or could not be made. Check both networks, then try again.`,
  RELOADED: msg`This page was loaded anew. Choose the same files again: what has arrived is not sent twice.`,
  OTHER_FILES: msg`These are not the same files. Choose those that were sent, or send others anew.`,
  SOURCE_CHANGED: msg`The file changed while it was sent. Send it again.`,
  SOURCE_GONE: msg`The file can no longer be read. Choose it again.`,
  HASH_MISMATCH: msg`The content did not match its BLAKE3 hash; nothing was kept. Ask for it again.`,
  DISK_FULL: msg`There is not enough room on the receiving device. Free some, then try again.`,
  BAD_PATH: msg`A file name is not safe on every system and was refused. Rename it, then send it again.`,
  TOO_LARGE: msg`More was sent than was offered, or than fits here.`,
  CANCELLED: msg`It was called off.`,
  IO: msg`Reading or writing failed.`,
  EXIT: msg`The shell has ended.`,
};

export function explain(i18n: I18n, failure: { code: string; detail: string }): string {
  const known = SENTENCES[failure.code];
  return known ? i18n._(known) : failure.detail || failure.code;
}

export function explainError(i18n: I18n, error: unknown): string {
  if (error instanceof ApiError || error instanceof SignalError)
    return explain(i18n, { code: error.code, detail: error.message });
  return error instanceof Error ? error.message : String(error);
}
