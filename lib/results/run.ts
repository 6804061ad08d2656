/** Who a run is, in its output, records and results. */
export interface RunIdentity {
  id: string;
  /** `WEBSOCKET_STRESS_<date>_<time>`, in UTC. */
  marker: string;
  test: string;
  /** ISO 8601, in UTC. */
  startedAt: string;
}

/** The marker for a time in milliseconds since 1970, such as `WEBSOCKET_STRESS_20250625_143000` (UTC). */
export const runMarker = (epochMs: number): string => {
  const digits = new Date(epochMs).toISOString().replaceAll(/[-:]/g, '');
  return `WEBSOCKET_STRESS_${digits.slice(0, 8)}_${digits.slice(9, 15)}`;
};

const randomId = (): string =>
  Math.floor(Math.random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0');

/** A run that begins now; its id is random where none is given. */
export const runOf = (id: string | undefined, test: string): RunIdentity => {
  const nowMs = Date.now();
  return { id: id ?? randomId(), marker: runMarker(nowMs), test, startedAt: new Date(nowMs).toISOString() };
};
