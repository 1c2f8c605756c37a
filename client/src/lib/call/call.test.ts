import { describe, expect, it } from 'vitest';
import type { SignalEvent } from '../../protocol/signal';
import { faultOf } from './devices';
import { placeOf, type Reach, waysOf } from './diagnosis';
import { type Roster, rosterAfter } from './roster';
import { callLimits, MAX_PEOPLE, scaleFor, screenLimits } from './sharing';
import { SpeakerWatch } from './speaker';
import { StatsReader } from './stats';
import { fitted, panBy, pictureAt, WHOLE, zoomAt } from './zoom';

describe('what is sent to each', () => {
  it('never asks for more than the budget, however many there are', () => {
    for (let others = 1; others < MAX_PEOPLE; others++) {
      const { videoBitrate, height } = callLimits(others);
      expect(videoBitrate * others).toBeLessThanOrEqual(2_400_000);
      expect(height).toBeGreaterThanOrEqual(180);
    }
    expect(callLimits(1).videoBitrate).toBe(1_500_000);
    expect(callLimits(1).height).toBe(720);
    expect(callLimits(3).height).toBe(360);
    expect(callLimits(7).videoBitrate).toBeLessThan(callLimits(2).videoBitrate);
  });

  it('makes a picture smaller, and never larger', () => {
    expect(scaleFor(720, 360)).toBe(2);
    expect(scaleFor(240, 360)).toBe(1);
    expect(scaleFor(undefined, 360)).toBe(1);
  });

  it('keeps what the mode of a screen is for', () => {
    expect(screenLimits(1, 'detail')).toMatchObject({ prefer: 'resolution', height: 2160 });
    expect(screenLimits(4, 'motion')).toMatchObject({
      prefer: 'framerate',
      frameRate: 30,
      videoBitrate: 1_500_000,
    });
  });
});

describe('who speaks', () => {
  const levels = (entries: Record<string, number>) => new Map(Object.entries(entries));

  it('takes the first voice at once, and a louder one only when it lasts', () => {
    const watch = new SpeakerWatch();
    expect(watch.take(levels({ a: 0, b: 0 }), 0)).toBeUndefined();
    expect(watch.take(levels({ a: 0.3, b: 0 }), 200)).toBe('a');
    expect(watch.take(levels({ a: 0, b: 0.6 }), 400)).toBe('a');
    for (let at = 600; at < 1_000; at += 200) expect(watch.take(levels({ a: 0, b: 0.6 }), at)).toBe('a');
    for (let at = 1_000; at < 1_600; at += 200) watch.take(levels({ a: 0, b: 0.6 }), at);
    expect(watch.take(levels({ a: 0, b: 0.6 }), 1_600)).toBe('b');
    // Silence changes nothing.
    for (let at = 1_800; at < 5_000; at += 200) expect(watch.take(levels({ a: 0, b: 0 }), at)).toBe('b');
  });

  it('forgets who left', () => {
    const watch = new SpeakerWatch();
    watch.take(levels({ a: 0.5 }), 0);
    expect(watch.take(levels({ b: 0 }), 200)).toBeUndefined();
  });
});

describe('who is in a call', () => {
  const event = (type: string, from: string, payload: object) =>
    ({ type, id: 'e', from, payload }) as SignalEvent;
  const none = () => false;
  const run = (...events: SignalEvent[]) =>
    events.reduce<Roster>((roster, one) => rosterAfter(roster, one, none), {});
  const at = { room_id: 'r', session_id: 's' };

  it('knows who asks for it, says to be in it, and leaves', () => {
    const both = run(event('call.request', 'a', at), event('call.accept', 'b', { ...at, target: 'me' }));
    expect(both).toEqual({ r: { sessionId: 's', peers: ['a', 'b'] } });
    expect(rosterAfter(both, event('call.end', 'a', at), none)).toEqual({
      r: { sessionId: 's', peers: ['b'] },
    });
    const left = rosterAfter(both, event('room.left', 'server', { room_id: 'r', peer_id: 'a' }), none);
    expect(rosterAfter(left, event('call.end', 'b', at), none)).toEqual({});
  });

  it('shows nobody a call that is between two', () => {
    expect(run(event('call.request', 'a', { ...at, target: 'me' }))).toEqual({});
    expect(rosterAfter({}, event('call.accept', 'b', { ...at, target: 'me' }), () => true)).toEqual({});
  });

  it('lets a second call not push out the one that goes on', () => {
    const one = run(event('call.request', 'a', at));
    expect(rosterAfter(one, event('call.request', 'x', { ...at, session_id: 'other' }), none)).toBe(one);
    expect(rosterAfter(one, event('call.end', 'a', { ...at, session_id: 'other' }), none)).toBe(one);
  });
});

