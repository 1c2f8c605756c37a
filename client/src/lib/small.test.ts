import { describe, expect, it, vi } from 'vitest';
import { ApiError, createApi, deviceName } from './api';
import { formatBytes, formatDay, formatDuration } from './format';
import { safeHref, splitLinks } from './links';
import { pathFrom } from './path';
import { RateMeter } from './rate';
import { fingerprintOf } from './rtc';

describe('links', () => {
  it('are found in text, without the punctuation around them', () => {
    expect(splitLinks('see https://a.example/x_(y), or (http://b.example).')).toEqual([
      { text: 'see ' },
      { text: 'https://a.example/x_(y)', href: 'https://a.example/x_(y)' },
      { text: ', or (' },
      { text: 'http://b.example', href: 'http://b.example/' },
      { text: ').' },
    ]);
  });

  it.each(['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'vbscript:x', '//x'])(
    '%s is no link',
    (text) => {
      expect(safeHref(text)).toBeUndefined();
      expect(splitLinks(text)).toEqual([{ text }]);
    },
  );
});

describe('numbers', () => {
  it('of bytes in both languages', () => {
    expect(formatBytes(0, 'en')).toBe('0 B');
    expect(formatBytes(1_234_567_890, 'en')).toBe('1.2 GB');
    expect(formatBytes(1500, 'fr')).toBe('1,5 ko');
    expect(formatBytes(999_950, 'en')).toBe('1.0 MB');
  });

  it('of time', () => {
    expect([0.2, 59.4, 80, 3600, 7_500].map(formatDuration)).toEqual([
      '1 s',
      '59 s',
      '1 min 20 s',
      '1 h 0 min',
      '2 h 5 min',
    ]);
    const now = new Date(2026, 4, 20, 12).getTime();
    expect(formatDay(now, 'en', now)).toBe('Today');
    expect(formatDay(now - 86_400_000, 'fr', now)).toBe('Hier');
  });

  it('of a rate, over the last seconds only', () => {
    const meter = new RateMeter();
    meter.add(0, 0);
    expect(meter.add(1000, 1000)).toBe(1000);
    meter.add(1000, 20_000);
    expect(meter.add(3000, 21_000)).toBe(2000);
  });
});

describe('a description', () => {
  it('has exactly one fingerprint', () => {
    expect(
      fingerprintOf('v=0\r\na=fingerprint:SHA-256 ab:cd\r\nm=x\r\na=fingerprint:sha-256 AB:CD\r\n'),
    ).toBe('sha-256 AB:CD');
    expect(() => fingerprintOf('a=fingerprint:sha-256 AB:CD\r\na=fingerprint:sha-256 EF:01\r\n')).toThrow();
    expect(() => fingerprintOf('v=0\r\n')).toThrow();
  });
});

describe('the path', () => {
  const reports = (local: string, remote: string) =>
    new Map<string, Record<string, unknown>>([
      ['t', { type: 'transport', selectedCandidatePairId: 'p' }],
      [
        'p',
        {
          type: 'candidate-pair',
          localCandidateId: 'l',
          remoteCandidateId: 'r',
          currentRoundTripTime: 0.0123,
        },
      ],
      ['l', { type: 'local-candidate', candidateType: local }],
      ['r', { type: 'remote-candidate', candidateType: remote }],
    ]);

  it('is relayed when either end uses a relay', () => {
    expect(pathFrom(reports('host', 'srflx'))).toEqual({ kind: 'direct', rttMs: 12.3 });
    expect(pathFrom(reports('host', 'relay'))?.kind).toBe('relayed');
    expect(pathFrom(reports('relay', 'host'))?.kind).toBe('relayed');
    expect(pathFrom(new Map())).toBeUndefined();
  });
});

describe('the REST client', () => {
  const answering = (status: number, body: string) => async () => new Response(body, { status });

  it('gives the code and the detail of a problem', async () => {
    const problem = JSON.stringify({ title: 'x', status: 429, detail: 'slow down', code: 'THROTTLED' });
    await expect(createApi(answering(429, problem)).me()).rejects.toMatchObject({
      code: 'THROTTLED',
      message: 'slow down',
    });
  });

  it('never shows the page of a proxy, and names a lost network', async () => {
    vi.spyOn(console, 'debug').mockImplementation(() => {});
    await expect(createApi(answering(502, '<html>Bad gateway')).me()).rejects.toMatchObject({
      code: 'UNKNOWN',
      status: 502,
    });
    const offline = createApi(async () => {
      throw new TypeError('failed');
    });
    await expect(offline.me()).rejects.toMatchObject({ code: 'NETWORK' });
    await expect(createApi(answering(200, '{"user_id":5}')).me()).rejects.toBeInstanceOf(ApiError);
  });

  it('says when the session is gone', async () => {
    let gone = 0;
    const body = JSON.stringify({ detail: 'x', code: 'UNAUTHENTICATED' });
    const api = createApi(answering(401, body), () => gone++);
    await api.me().catch(() => {});
    expect(gone).toBe(1);
  });

  it('names the device after browser and system', () => {
    expect(deviceName('Mozilla/5.0 (X11; Linux x86_64) Chrome/149.0 Safari/537.36')).toBe('Chrome (Linux)');
    expect(deviceName('Mozilla/5.0 (Macintosh; Intel Mac OS X 14.0; rv:140.0) Firefox/140.0')).toBe(
      'Firefox (macOS)',
    );
    expect(
      deviceName('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1'),
    ).toBe('Safari (iOS)');
  });
});
