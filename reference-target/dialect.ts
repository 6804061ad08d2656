/** Name of one of the two forms of the protocol that clients meet. */
export type DialectName = 'deployed' | 'documented';

/** What differs between the service as it is deployed and as its documentation promises it. */
export interface Dialect {
  readonly name: DialectName;
  readonly codes: {
    readonly malformed: number;
    readonly invalidRequest: number;
    readonly unknownMethod: number;
    readonly invalidParams: number;
    readonly alreadyRunning: number;
    readonly notAllowed: number;
    readonly noProcess: number;
    readonly sessionLimit: number;
    readonly processLimit: number;
    readonly internal: number;
  };
  /** The status of a cancelled process, and the last part of its notification's method. */
  readonly cancelled: 'canceled' | 'cancelled';
  /** Whether a cancelled process is reported by `process.completed` when it has ended. */
  readonly completesAfterCancel: boolean;
  /**
   * Whether JSON-RPC 2.0 holds to the letter: `jsonrpc` is checked, notifications are never answered (§4.1), any id is
   * echoed, and a response whose id is not known carries null (§5). Otherwise such a response has no `id` member.
   */
  readonly strict: boolean;
}

/** Whether a text names a dialect. */
export const isDialectName = (name: string): name is DialectName => Object.hasOwn(dialects, name);

/** The dialects by name; the codes are those of the table in the protocol's description. */
export const dialects: Readonly<Record<DialectName, Dialect>> = {
  deployed: {
    name: 'deployed',
    codes: {
      malformed: -32603,
      invalidRequest: -32603,
      unknownMethod: -32601,
      invalidParams: -32603,
      alreadyRunning: -32602,
      notAllowed: -32001,
      noProcess: -32002,
      sessionLimit: -32003,
      processLimit: -32000,
      internal: -32603,
    },
    cancelled: 'canceled',
    completesAfterCancel: false,
    strict: false,
  },
  documented: {
    name: 'documented',
    codes: {
      malformed: -32700,
      invalidRequest: -32600,
      unknownMethod: -32601,
      invalidParams: -32602,
      alreadyRunning: -32602,
      notAllowed: -32002,
      noProcess: -32003,
      sessionLimit: -32001,
      processLimit: -32000,
      internal: -32603,
    },
    cancelled: 'cancelled',
    completesAfterCancel: true,
    strict: true,
  },
};
