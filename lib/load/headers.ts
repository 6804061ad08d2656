import { looksLikeToken } from '../text/token.ts';

/** Whether a text is a token (RFC 9110 §5.6.2), as the name of a header and a subprotocol are. */
export const isToken = (text: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text);

/** The header that asks for subprotocols, as the settings spell it whatever the user's case. */
export const subprotocolHeader = 'Sec-WebSocket-Protocol';

/** Whether the client sets a header of this name for each connection or message, so that no setting may. */
export const isReservedHeader = (name: string): boolean =>
  /^(?:upgrade|connection|content-length|transfer-encoding|trailer|sec-websocket-(?!protocol$).*)$/i.test(name);

/** A list of subprotocols (RFC 6455 §4.1), as it is sent; undefined where it is none. */
export const parseSubprotocols = (text: string): string | undefined => {
  const names = text.split(',').map((name) => name.trim());
  return names.every(isToken) && new Set(names).size === names.length ? names.join(', ') : undefined;
};

/**
 * The subprotocols of a list that are secrets, for browsers have no other header for a token: behind a name such as `bearer`, with it
 * before a dot, as Kubernetes has it, or looking like a token.
 */
export const secretSubprotocols = (text: string): string[] => {
  const announces = /bearer|token|auth|jwt|secret|api-?key/i;
  const names = text.split(',').map((name) => name.trim());
  return names.flatMap((name, at) => {
    const before = names[at - 1];
    const [, joined] =
      /^(?:.*(?:bearer|token|auth\w*|jwt|secret|api-?key)(?:\.k8s\.io)?)[.=:]([^]+)$/i.exec(name) ?? [];
    if (joined !== undefined && joined !== 'k8s.io') return [name, joined];
    const isAnnounced = before !== undefined && announces.test(before) && !looksLikeToken(before);
    return isAnnounced || looksLikeToken(name) ? [name] : [];
  });
};

/** A list of subprotocols without those that are secrets. */
export const shownSubprotocols = (text: string): string =>
  secretSubprotocols(text).reduce((shown, secret) => shown.replaceAll(secret, '…'), text);

/** Headers of which later ones replace earlier ones of the same name, whatever its case (RFC 9110 §5.1). */
export const mergeHeaders = (
  ...all: readonly (Readonly<Record<string, string>> | undefined)[]
): Record<string, string> => {
  const merged: Record<string, string> = {};
  for (const [given, value] of all.flatMap((headers) => Object.entries(headers ?? {}))) {
    const lower = given.toLowerCase();
    const isSubprotocol = lower === subprotocolHeader.toLowerCase();
    for (const other of Object.keys(merged)) if (other.toLowerCase() === lower) delete merged[other];
    merged[isSubprotocol ? subprotocolHeader : given] = isSubprotocol ? (parseSubprotocols(value) ?? value) : value;
  }
  return merged;
};

/** The headers of an opening handshake that other requests to the service carry too. */
export const withoutSubprotocol = (headers: Readonly<Record<string, string>>): Record<string, string> => {
  const others = { ...headers };
  delete others[subprotocolHeader];
  return others;
};