describe('figures of a connection', () => {
  const reports = (received: number, lost: number, bytes: number) =>
    new Map<string, Record<string, unknown>>([
      [
        'in',
        {
          type: 'inbound-rtp',
          packetsReceived: received,
          packetsLost: lost,
          bytesReceived: bytes,
          framesDecoded: 7,
        },
      ],
      ['out', { type: 'outbound-rtp', bytesSent: bytes }],
    ]);

  it('are those of the last interval', () => {
    const reader = new StatsReader();
    expect(reader.take(reports(100, 100, 1_000), 0)).toEqual({ rate: 0, framesDecoded: 7 });
    expect(reader.take(reports(190, 110, 2_000), 2_000)).toEqual({
      rate: 1_000,
      loss: 0.1,
      framesDecoded: 7,
    });
    // Counters that begin anew are no gain and no loss.
    expect(reader.take(reports(0, 0, 0), 4_000)).toMatchObject({ rate: 0 });
  });
});

describe('a screen looked at closely', () => {
  const box = { width: 200, height: 100 };

  it('keeps the place under the finger, and never leaves its box', () => {
    const zoomed = zoomAt(WHOLE, 2, { x: 0.25, y: 0 });
    expect(zoomed).toEqual({ scale: 2, x: -0.25, y: 0 });
    expect(panBy(zoomed, -5, 5)).toEqual({ scale: 2, x: -0.5, y: 0.5 });
    expect(zoomAt(zoomed, 0.01)).toEqual(WHOLE);
    expect(zoomAt(WHOLE, 100).scale).toBe(8);
  });

  it('knows what in the picture is pointed at', () => {
    const square = { width: 50, height: 50 };
    expect(fitted(box, square)).toEqual({ left: 50, top: 0, width: 100, height: 100 });
    expect(pictureAt(box, square, WHOLE, { x: 0.5, y: 0.25 })).toEqual({ x: 0.5, y: 0.25 });
    expect(pictureAt(box, square, WHOLE, { x: 0.1, y: 0.5 })).toBeUndefined();
    expect(pictureAt(box, square, { scale: 2, x: 0, y: 0 }, { x: 0.75, y: 0.5 })).toEqual({
      x: 0.75,
      y: 0.5,
    });
  });
});

describe('what goes wrong', () => {
  it('has a name for every way in which a device is refused', () => {
    const named = (name: string) => faultOf(new DOMException('', name));
    expect(named('NotFoundError')).toBe('NO_DEVICE');
    expect(named('NotAllowedError')).toBe('MEDIA_DENIED');
    expect(named('NotReadableError')).toBe('DEVICE_BUSY');
    expect(named('NotSupportedError')).toBe('NO_MEDIA');
  });

  it('tells what a device is behind from how it is seen', () => {
    const found: Reach = {
      host: true,
      reflexive: false,
      relay: false,
      errors: [],
      complete: true,
      seen: [],
    };
    const seenAs = (...ports: number[]): Reach => ({
      ...found,
      reflexive: true,
      seen: ports.map((port) => ({ of: '1', as: `9.9.9.9:${port}` })),
    });
    expect(placeOf(found)).toBe('open');
    expect(placeOf({ ...found, errors: ['701 STUN binding request timed out.'] })).toBe('shut');
    expect(placeOf({ ...found, complete: false })).toBe('shut');
    expect(placeOf(seenAs(7000))).toBe('router');
    expect(placeOf(seenAs(7000, 7001))).toBe('symmetric');
    const both = seenAs(7000, 7001);
    expect(placeOf({ ...both, seen: both.seen.map((one, of) => ({ ...one, of: `${of}` })) })).toBe('router');
  });

  it('is looked for at each address of each server', () => {
    const turn = { urls: ['turn:t', 'turn:t?transport=tcp', 'turns:t:443'], username: 'u', credential: 'c' };
    const ways = waysOf([{ urls: ['stun:s', 'http:no'] }, turn]);
    expect(ways.map(({ way }) => way)).toEqual(['stun', 'turn-udp', 'turn-tcp', 'turn-tls']);
    expect(ways[2]?.server).toEqual({ urls: ['turn:t?transport=tcp'], username: 'u', credential: 'c' });
  });
});
