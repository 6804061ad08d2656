import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { innermostMessage } from '../../lib/text/errors.ts';

/** The limits of a download, and who hears of its progress. */
export interface DownloadOptions {
  signal: AbortSignal;
  /** The longest silence to accept, from the request to the last byte. */
  stallTimeoutMs: number;
  maxBytes: number;
  onProgress?: (receivedBytes: number, totalBytes: number | undefined) => void;
}

/** A failed download; the message has the URL and what happened. */
export class DownloadError extends Error {}

const LONGEST_DOWNLOAD_MS = 30 * 60_000;

/** Downloads a file to a path; returns its SHA-256 in hexadecimal. */
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
        `${url}: expected HTTP 200, received ${response.status} ${response.statusText}`.trimEnd(),
      );
    }
    if (url.startsWith('https:') && !response.url.startsWith('https:')) {
      await response.body.cancel();
      throw new DownloadError(`${url}: expected a redirection to an https URL, received ${response.url}`);
    }
    // With a content-encoding, the length is that of the encoded body, but fetch decodes it.
    const length = response.headers.has('content-encoding') ? null : response.headers.get('content-length');
    let receivedBytes = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      timer.refresh();
      receivedBytes += chunk.length;
      if (receivedBytes > maxBytes)
        throw new DownloadError(`${url}: expected at most ${maxBytes} bytes, received more`);
      if (performance.now() > deadline) {
        throw new DownloadError(`${url}: the download did not finish within ${LONGEST_DOWNLOAD_MS / 60_000} minutes`);
      }
      onProgress?.(receivedBytes, length === null ? undefined : Number(length));
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DownloadError) throw error;
    if (stall.signal.aborted) {
      throw new DownloadError(`${url}: received no data for ${stallTimeoutMs / 1000} s`, { cause: error });
    }
    throw new DownloadError(`${url}: ${innermostMessage(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
};
