import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { createServer } from 'node:tls';
import { startHelper } from '../cli/run/helper.ts';
import { packageRoot } from '../cli/shared/package-root.ts';
import { settingsTable } from '../lib/load/settings.ts';
import { tagValues } from '../lib/load/thresholds.ts';
import { outcomeKinds } from '../lib/session/outcome.ts';
import { startTarget, type Target } from '../reference-target/server.ts';
import { alone } from './busy.ts';
import { cleanEnv, k6Path, runProgram } from './k6.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const docs = path.join(packageRoot, 'docs');
const documents = readdirSync(docs).filter((file) => file.endsWith('.md'));
const readDocument = (file: string): string => readFileSync(path.join(docs, file), 'utf8');

/** A fenced block marked `sh test`: commands, run one after another, and the exit code that each must have. */
interface Example {
  where: string;
  commands: string[];
  exitCode: number;
  needs: string | undefined;
}

const examplesOf = (file: string): Example[] => {
  const text = readDocument(file);
  return [...text.matchAll(/^```sh test(.*)\n([^]*?)^```$/gm)].map(({ 1: marks = '', 2: body = '', index }) => ({
    where: `docs/${file}:${text.slice(0, index).split('\n').length}`,
    commands: body.replaceAll('\\\n', '').trim().split('\n'),
    exitCode: Number(/exit=(\d+)/.exec(marks)?.[1] ?? 0),
    needs: /needs=(\S+)/.exec(marks)?.[1],
  }));
};

const examples = documents.flatMap(examplesOf);
const allCommands = examples.flatMap(({ commands }) => commands);

const certificate = path.join(packageRoot, 'tests/fixtures/localhost-certificate.pem');
const certificateKey = path.join(packageRoot, 'tests/fixtures/localhost-key.pem');

/** Serves the target over TLS, as a proxy in front of a service does; returns the address. */
const startTls = async (t: TestContext, { port }: Target): Promise<string> => {
  const options = { key: readFileSync(certificateKey), cert: readFileSync(certificate) };
  const server = createServer(options, (client) => {
    const service = connect(port, '127.0.0.1');
    client.on('error', () => service.destroy());
    service.on('error', () => client.destroy());
    client.pipe(service).pipe(client);
  });
  // A client that does not trust the certificate ends the handshake.
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => server.close());
  return `wss://localhost:${(server.address() as { port: number }).port}/ws/mcp`;
};

/** A directory in which the documents' commands find what they name, as in a checkout with k6 and ws-stress on PATH. */
const workplace = async (t: TestContext): Promise<{ cwd: string; bin: string }> => {
  const cwd = temporaryDirectory(t);
  for (const name of ['dist', 'docs']) symlinkSync(path.join(packageRoot, name), path.join(cwd, name));
  copyFileSync(certificate, path.join(cwd, 'ca.pem'));
  const bin = path.join(cwd, 'bin');
  mkdirSync(bin);
  symlinkSync(await k6Path(), path.join(bin, 'k6'));
  const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
  writeFileSync(path.join(bin, 'ws-stress'), `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`, { mode: 0o755 });
  return { cwd, bin };
};

const token = 'not-to-be-shown';

/** What else an example's commands name is there for it alone: others would be in its way. */
const surroundings = async (
  t: TestContext,
  example: Example,
): Promise<{ replaced: [string, string][]; token: string }> => {
  const names = (address: string): boolean => example.commands.some((command) => command.includes(address));
  const replaced: [string, string][] = [];
  if (names(limitedAddress)) {
    const limited = await startTarget({ port: 0, maxSessions: 4, allow: ['echo', 'ls', 'sleep'] });
    t.after(() => limited.close());
    replaced.push([limitedAddress, limited.url]);
  }
  if (!names(helperAddress)) return { replaced, token };
  const helper = await startHelper({ processId: () => process.pid });
  t.after(() => helper.close());
  return { replaced: [...replaced, [helperAddress, helper.url]], token: helper.token };
};

const limitedAddress = 'ws://localhost:8013/ws/mcp';
const helperAddress = 'http://127.0.0.1:39001';

