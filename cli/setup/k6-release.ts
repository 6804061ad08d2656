import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shownUrl } from '../../lib/load/settings.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { DownloadError, downloadFile, type DownloadOptions } from './download.ts';
import { SourceFailed, isExecutable, type SourceContext } from './k6-source.ts';
import { runGroup } from '../shared/process-group.ts';

/** The environment variable for a mirror of the release archives. */
export const RELEASES_SETTING = 'WS_STRESS_K6_RELEASES';

/** The environment variable that permits a mirror on loopback without TLS, by the value `loopback`. */
export const HTTP_SETTING = 'WS_STRESS_K6_RELEASES_HTTP';

/** The SHA-256 of each release archive of the pinned k6, as `sha256sum` prints them. */
const CHECKSUMS_FILE = 'runtime/k6-checksums.txt';

/** Where k6's releases are published: `<base>/<version>/k6-<version>-<platform>.<ending>`. */
export const OFFICIAL_RELEASES = 'https://github.com/grafana/k6/releases/download';

const ARCHIVES: Record<string, string | undefined> = {
  'linux-x64': 'linux-amd64.tar.gz',
  'linux-arm64': 'linux-arm64.tar.gz',
  'darwin-x64': 'macos-amd64.zip',
  'darwin-arm64': 'macos-arm64.zip',
};

const MEBIBYTE = 1024 * 1024;
const MAX_ARCHIVE_BYTES = 512 * MEBIBYTE;
const EXTRACT_TIMEOUT_MS = 5 * 60_000;

/**
 * Downloads the release archive of the pinned k6, compares it with this package's own checksum and extracts k6; returns its
 * path. A mirror is not believed: what vouches for the archive is in the repository.
 */
export const takeRelease = async (context: SourceContext): Promise<string> => {
  const { root, pin, env, platform, arch, workDirectory, progress, signal, stallTimeoutMs } = context;
  const suffix = ARCHIVES[`${platform}-${arch}`];
  if (suffix === undefined) {
    const supported = Object.keys(ARCHIVES).join(', ');
    throw new SourceFailed(`there is no release archive for ${platform}-${arch}, only for ${supported}`);
  }
  const base = releasesBase(env);
  const name = `k6-${pin.version}-${suffix}`;
  const expected = checksumOf(name, root);
  const archive = join(workDirectory, name);
  const limits = { signal, stallTimeoutMs };
  try {
    progress.note(`k6: downloading ${base}/${pin.version}/${name}`);
    const actual = await fetchShown(`${base}/${pin.version}/${name}`, archive, limits, context);
    if (actual !== expected) {
      throw new SourceFailed(
        `${name} is not the released file: ${CHECKSUMS_FILE} has SHA-256 ${expected}, received ${actual}`,
      );
    }
  } catch (error) {
    if (error instanceof DownloadError) throw new SourceFailed(`${error.message}${proxyHint(env)}`, { cause: error });
    throw error;
  }
  return await extract(archive, context);
};

const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || /^127(\.\d+){3}$/.test(host);

const releasesBase = (env: NodeJS.ProcessEnv): string => {
  const base = (env[RELEASES_SETTING] || OFFICIAL_RELEASES).replace(/\/+$/, '');
  const url = URL.canParse(base) ? new URL(base) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new SourceFailed(
      `${RELEASES_SETTING}: expected an https URL such as ${OFFICIAL_RELEASES}, received "${shownUrl(base)}"`,
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new SourceFailed(
      `${RELEASES_SETTING}: expected a URL without user, password and query, received "${shownUrl(base)}"`,
    );
  }
  if (url.protocol === 'http:' && !(isLoopback(url.hostname) && env[HTTP_SETTING] === 'loopback')) {
    const remedy = isLoopback(url.hostname)
      ? `set ${HTTP_SETTING}=loopback to permit plain http on this machine`
      : 'plain http is possible on loopback only';
    throw new SourceFailed(
      `${RELEASES_SETTING}: expected an https URL such as ${OFFICIAL_RELEASES}, received "${base}"; ${remedy}`,
    );
  }
  return base;
};

const checksumOf = (name: string, root: string): string => {
  const remedy = 'so setup cannot verify the archive and does not download it';
  let checksums;
  try {
    checksums = readFileSync(join(root, CHECKSUMS_FILE), 'utf8');
  } catch (error) {
    throw new SourceFailed(`cannot read ${CHECKSUMS_FILE}, ${remedy}: ${innermostMessage(error)}`, { cause: error });
  }
  for (const line of checksums.split('\n')) {
    const match = /^([0-9a-f]{64})\s+\*?(\S+)\s*$/i.exec(line);
    if (match?.[1] !== undefined && match[2] === name) return match[1].toLowerCase();
  }
  throw new SourceFailed(`${CHECKSUMS_FILE} has no SHA-256 of ${name}, ${remedy}`);
};

const fetchShown = async (
  url: string,
  path: string,
  limits: Pick<DownloadOptions, 'signal' | 'stallTimeoutMs'>,
  { progress }: SourceContext,
): Promise<string> => {
  let shown = 'waiting for the server';
  const onProgress = (receivedBytes: number, totalBytes: number | undefined): void => {
    const total = totalBytes === undefined ? '' : ` of ${mebibytes(totalBytes)}`;
    shown = `${mebibytes(receivedBytes)}${total} MiB received`;
  };
  return await progress.during(
    (seconds) => `k6: downloading, ${seconds} s: ${shown}`,
    () => downloadFile(url, path, { ...limits, maxBytes: MAX_ARCHIVE_BYTES, onProgress }),
  );
};

const mebibytes = (bytes: number): string => (bytes / MEBIBYTE).toFixed(1);

const proxyHint = (env: NodeJS.ProcessEnv): string => {
  const proxy = env.HTTPS_PROXY ?? env.https_proxy;
  if (proxy === undefined || proxy === '' || env.NODE_USE_ENV_PROXY === '1') return '';
  return ' (HTTPS_PROXY is set: Node.js 24 and newer use it if NODE_USE_ENV_PROXY=1, older versions cannot)';
};

const extract = async (archive: string, context: SourceContext): Promise<string> => {
  const { env, workDirectory, signal } = context;
  const directory = join(workDirectory, 'extracted');
  mkdirSync(directory);
  const isZip = archive.endsWith('.zip');
  const name = archive.slice(workDirectory.length + 1).replace(/\.(tar\.gz|zip)$/, '');
  // bsdtar, the tar of macOS, reads zip files; GNU tar does not.
  const commands = isZip
    ? [
        ['unzip', '-q', archive, '-d', directory],
        ['tar', '-xf', archive, '-C', directory],
      ]
    : [['tar', '-xzf', archive, '-C', directory]];

  const failures: string[] = [];
  for (const [command = '', ...args] of commands) {
    const run = await runGroup(command, args, { env, signal, timeoutMs: EXTRACT_TIMEOUT_MS });
    if (run.failure === undefined) {
      const executable = join(directory, name, 'k6');
      if (isExecutable(executable)) return executable;
      throw new SourceFailed(`${archive}: expected an executable ${name}/k6 in it, found none`);
    }
    failures.push(`${command} ${run.failure} ${run.stderr.trim()}`.trimEnd());
  }
  throw new SourceFailed(`cannot extract ${name}: ${failures.join('; ')}`);
};
