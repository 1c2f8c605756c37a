// Somebody typed into a terminal that they only watch: the banner of that terminal answers with a nudge.

const listeners = new Set<(sessionId: string) => void>();

export function reportRefusedInput(sessionId: string): void {
  for (const listener of listeners) listener(sessionId);
}

export function onRefusedInput(listener: (sessionId: string) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
