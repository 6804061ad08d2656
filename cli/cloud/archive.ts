import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { parseTar } from 'nanotar';
import { isObject } from '../../lib/jsonrpc/messages.ts';
import { innermostMessage } from '../../lib/text/errors.ts';
import { printable } from '../shared/printable.ts';

/** What an archive of k6 holds, as far as a test is told by it. */
export interface Archive {
  /** k6's options, those that say nothing left out. */
  options: Record<string, unknown>;
  /** Of options, settings and code: the same for archives of the same test, wherever and whenever they were made. */
  fingerprint: string;
}

/** A value without nulls and with its members in the order of their names. */
const canonical = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(canonical);
  if (!isObject(value)) return value;
  const members = Object.entries(value)
    .map(([name, member]): [string, unknown] => [name, canonical(member)])
    .filter(([, member]) => member !== null && !(isObject(member) && Object.keys(member).length === 0))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members);
};

/** k6's options as they were before its own commands put into an archive who uploads it, and where to. */
const withoutAccess = (options: Record<string, unknown>): Record<string, unknown> => {
  if (!isObject(options.cloud)) return options;
  const { token: _token, stackID: _stackId, ...cloud } = options.cloud;
  return { ...options, cloud };
};

/** Reads an archive of k6. Throws what is wrong with it. */
export const readArchive = (bytes: Uint8Array): Archive => {
  // The library reads a view's whole buffer.
  const files = parseTar(bytes.slice().buffer);
  const contentOf = (name: string): Uint8Array => {
    const content = files.find((file) => file.name === name)?.data;
    if (content === undefined) throw new Error(`expected an archive of k6, with ${name} in it`);
    return content;
  };
  const metadata: unknown = JSON.parse(new TextDecoder().decode(contentOf('metadata.json')));
  if (!isObject(metadata) || !isObject(metadata.options))
    throw new Error('expected the options of a test in metadata.json');
  const code = createHash('sha256').update(contentOf('data')).digest('hex');
  const options = canonical(withoutAccess(metadata.options)) as Record<string, unknown>;
  // Not of paths, times and versions, which differ from machine to machine.
  const told = JSON.stringify([metadata.type, options, canonical(metadata.env ?? {}), code]);
  return { options, fingerprint: createHash('sha256').update(told).digest('hex') };
};

/** An archive that was made here. */
export interface MadeArchive extends Archive {
  bytes: Uint8Array<ArrayBuffer>;
}

/** Makes the archive of a bundle with settings, and with nothing else of this machine's: no variables, no k6 configuration. */
export const makeArchive = async (
  k6: string,
  bundle: string,
  settings: Readonly<Record<string, string>>,
): Promise<MadeArchive> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-cloud-'));
  try {
    const [config, out] = [path.join(folder, 'k6.json'), path.join(folder, 'archive.tar')];
    await writeFile(config, '{}');
    const given = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(STRESS|K6)_/.test(name)));
    const args = ['archive', '--quiet', '--no-color', '--config', config, '--archive-out', out, ...given, bundle];
    await promisify(execFile)(k6, args, {
      env: { ...env, K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' },
      timeout: archiveTimeoutMs,
    });
    const bytes = new Uint8Array(await readFile(out));
    return { bytes, ...readArchive(bytes) };
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(printable(stderr || innermostMessage(error), 1000), { cause: error });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const archiveTimeoutMs = 60_000;
