import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createTlsServer } from 'node:tls';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { build } from 'esbuild';
import { WebSocketServer } from 'ws';
import { packageRoot } from '../cli/shared/package-root.ts';
import type { RunResult } from '../lib/results/record-schema.ts';
import { startTarget } from '../reference-target/server.ts';
import { cleanEnv, k6Path, runBundle, runProgram } from './k6.ts';
import { service } from './memory-socket.ts';

const buildScript: string = path.join(packageRoot, 'build.mjs');

const withFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-test-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const withTarget = async (faults: string[], work: (url: string) => Promise<void>): Promise<void> => {
  const target = await startTarget({ port: 0, faults });
  try {
    await work(target.url);
  } finally {
    await target.close();
  }
};

const ownOptions: [args: string[], sessions: number | undefined][] = [
  [['--vus', '5', '--duration', '2s'], undefined],
  [['--vus', '4', '--iterations', '8'], 8],
  [['--stage', '1s:3', '--stage', '1s:0'], undefined],
];

const echoCommand = (name: string, kind: string): object => ({
  name,
  class: kind,
  command: `echo ${name}`,
  proof: { lines: [name] },
});

describe('runs with plain k6', { concurrency: 6 }, () => {
  for (const [args, sessions] of ownOptions) {
    test(`k6’s own ${args.join(' ')} runs the same sessions under the same criteria`, () =>
      withTarget([], async (url) => {
        const { code, result, stdout } = await runBundle('concurrent', url, {}, args);
        assert.equal(code, 0, stdout);
        assert.equal(result?.rounds.length, 1);
        const count = result?.rounds[0]?.successful ?? 0;
        assert.ok(sessions === undefined ? count >= 3 : count === sessions, `${count} sessions`);
        const statuses = result?.criteria.map(({ selector, status }) => `${selector} ${status}`);
        assert.ok(statuses?.includes('session_success{round:1} PASS'));
        assert.ok(statuses?.includes('session_success{round:3} NOT RUN'));
      }));
  }

  test('a fleet runs all its sessions, each judged by itself, whatever carries it', () =>
    withTarget(['exit-3@4', 'wrong-id@9'], (url) =>
      withFolder(async (folder) => {
        const commands = path.join(folder, 'echo.json');
        const echo = { name: 'echo', class: 'simple', command: 'echo {session}', proof: { lines: ['{session}'] } };
        await writeFile(commands, JSON.stringify({ version: 1, commands: [echo] }));
        const settings = { STRESS_COMMANDS: commands, STRESS_FLEET: '10' };
        const round = await runBundle('concurrent', url, { ...settings, STRESS_VUS: '25', STRESS_RECORDS: 'all' });
        assert.equal(round.code, 99, round.stderr);
        assert.deepEqual(round.result?.outcomes, { ok: 23, 'failed-exit': 1, 'protocol-violation': 1 });
        const sessions = [...round.stderr.matchAll(/\\"session\\":(\d+)/g)].map(([, number]) => Number(number));
        assert.deepEqual(
          sessions.toSorted((a, b) => a - b),
          Array.from({ length: 25 }, (_, index) => index),
        );
        const own = await runBundle('concurrent', url, settings, ['--vus', '2', '--iterations', '3']);
        assert.equal(own.code, 0, own.stderr);
        assert.deepEqual(own.result?.outcomes, { ok: 30 });
        const lasting = { ...settings, STRESS_VUS: '20', STRESS_DURATION: '1s' };
        const timed = await runBundle('concurrent', url, lasting);
        assert.equal(timed.code, 0, timed.stderr);
        assert.ok((timed.result?.outcomes.ok ?? 0) >= 20, JSON.stringify(timed.result?.outcomes));
        assert.equal((timed.result?.outcomes.ok ?? 0) % 10, 0);
      }),
    ));

  test('a fleet against nothing, and against a service that never says a word, ends with what became of each', () =>
    withTarget(['no-connected'], async (url) => {
      const settings = { STRESS_VUS: '6', STRESS_FLEET: '3', STRESS_ACK_TIMEOUT: '1s' };
      const mute = await runBundle('concurrent', url, settings);
      assert.equal(mute.code, 99, mute.stderr);
      assert.deepEqual(mute.result?.outcomes, { timeout: 6 });
    }));

  test('k6’s own options fail by the same criteria', () =>
    withTarget(['exit-3'], async (url) => {
      const { code, result } = await runBundle('concurrent', url, {}, ['--vus', '2', '--iterations', '4']);
      assert.equal(code, 99);
      assert.equal(result?.criteria.find(({ selector }) => selector === 'session_success{round:1}')?.status, 'FAIL');
    }));

  test('rounds follow one another: none begins before the last session of the one before has ended', () =>
    withTarget([], (url) =>
      withFolder(async (folder) => {
        const records = path.join(folder, 'records.ndjson');
        const { code } = await runBundle(
          'concurrent',
          url,
          { STRESS_ROUNDS: '3,4,2', STRESS_PAUSE: '200ms', STRESS_RECORDS: 'all' },
          ['--console-output', records, '--log-format', 'raw'],
        );
        assert.equal(code, 0);
        const sessions = (await readFile(records, 'utf8'))
          .trim()
          .split('\n')
          .map(
            (line) =>
              JSON.parse(line) as {
                round: number;
                session: number;
                startedAt: string;
                durationMs: number;
                marker: string;
                version: number;
              },
          );
        assert.equal(sessions.length, 9);
        assert.ok(
          sessions.every(({ marker, version }) => version === 1 && /^WEBSOCKET_STRESS_\d{8}_\d{6}$/.test(marker)),
        );
        for (const round of [2, 3]) {
          const ends = sessions
            .filter((each) => each.round === round - 1)
            .map((each) => Date.parse(each.startedAt) + each.durationMs);
          const starts = sessions.filter((each) => each.round === round).map((each) => Date.parse(each.startedAt));
          assert.ok(Math.min(...starts) >= Math.max(...ends) + 199, `round ${round}`);
          assert.deepEqual(
            sessions
              .filter((each) => each.round === round)
              .map(({ session }) => session)
              .toSorted((a, b) => a - b),
            [...starts.keys()],
          );
        }
      }),
    ));

  test('an open model that k6 can’t keep up with is INVALID, exit 110', () =>
    withTarget([], async (url) => {
      const { code, result, stderr } = await runBundle('concurrent', url, {
        STRESS_RATE: '20',
        STRESS_DURATION: '2s',
        STRESS_VUS: '2',
      });
      assert.equal(code, 110, stderr);
      assert.equal(result?.verdict, 'INVALID');
      assert.match(stderr, /INVALID: \d+ of 40 sessions could not be started in time; give more VUs/);
    }));

  test('an open model that k6 keeps up with starts every session it owes', () =>
    withTarget([], async (url) => {
      const { code, result, stdout } = await runBundle('concurrent', url, { STRESS_RATE: '5', STRESS_DURATION: '3s' });
      assert.equal(code, 0, stdout);
      assert.equal(result?.total.successful, 15);
    }));

  test('a session that k6 cuts off while it is dialling fails the run', () =>
    withTarget(['tcp-silent@2-'], async (url) => {
      const { code, result, stdout } = await runBundle('single', url, {}, ['--vus', '1', '--duration', '1s']);
      assert.equal(code, 99, stdout);
      // k6 sometimes lets a session that is still dialling end by itself; it fails either way.
      assert.equal(result?.verdict, 'FAIL');
    }));

  test('an interrupted run: the session under way is unsettled, and its criterion fails', () =>
    withFolder(async (folder) => {
      const target = await startTarget({ port: 0, faults: ['never-completes@2'] });
      try {
        const resultFile = path.join(folder, 'result.json');
        const settings = ['-e', `STRESS_URL=${target.url}`, '-e', `STRESS_RESULT=${resultFile}`];
        const bundle = path.join(packageRoot, 'dist/single.js');
        const args = ['run', '--quiet', '--address', '', ...settings, '--vus', '1', '--iterations', '2', bundle];
        const child = spawn(await k6Path(), args, { env: cleanEnv(), stdio: 'ignore' });
        const ended = once(child, 'exit');
        // The pre-flight's connection, the first session and the second one have begun; the second one runs.
        while (target.stats().sessionsTotal < 3 || target.stats().activeSessions === 0) await setImmediate();
        child.kill('SIGINT');
        assert.deepEqual(await ended, [105, null]);
        const result = JSON.parse(await readFile(resultFile, 'utf8')) as RunResult;
        assert.equal(result.criteria.find(({ selector }) => selector === 'unsettled')?.status, 'FAIL');
        assert.deepEqual(result.outcomes, { ok: 1 });
      } finally {
        await target.close();
      }
    }));

  test('a trace of a failed session shows its messages, and no secret', () =>
    withTarget(['exit-3'], async (url) => {
      const { stderr } = await runBundle('single', url, { STRESS_TRACE: 'failures', STRESS_TOKEN: 'geheim' });
      assert.match(stderr, /> \{.*execute/);
      assert.match(stderr, /< \{.*process\.completed/);
      assert.ok(!stderr.includes('geheim'));
    }));

  test('token, headers and subprotocol reach the service; neither they nor a query reach any output', () =>
    withFolder(async (folder) => {
      const seen: Record<string, unknown>[] = [];
      const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
      server.on('connection', (socket, request) => {
        seen.push({ ...request.headers, url: request.url });
        socket.send(service.connected);
        socket.on('message', () => {
          for (const text of [service.started(1), service.output('Hello from stress test'), service.completed()])
            socket.send(text);
        });
      });
      await new Promise((resolve) => server.once('listening', resolve));
      const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/mcp?key=geheim1`;
      try {
        const json = path.join(folder, 'metrics.json');
        const run = await runBundle(
          'single',
          url,
          { STRESS_TOKEN: 'geheim2', STRESS_HEADERS: '{"X-Team":"geheim3"}', STRESS_SUBPROTOCOL: 'mcp' },
          ['--out', `json=${json}`],
        );
        assert.equal(run.code, 0, run.stdout + run.stderr);
        assert.equal(seen.length, 2, 'the pre-flight and the session');
        for (const headers of seen) {
          assert.equal(headers.authorization, 'Bearer geheim2');
          assert.equal(headers['x-team'], 'geheim3');
          assert.equal(headers['sec-websocket-protocol'], 'mcp');
          assert.equal(headers.url, '/ws/mcp?key=geheim1');
        }
        const everything = run.stdout + run.stderr + JSON.stringify(run.result) + (await readFile(json, 'utf8'));
        assert.ok(!everything.includes('geheim'), 'no secret shown');
      } finally {
        for (const client of server.clients) client.terminate();
        server.close();
      }
    }));

  test('wss: refused without the CA, accepted with it, and with a warning unverified', (t) =>
    withFolder(async (folder) => {
      const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'ca.pem')];
      const request = [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-keyout',
        key,
        '-out',
        cert,
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost,IP:127.0.0.1',
      ];
      const made = await runProgram('openssl', request).catch(() => ({ code: 1 }));
      if (made.code !== 0) {
        t.skip('no openssl here');
        return;
      }
      await withTarget([], async (url) => {
        const { port } = new URL(url);
        const server = createTlsServer({ key: await readFile(key), cert: await readFile(cert) }, (socket) => {
          const upstream = connect(Number(port), '127.0.0.1');
          socket.pipe(upstream).pipe(socket);
          socket.on('error', () => upstream.destroy());
          upstream.on('error', () => socket.destroy());
        });
        server.on('tlsClientError', () => {});
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        const secure = `wss://localhost:${(server.address() as AddressInfo).port}/ws/mcp`;
        try {
          const refused = await runBundle('single', secure);
          assert.equal(refused.code, 108);
          assert.match(refused.stderr, /test aborted: No connection to the service at wss:.*certificate/);
          const unverified = await runBundle('single', secure, { STRESS_INSECURE: 'true' });
          assert.equal(unverified.code, 0, unverified.stderr);
          assert.match(unverified.stderr, /level=warning msg="STRESS_INSECURE: the TLS certificate/);
          const cli = path.join(packageRoot, 'cli/ws-stress.mjs');
          const env = { ...cleanEnv(), K6_BIN: await k6Path() };
          const trusted = await runProgram(process.execPath, [cli, 'run', 'single', '--url', secure, '--ca', cert], {
            env,
          });
          assert.equal(trusted.code, 0, trusted.stdout + trusted.stderr);
        } finally {
          server.close();
        }
      });
    }));

  test('a bug in a script is INVALID, exit 110, and shows its .ts line', () =>
    withTarget([], (url) =>
      withFolder(async (folder) => {
        const entry = path.join(folder, 'buggy.ts');
        const scenarioModule = path.join(packageRoot, 'lib/k6/scenario.ts');
        await writeFile(
          entry,
          [
            `import { scenario } from ${JSON.stringify(scenarioModule)};`,
            `export const { options, setup, handleSummary, run } = scenario('single', {`,
            `  rounds: [2], commands: [{ name: 'x', class: 'simple', command: 'true', proof: {} }],`,
            `  *script(session, command) {`,
            `    yield* session.execute(command);`,
            `    throw new Error('oops');`,
            `  },`,
            `});`,
            `export default run;`,
          ].join('\n'),
        );
        const { k6Build } = (await import(buildScript)) as {
          k6Build: (outdir: string) => Promise<object>;
        };
        await build({ ...(await k6Build(folder)), entryPoints: [entry] });
        const { code, stderr, result } = await runBundle(path.join(folder, 'buggy.js'), url);
        assert.equal(code, 110, stderr);
        assert.equal(result?.verdict, 'INVALID');
        assert.deepEqual(result?.outcomes, { 'script-error': 2 });
        assert.match(stderr, /buggy\.ts:6/);
      }),
    ));

  test('no criterion passes on sessions that only k6’s own options leave out', () =>
    withTarget(['exit-3'], (url) =>
      withFolder(async (folder) => {
        const thresholds = path.join(folder, 'thresholds.json');
        const criteria = { command_duration: ['p(95)<5000'], 'timeouts{class:control}': ['count==0'] };
        await writeFile(thresholds, JSON.stringify({ version: 1, scenarios: { concurrent: criteria } }));
        const args = ['--vus', '3', '--iterations', '3'];
        const { code, result } = await runBundle('concurrent', url, { STRESS_THRESHOLDS: thresholds }, args);
        assert.equal(code, 99);
        assert.deepEqual(
          result?.criteria.map(({ status }) => status),
          ['NO DATA', 'NO DATA'],
        );
      }),
    ));

  test('criteria judge a command by its name and its own class; one that never ran has no data', () =>
    withTarget([], (url) =>
      withFolder(async (folder) => {
        const [commands, thresholds] = [path.join(folder, 'commands.json'), path.join(folder, 'thresholds.json')];
        await writeFile(
          commands,
          JSON.stringify({
            version: 1,
            commands: [
              echoCommand('first', 'query'),
              echoCommand('second', 'query'),
              echoCommand('third', 'slow-query'),
            ],
          }),
        );
        const scenarios = {
          concurrent: {
            'command_duration{command:third}': ['p(95)<5000'],
            'command_duration{round:each,command:second}': ['max<5000'],
            'command_ack_duration{command:first}': ['max<5000'],
            'output_lines{command:third}': ['count==2'],
            'session_success{class:slow-query}': ['rate==1'],
            'command_duration{class:slow-query,command:third}': ['max<0.001'],
            'command_duration{class:query,command:third}': ['max<5000'],
            'command_duration{command:fourth}': ['max<5000'],
            'output_lines{command:fourth}': ['count==0'],
            'output_rate{command:fourth}': ['max<1'],
          },
        };
        await writeFile(thresholds, JSON.stringify({ version: 1, scenarios }));
        const { code, result, stderr } = await runBundle('concurrent', url, {
          STRESS_COMMANDS: commands,
          STRESS_THRESHOLDS: thresholds,
          STRESS_ROUNDS: '6',
        });
        assert.equal(code, 99, stderr);
        assert.deepEqual(Object.fromEntries(result?.criteria.map(({ selector, status }) => [selector, status]) ?? []), {
          'command_duration{command:third}': 'PASS',
          'command_duration{round:1,command:second}': 'PASS',
          'command_ack_duration{command:first}': 'PASS',
          'output_lines{command:third}': 'PASS',
          'session_success{class:slow-query}': 'PASS',
          'command_duration{class:slow-query,command:third}': 'FAIL',
          'command_duration{class:query,command:third}': 'NO DATA',
          'command_duration{command:fourth}': 'NO DATA',
          'output_lines{command:fourth}': 'NO DATA',
          'output_rate{command:fourth}': 'NO DATA',
        });
        assert.match(stderr, /level=warning msg="STRESS_THRESHOLDS .*default criteria.*concurrent: session_success, /);
        assert.match(stderr, /Add .*extends.*default/);
      }),
    ));

  test('"extends": "default" keeps the built-in criteria, without a warning', () =>
    withTarget([], (url) =>
      withFolder(async (folder) => {
        const thresholds = path.join(folder, 'thresholds.json');
        const scenarios = { single: { 'command_duration{class:simple}': ['p(95)<4000'], timeouts: [] } };
        await writeFile(thresholds, JSON.stringify({ version: 1, extends: 'default', scenarios }));
        const { code, result, stderr } = await runBundle('single', url, { STRESS_THRESHOLDS: thresholds });
        assert.equal(code, 0, stderr);
        assert.deepEqual(result?.criteria.map(({ selector, expression }) => `${selector} ${expression}`).toSorted(), [
          'command_duration{class:simple} p(95)<4000',
          'dropped_iterations count==0',
          'protocol_violations count==0',
          'session_success rate==1',
          'sessions{outcome:closed} count==0',
          'unsettled count==0',
        ]);
        assert.doesNotMatch(stderr, /level=warning/);
      }),
    ));

  test('k6 run --throw changes no verdict', () =>
    withTarget(['handshake-403@3'], async (url) => {
      const { code, result, stdout } = await runBundle('concurrent', url, { STRESS_ROUNDS: '20' }, ['--throw']);
      assert.equal(code, 0, stdout);
      assert.deepEqual(result?.outcomes, { ok: 19, 'connect-failed': 1 });
    }));

  test('want of file descriptors is the generator’s failure: INVALID, exit 110', () =>
    withTarget([], (url) =>
      withFolder(async (folder) => {
        const file = path.join(folder, 'result.json');
        const settings = `-e STRESS_URL=${url} -e STRESS_VUS=80 -e STRESS_RESULT=${file}`;
        const bundle = path.join(packageRoot, 'dist/single.js');
        const command = `ulimit -n 60; exec "${await k6Path()}" run --quiet --address '' ${settings} "${bundle}"`;
        const { code, stderr } = await runProgram('sh', ['-c', command]);
        assert.equal(code, 110, stderr);
        assert.match(stderr, /INVALID: this machine has no more connections to give: .*too many open files/);
        assert.equal((JSON.parse(await readFile(file, 'utf8')) as RunResult).verdict, 'INVALID');
      }),
    ));

  test('an archive runs as it was made; other settings for its load are refused', () =>
    withTarget([], (url) =>
      withFolder(async (folder) => {
        const archive = path.join(folder, 'archive.tar');
        const bundle = path.join(packageRoot, 'dist/concurrent.js');
        const made = await runProgram(await k6Path(), ['archive', '-e', 'STRESS_ROUNDS=2,1', '-O', archive, bundle]);
        assert.equal(made.code, 0, made.stderr);
        const run = (rounds: string) =>
          k6Path().then((k6) =>
            runProgram(k6, [
              'run',
              '--quiet',
              '--address',
              '',
              '-e',
              `STRESS_URL=${url}`,
              '-e',
              `STRESS_ROUNDS=${rounds}`,
              archive,
            ]),
          );
        assert.equal((await run('2,1')).code, 0);
        const refused = await run('3,1');
        assert.equal(refused.code, 108);
        assert.match(refused.stderr, /Load and criteria were fixed when the archive was made/);
        const thresholds = path.join(folder, 'thresholds.json');
        await writeFile(thresholds, JSON.stringify({ version: 1, scenarios: { '*': { timeouts: ['count==0'] } } }));
        const others = ['-e', 'STRESS_ROUNDS=2,1', '-e', `STRESS_THRESHOLDS=${thresholds}`];
        const args = ['run', '--quiet', '--address', '', '-e', `STRESS_URL=${url}`, ...others, archive];
        assert.notEqual((await runProgram(await k6Path(), args)).code, 0);
      }),
    ));

  test('a service that drops plain HTTP is judged by its handshake', () =>
    withTarget([], async (url) => {
      // Like the target, but for requests that are no upgrade: those it breaks off.
      const server = createServer((socket) => {
        socket.once('data', (data) => {
          if (!/upgrade: websocket/i.test(data.toString())) {
            socket.destroy();
            return;
          }
          const upstream = connect(Number(new URL(url).port), '127.0.0.1');
          upstream.write(data);
          socket.pipe(upstream).pipe(socket);
          for (const end of [socket, upstream]) end.on('error', () => socket.destroy() && upstream.destroy());
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const { port } = server.address() as AddressInfo;
        const { code, stderr } = await runBundle('single', `ws://127.0.0.1:${port}/ws/mcp`);
        assert.equal(code, 0, stderr);
      } finally {
        server.close();
      }
    }));

  test('k6’s machine-readable summary is read too', () =>
    withTarget([], async (url) => {
      const { code, result } = await runBundle('concurrent', url, { STRESS_ROUNDS: '2,3' }, [
        '--new-machine-readable-summary',
      ]);
      assert.equal(code, 0);
      assert.equal(result?.verdict, 'PASS');
      assert.deepEqual(
        result?.rounds.map(({ successful }) => successful),
        [2, 3],
      );
      assert.ok((result?.rounds[0]?.avgMs ?? 0) > 0);
    }));

  test('a segment of a load is judged by the sessions it runs', () =>
    withTarget([], async (url) => {
      const segment = ['--execution-segment', '0:1/2', '--execution-segment-sequence', '0,1/2,1'];
      const { code, result } = await runBundle('concurrent', url, { STRESS_VUS: '6' }, segment);
      assert.equal(code, 0);
      assert.equal(result?.verdict, 'PASS');
      assert.equal(result?.total.successful, 3);
    }));

  test('k6’s own options and its machine-readable summary together', () =>
    withTarget([], async (url) => {
      const args = ['--vus', '2', '--iterations', '4', '--new-machine-readable-summary'];
      const { code, result } = await runBundle('concurrent', url, {}, args);
      assert.equal(code, 0);
      assert.equal(result?.verdict, 'PASS');
    }));

  test('rounds are refused where k6 runs a segment only', () =>
    withTarget([], async (url) => {
      const { code, stderr } = await runBundle('concurrent', url, {}, ['--execution-segment', '0:1/2']);
      assert.equal(code, 108);
      assert.match(stderr, /within one k6 process only/);
    }));
});

describe(
  'bad input to plain k6: everything wrong in one message, exit 107, no VU, no stack',
  { concurrency: 3 },
  () => {
    const unused = 'ws://127.0.0.1:9/ws/mcp';
    const bad: [name: string, settings: Record<string, string>, messages: RegExp[]][] = [
      [
        'several at once',
        { STRESS_VUS: 'x', STRESS_URI: 'y', STRESS_THRESHOLDS: '/no/such.json' },
        [
          /3 settings are wrong/,
          /STRESS_VUS: expected a whole number/,
          /STRESS_URI: no such setting; did you mean STRESS_URL/,
          /can't read \/no\/such\.json/,
        ],
      ],
      ['a bad address', { STRESS_URL: 'http://x' }, [/STRESS_URL: expected ws:\/\/ in place of http/]],
      ['no command set', { STRESS_COMMANDS: 'nix.json' }, [/STRESS_COMMANDS: expected a file that can be read/]],
      [
        'a command set that is none',
        { STRESS_COMMANDS: path.join(packageRoot, 'package.json') },
        [/STRESS_COMMANDS .*package\.json: expected .*version/],
      ],
      [
        'thresholds that are none',
        { STRESS_THRESHOLDS: path.join(packageRoot, 'package.json') },
        [/STRESS_THRESHOLDS .*package\.json: expected/],
      ],
      ['thresholds that are no JSON', { STRESS_THRESHOLDS: path.join(packageRoot, 'README.md') }, [/expected JSON/]],
    ];
    for (const [name, settings, messages] of bad) {
      test(name, async () => {
        const { code, stderr, stdout } = await runBundle('concurrent', unused, settings);
        assert.equal(code, 107);
        for (const message of messages) assert.match(stderr, message);
        assert.doesNotMatch(stderr, /\bat \S+:\d+:\d+/);
        assert.equal(stdout, '');
      });
    }
  },
);
