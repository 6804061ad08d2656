import type { ErrorObject } from '../jsonrpc/messages.ts';

/** Which of the protocol's two dialects a service speaks. */
export type Dialect = 'deployed' | 'documented';

/** Where in a session's life an error came. */
export type Stage = 'opening' | 'execute' | 'control' | 'other';

/** Why a request was rejected, in words, and the dialect that its code betrays. */
export interface Rejection {
  reason: 'session limit' | 'not allowed' | 'already running' | 'no process' | 'invalid' | 'unknown method' | 'other';
  dialect?: Dialect;
}

/**
 * Classifies an error by where it came, its code and its message together, for the codes of the two dialects collide:
 * `-32001` is "not allowed" in the one and "session limit" in the other.
 */
export const classifyRejection = (stage: Stage, { code, message }: ErrorObject): Rejection => {
  if (stage === 'opening') {
    if (code === -32003) return { reason: 'session limit', dialect: 'deployed' };
    if (code === -32001) return { reason: 'session limit', dialect: 'documented' };
    return { reason: /limit/i.test(message) ? 'session limit' : 'other' };
  }
  if (/already running/i.test(message)) return { reason: 'already running' };
  if (stage === 'execute') {
    if (code === -32001) return { reason: 'not allowed', dialect: 'deployed' };
    if (code === -32002) return { reason: 'not allowed', dialect: 'documented' };
  }
  if (stage === 'control') {
    if (code === -32002) return { reason: 'no process', dialect: 'deployed' };
    if (code === -32003) return { reason: 'no process', dialect: 'documented' };
  }
  if (code === -32601) return { reason: 'unknown method' };
  if (code === -32602 || code === -32600) return { reason: 'invalid' };
  if (code === -32603 && /valid|param|required|type/i.test(message)) return { reason: 'invalid', dialect: 'deployed' };
  return { reason: 'other' };
};
