import http from 'k6/http';
import { withoutSubprotocol } from '../load/headers.ts';
import type { Settings } from '../load/settings.ts';

const timeout = '5s';

/** What came of an HTTP request: its status and body; or 0 and the reason, where there was no answer. */
export interface Answer {
  status: number;
  body: string;
}

/** Sends an HTTP request without a body; a failure is a value. */
export const ask = (method: 'GET' | 'POST', url: string, headers: Record<string, string>, most = timeout): Answer => {
  try {
    // Thrown, for else k6 logs a warning of its own.
    const params = { headers, timeout: most, redirects: 0, throw: true, responseType: 'text' as const };
    const { status, body } = http.request(method, url, null, params);
    return { status, body: typeof body === 'string' ? body : '' };
  } catch (error) {
    const reason = String(error)
      .replace(/^(GoError|Error): /, '')
      .replace(/^[A-Z][a-z]+ "[^"]*": /, '');
    return { status: 0, body: reason };
  }
};

/** The headers of the settings that HTTP requests carry too. */
export const httpHeaders = ({ headers }: Settings): Record<string, string> => withoutSubprotocol(headers);
