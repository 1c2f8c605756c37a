// How a connection goes, as the browser tells it.

export interface PathInfo {
  /** `server`: what passes can be read there. */
  kind: 'direct' | 'relayed' | 'server';
  /** Round trip in milliseconds, where the browser knows it. */
  rttMs?: number;
}

type Report = Record<string, unknown>;

/** Direct unless either end of the pair in use is a relay. */
export async function readPath(pc: RTCPeerConnection): Promise<PathInfo | undefined> {
  const reports = new Map<string, Report>();
  (await pc.getStats()).forEach((report: Report, id: string) => {
    reports.set(id, report);
  });
  return pathFrom(reports);
}

export function pathFrom(reports: ReadonlyMap<string, Report>): PathInfo | undefined {
  const all = [...reports.values()];
  const transport = all.find((report) => report.type === 'transport' && report.selectedCandidatePairId);
  const pair =
    reports.get(String(transport?.selectedCandidatePairId)) ??
    all.find(
      (report) => report.type === 'candidate-pair' && report.state === 'succeeded' && report.nominated,
    );
  if (!pair) return undefined;
  const types = [pair.localCandidateId, pair.remoteCandidateId].map(
    (id) => reports.get(String(id))?.candidateType,
  );
  const rtt = pair.currentRoundTripTime;
  return {
    kind: types.includes('relay') ? 'relayed' : 'direct',
    ...(typeof rtt === 'number' ? { rttMs: rtt * 1000 } : {}),
  };
}
