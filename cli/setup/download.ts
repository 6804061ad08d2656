import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { innermostMessage } from '../../lib/text/errors.ts';

/** How a download is bounded and watched. */
export interface DownloadOptions {
  signal: AbortSignal;
  /** The longest silence that is borne, from the request to the last byte. */
  stallTimeoutMs: number;
  maxBytes: number;
  onProgress?: (receivedBytes: number, totalBytes: number | undefined) => void;
}

/** A download that did not succeed; the message names the address and what happened. */
export class DownloadError extends Error {}

const LONGEST_DOWNLOAD_MS = 30 * 60_000;

/** Fetches a small text. */
export const downloadText = async (url: string, options: DownloadOptions): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of receive(url, options)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

/** Fetches a file to a path and answers with the SHA-256 of what was written, in hexadecimal. */
export const downloadFile = async (url: string, path: string, options: DownloadOptions): Promise<string> => {
  const hash = createHash('sha256');
  await pipeline(async function* () {
    for await (const chunk of receive(url, options)) {
      hash.update(chunk);
      yield chunk;
    }
  }, createWriteStream(path));
  return hash.digest('hex');
};

const receive = async function* (url: string, options: DownloadOptions): AsyncGenerator<Uint8Array> {
  const { signal, stallTimeoutMs, maxBytes, onProgress } = options;
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(), stallTimeoutMs);
  const deadline = performance.now() + LONGEST_DOWNLOAD_MS;
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, stall.signal]) });
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new DownloadError(
        `${url}: HTTP 200 expected, received ${response.status} ${response.statusText}`.trimEnd(),
      );
    }
    if (url.startsWith('https:') && !response.url.startsWith('https:')) {
      await response.body.cancel();
      throw new DownloadError(`${url}: redirected to ${response.url}, which is not https`);
    }
    // fetch decodes a content-encoding, and the length is of what is sent.
    const length = response.headers.has('content-encoding') ? null : response.headers.get('content-length');
    let receivedBytes = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      timer.refresh();
      receivedBytes += chunk.length;
      if (receivedBytes > maxBytes) throw new DownloadError(`${url}: more than the ${maxBytes} bytes expected at most`);
      if (performance.now() > deadline) {
        throw new DownloadError(`${url}: not finished within ${LONGEST_DOWNLOAD_MS / 60_000} minutes`);
      }
      onProgress?.(receivedBytes, length === null ? undefined : Number(length));
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DownloadError) throw error;
    if (stall.signal.aborted) {
      throw new DownloadError(`${url}: no data for ${stallTimeoutMs / 1000} s`, { cause: error });
    }
    throw new DownloadError(`${url}: ${innermostMessage(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
};
