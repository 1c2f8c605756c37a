// What the browser measures of one connection, as figures that a person can read.

import { type PathInfo, pathFrom } from '../path';

type Report = Record<string, unknown>;

export interface LinkStats {
  path?: PathInfo;
  /** Of what was sent to this page over the last interval, the part that did not arrive; 0 to 1. */
  loss?: number;
  /** Bytes per second, both ways together. */
  rate: number;
  framesDecoded: number;
}

interface Sample {
  at: number;
  received: number;
  lost: number;
  bytes: number;
}

const number = (report: Report, name: string) => {
  const value = report[name];
  return typeof value === 'number' ? value : 0;
};

/** Differences between one reading and the next. */
export class StatsReader {
  private before: Sample | undefined;

  async read(pc: RTCPeerConnection): Promise<LinkStats> {
    const reports = new Map<string, Report>();
    (await pc.getStats()).forEach((report: Report, id: string) => {
      reports.set(id, report);
    });
    return this.take(reports, performance.now());
  }

  take(reports: ReadonlyMap<string, Report>, at: number): LinkStats {
    const now: Sample = { at, received: 0, lost: 0, bytes: 0 };
    let framesDecoded = 0;
    for (const report of reports.values()) {
      if (report.type === 'inbound-rtp') {
        now.received += number(report, 'packetsReceived');
        now.lost += number(report, 'packetsLost');
        now.bytes += number(report, 'bytesReceived');
        framesDecoded += number(report, 'framesDecoded');
      } else if (report.type === 'outbound-rtp') {
        now.bytes += number(report, 'bytesSent');
      }
    }
    const { before } = this;
    this.before = now;
    const path = pathFrom(reports);
    const stats: LinkStats = { rate: 0, framesDecoded, ...(path ? { path } : {}) };
    if (!before || now.at <= before.at) return stats;
    // A replaced track may count from zero again.
    const received = Math.max(0, now.received - before.received);
    const lost = Math.max(0, now.lost - before.lost);
    stats.rate = Math.max(0, ((now.bytes - before.bytes) * 1000) / (now.at - before.at));
    if (received + lost > 0) stats.loss = lost / (received + lost);
    return stats;
  }
}
