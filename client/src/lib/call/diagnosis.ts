// Tests what a call needs: what ICE finds through each of the servers that are configured, one by one.

const GATHER_MS = 8_000;

export interface Reach {
  /** Candidates of this device itself. */
  host: boolean;
  /** Its address as STUN sees it. */
  reflexive: boolean;
  /** A place at a relay. */
  relay: boolean;
  /** What the browser said that went wrong, e.g. `401 Unauthorized`. */
  errors: string[];
  /** The browser has looked at everything. It leaves out what STUN sees where that is an address of the device itself. */
  complete: boolean;
  /** The addresses of this device as STUN sees them, and which of its own each of them belongs to (RFC 8445, foundation). */
  seen: { of: string; as: string }[];
}

/** How this device is joined to the Internet, as far as a browser can see it. */
export type Place = 'open' | 'router' | 'symmetric' | 'shut';

/** STUN was asked and answered. */
export function answered({ host, reflexive, complete, errors }: Reach): boolean {
  return reflexive || (host && complete && errors.length === 0);
}

/** From what all STUN servers together see. One port that two of them see as two is one that each destination sees otherwise. */
export function placeOf(found: Reach): Place {
  if (!answered(found)) return 'shut';
  if (!found.reflexive) return 'open';
  const bases = found.seen.map(({ of }) => of);
  return new Set(bases).size < bases.length ? 'symmetric' : 'router';
}

export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

export type Way = 'stun' | 'turn-udp' | 'turn-tcp' | 'turn-tls';

/** What is asked at an address of a server, by its scheme and transport (RFC 7064, RFC 7065). */
function wayOf(url: string): Way | undefined {
  if (/^stuns?:/i.test(url)) return 'stun';
  if (/^turns:/i.test(url)) return 'turn-tls';
  if (!/^turn:/i.test(url)) return undefined;
  return /[?&]transport=tcp\b/i.test(url) ? 'turn-tcp' : 'turn-udp';
}

/** Every address of every server on its own. */
export function waysOf(servers: IceServer[]): { way: Way; server: IceServer & { urls: [string] } }[] {
  return servers.flatMap(({ urls, ...rest }) =>
    urls.flatMap((url) => {
      const way = wayOf(url);
      return way ? [{ way, server: { urls: [url] as [string], ...rest } }] : [];
    }),
  );
}

/** Gathers candidates with these servers and nothing else. */
export async function reach(iceServers: IceServer[], relayOnly = false): Promise<Reach> {
  const found: Reach = {
    host: false,
    reflexive: false,
    relay: false,
    errors: [],
    complete: false,
    seen: [],
  };
  const pc = new RTCPeerConnection({ iceServers, iceTransportPolicy: relayOnly ? 'relay' : 'all' });
  try {
    pc.createDataChannel('test');
    const done = new Promise<void>((resolve) => {
      const timer = window.setTimeout(resolve, GATHER_MS);
      pc.onicecandidate = ({ candidate }) => {
        if (candidate?.type === 'host') found.host = true;
        if (candidate?.type === 'srflx') {
          found.reflexive = true;
          const as = `${candidate.address}:${candidate.port}`;
          if (!found.seen.some((one) => one.as === as))
            found.seen.push({ of: candidate.foundation ?? '', as });
        }
        if (candidate?.type === 'relay') found.relay = true;
        if (!candidate) found.complete = true;
        if (!candidate || found.relay) {
          window.clearTimeout(timer);
          resolve();
        }
      };
      pc.onicecandidateerror = ({ errorCode, errorText }) => {
        const said = `${errorCode} ${errorText}`.trim();
        if (!found.errors.includes(said) && found.errors.length < 5) found.errors.push(said);
      };
    });
    await pc.setLocalDescription();
    await done;
  } finally {
    pc.close();
  }
  return found;
}