const runExample = async (t: TestContext, example: Example, url: string, tlsUrl: string): Promise<void> => {
  const { cwd, bin } = await workplace(t);
  const { replaced, token } = await surroundings(t, example);
  const env = {
    ...cleanEnv(),
    PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}`,
    K6_BIN: await k6Path(),
    K6_NO_USAGE_REPORT: 'true',
    K6_AUTO_EXTENSION_RESOLUTION: 'false',
    // Several run at once, and one port serves only one of them.
    K6_ADDRESS: 'localhost:0',
    TOKEN: token,
  };
  for (const command of example.commands) {
    let literal = command
      .replaceAll('ws://localhost:8003/ws/mcp', url)
      .replaceAll('wss://localhost:8443/ws/mcp', tlsUrl);
    for (const [address, real] of replaced) literal = literal.replaceAll(address, real);
    // Where the command names no address, the service is at the default one.
    const text = `STRESS_URL=${url}; export STRESS_URL; ${literal}`;
    const usesOwnTarget = command.includes('--with-target');
    const { code, stdout, stderr } = await runProgram('sh', ['-c', usesOwnTarget ? literal : text], { cwd, env });
    assert.equal(code, example.exitCode, `${command}\n${stdout}${stderr}`);
    assert.ok(!`${stdout}${stderr}`.includes(token), `the token is shown by ${command}`);
  }
};

// Several at once: most of a run is waiting.
void test('every example of the documents does what they say', { concurrency: 8 }, async (t) => {
  const built = ['dist/single.js', 'dist/concurrent.js', 'dist/cli.mjs'];
  for (const file of built) assert.ok(existsSync(path.join(packageRoot, file)), `expected ${file}: npm run build`);
  const target = await startTarget({ port: 0 });
  t.after(() => target.close());
  const tlsUrl = await startTls(t, target);
  await Promise.all(
    examples.map((example) => {
      const missing = example.needs !== undefined && spawnSync(example.needs, ['--version']).status !== 0;
      const skip = missing ? `no ${example.needs} here` : false;
      const work = (t: TestContext): Promise<void> => runExample(t, example, target.url, tlsUrl);
      const isBusy = example.commands.some((command) => command.startsWith('ws-stress run high-output'));
      return t.test(example.where, { skip }, isBusy ? (t) => alone(() => work(t)) : work);
    }),
  );
});

void test('every setting has an example by its name, and one by its flag', () => {
  for (const { name, flag } of settingsTable()) {
    const byName = allCommands.some((command) => command.includes(`${name}=`) && command.includes('k6 run'));
    const byFlag = allCommands.some((command) => command.includes(`${flag} `) || command.endsWith(flag));
    assert.ok(byName, `no example of k6 run with ${name}`);
    assert.ok(byFlag, `no example of ws-stress run with ${flag}`);
  }
});

void test('every way to tune the load has an example', () => {
  const forms = [
    /k6 run -e STRESS_ROUNDS=\d+,\d+ /,
    /k6 run -e STRESS_VUS=\d+ dist/,
    /k6 run -e STRESS_VUS=\d+ -e STRESS_DURATION=\d+s /,
    /k6 run -e STRESS_RATE=\d+ -e STRESS_DURATION=\d+s /,
    /k6 run --vus \d+ --duration /,
    /k6 run --vus \d+ --iterations /,
    /k6 run --stage /,
  ];
  for (const form of forms)
    assert.ok(
      allCommands.some((command) => form.test(command)),
      `no example of ${form}`,
    );
});

const anchors = (markdown: string): string[] =>
  [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

void test('docs/reading-a-failure.md and docs/command-sets.md name whatever outcome, phase and class there is', () => {
  const failures = readDocument('reading-a-failure.md');
  const headings = anchors(failures);
  for (const kind of outcomeKinds) {
    assert.ok(kind === 'ok' ? failures.includes('`ok` means') : headings.includes(kind), kind);
  }
  for (const phase of tagValues.phase ?? []) assert.match(failures, new RegExp(`^\\| \`${phase}\` `, 'm'));
  const sets = readDocument('command-sets.md');
  for (const name of ['simple', 'timed', 'paced', 'burst', 'high-output', 'control'])
    assert.ok(sets.includes(`\`${name}\``), name);
});

void test('every relative link of the documents leads somewhere', () => {
  const ofProject = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map((file) => `../${file}`);
  const decisions = readdirSync(path.join(docs, 'adr')).map((file) => `adr/${file}`);
  for (const file of [...documents, ...ofProject, ...decisions]) {
    for (const [, link = ''] of readDocument(file).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [to = '', anchor] = link.split('#');
      const linked = to === '' ? path.join(docs, file) : path.join(docs, path.dirname(file), to);
      assert.ok(existsSync(linked), `docs/${file}: ${link} leads nowhere`);
      if (anchor === undefined) continue;
      assert.ok(anchors(readFileSync(linked, 'utf8')).includes(anchor), `docs/${file}: ${link} has no such heading`);
    }
  }
});

void test('no document has a placeholder left', () => {
  for (const file of ['../README.md', '../CONTRIBUTING.md', '../CHANGELOG.md', ...documents]) {
    assert.doesNotMatch(readDocument(file), /@@|@[A-Z]+@|TODO|FIXME/, file);
  }
});
