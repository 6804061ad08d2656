/** The two forms of the protocol that clients meet. */
export type DialectName = 'deployed' | 'documented';

/** The differences between the deployed service and its documentation. */
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
  /** The status of a cancelled process, also the last part of its notification's method. */
  readonly cancelled: 'canceled' | 'cancelled';
  /** Whether `process.completed` also reports the end of a cancelled process. */
  readonly completesAfterCancel: boolean;
  /**
   * Whether the target follows JSON-RPC 2.0 to the letter: it checks `jsonrpc`, never answers notifications (§4.1), echoes any
   * id, and sends id null where the id is unknown (§5). Otherwise a response to an unknown id has no `id` member.
   */
  readonly strict: boolean;
}

export const isDialectName = (name: string): name is DialectName => Object.hasOwn(dialects, name);

/** The dialects by name; their codes are those of the table in the protocol's description. */
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
