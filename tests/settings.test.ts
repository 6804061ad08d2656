import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { factsOf } from '../lib/load/scenario-facts.ts';
import { readInputs, settingConflicts } from '../lib/load/inputs.ts';
import {
  parseDuration,
  parseSettings,
  parseUrl,
  settingsTable,
  shownUrl,
  type Settings,
} from '../lib/load/settings.ts';
import { spellingOf } from '../cli/shared/settings-options.ts';

const problemsOf = (env: Record<string, string>): string[] => parseSettings(env).problems;

test('without a variable every default holds, and none is a problem', () => {
  const { settings, problems } = parseSettings({ PATH: '/bin', K6_VUS: '7' });
  assert.deepEqual(problems, []);
  assert.equal(settings.url, 'ws://localhost:8003/ws/mcp');
  assert.deepEqual(
    [settings.ackTimeoutMs, settings.messageTimeoutMs, settings.sessionTimeoutMs, settings.pauseMs],
    [30_000, 30_000, 120_000, 1000],
  );
  assert.deepEqual(
    [settings.rounds, settings.vus, settings.rate, settings.trace],
    [undefined, undefined, undefined, 'off'],
  );
  assert.ok(Object.isFrozen(settings) && Object.isFrozen(settings.headers));
});

test('what Kubernetes sets for a Service named stress-… is ignored with a warning, and a typing error is none of it', () => {
  const ofTarget = {
    STRESS_TARGET_SERVICE_HOST: '10.0.0.7',
    STRESS_TARGET_SERVICE_PORT: '8003',
    STRESS_TARGET_SERVICE_PORT_WS_MCP: '8003',
    STRESS_TARGET_PORT: 'tcp://10.0.0.7:8003',
    STRESS_TARGET_PORT_8003_TCP: 'tcp://10.0.0.7:8003',
    STRESS_TARGET_PORT_8003_TCP_PROTO: 'tcp',
    STRESS_TARGET_PORT_8003_TCP_PORT: '8003',
    STRESS_TARGET_PORT_8003_TCP_ADDR: '10.0.0.7',
  };
  const ofStress = { STRESS_PORT: 'udp://[fd00::7]:53', STRESS_SERVICE_HOST: 'fd00::7', STRESS_PORT_53_UDP_PORT: '53' };
  const { problems, warnings } = parseSettings({ ...ofTarget, ...ofStress, STRESS_VUS: '3' });
  assert.deepEqual(problems, []);
  assert.equal(warnings.length, 2);
  for (const name of Object.keys(ofTarget)) assert.match(warnings[0] ?? '', new RegExp(`\\b${name}\\b`));
  assert.match(warnings[0] ?? '', /: ignored, .* for a Service named stress-target; "enableServiceLinks: false"/);
  assert.match(warnings[1] ?? '', /^STRESS_PORT, .* for a Service named stress;/);

  for (const [name, value] of Object.entries({
    STRESS_VSU: '5',
    STRESS_TARGET_PORT: '8003',
    STRESS_TARGET_SERVICE_HOST: 'the host',
    STRESS_SERVICE_PROT: '80',
  })) {
    assert.match(problemsOf({ [name]: value }).join(), new RegExp(`^${name}: no such setting`));
    assert.deepEqual(parseSettings({ [name]: value }).warnings, []);
  }
  const links = /_SERVICE_(HOST|PORT)|_PORT(_|$)/;
  assert.deepEqual(
    settingsTable().filter(({ name }) => links.test(name)),
    [],
    'no Service can set a setting',
  );
});

test('every example of the table is accepted by itself', () => {
  for (const { name, example } of settingsTable()) {
    const companions: Record<string, string> =
      name === 'STRESS_RATE' ? { STRESS_DURATION: '1m' } : name === 'STRESS_DURATION' ? { STRESS_VUS: '5' } : {};
    assert.deepEqual(problemsOf({ [name]: example, ...companions }), [], name);
  }
});

/** Where the value of a row is that has no member of its own. */
const combined: Readonly<Record<string, (settings: Settings) => unknown>> = {
  token: ({ headers }) => headers.Authorization,
  subprotocol: ({ headers }) => headers['Sec-WebSocket-Protocol'],
  cloudName: ({ cloud }) => cloud?.name,
  cloudProject: ({ cloud }) => cloud?.project,
  cloudZones: ({ cloud }) => cloud?.zones,
};

test("every row's value arrives under its key, and no other member exists", () => {
  const keys = settingsTable().map(({ key }) => key);
  const members = Object.keys(parseSettings({}).settings);
  assert.deepEqual(members.toSorted(), [...keys.filter((key) => !(key in combined)), 'cloud'].toSorted());
  for (const { key, name, example, default: fallback, choices } of settingsTable()) {
    const valueOf = (text: string): unknown => {
      const { settings } = parseSettings({ [name]: text });
      const own = combined[key];
      return own === undefined ? settings[key as keyof Settings] : own(settings);
    };
    const other = choices?.find((choice) => choice !== fallback) ?? example;
    const value = JSON.stringify(valueOf(other)) ?? '';
    assert.notEqual(value, '', `${key} has no value`);
    if (other !== fallback && other !== '{}')
      assert.notEqual(value, JSON.stringify(valueOf('')), `${key} ignores its value`);
  }
});

type IsAny<A> = 0 extends 1 & A ? true : false;
type Same<A, B> = IsAny<A> extends true ? false : [A, B] extends [B, A] ? true : false;

test('types follow from rows: a default, a choice, a list, or a value that may be absent', () => {
  const same: [
    Same<Settings['url'], string>,
    Same<Settings['pauseMs'], number>,
    Same<Settings['insecure'], boolean>,
    Same<Settings['vus'], number | undefined>,
    Same<Settings['rounds'], readonly number[] | undefined>,
    Same<Settings['only'], readonly string[] | undefined>,
    Same<Settings['records'], 'off' | 'failures' | 'all'>,
  ] = [true, true, true, true, true, true, true];
  assert.ok(same.every(Boolean));
});

test('a flag is its setting in small letters', () => {
  const flags = new Map(settingsTable().map(({ name, flag }): [string, string] => [name, flag]));
  assert.deepEqual([flags.get('STRESS_VUS'), flags.get('STRESS_ACK_TIMEOUT')], ['--vus', '--ack-timeout']);
});

const memory = factsOf({ name: 'memory', question: '', usesVus: true });

const problemsAsSpelled = (asked: Record<string, string>, variables: Record<string, string>): string[] => {
  const spelled = spellingOf(asked, variables);
  const inputs = readInputs(
    { ...variables, ...asked },
    () => {
      throw new Error(': no such file');
    },
    {},
    spelled,
  );
  return [...inputs.problems, ...settingConflicts(memory, inputs.settings, ['memory'], spelled)];
};

const named = (texts: readonly string[]): string[] => texts.map((text) => text.split(/[: ]/)[0] ?? '').toSorted();

test('an error names a setting as the user spelled it: by its flag, or by its variable', () => {
  const wrong = { STRESS_VUS: 'many', STRESS_THRESHOLDS: 'x.json', STRESS_COMMANDS: 'y.json', STRESS_FLEET: '5' };
  const byFlag = ['--commands', '--fleet', '--thresholds', '--vus'];
  const byVariable = ['STRESS_COMMANDS', 'STRESS_FLEET', 'STRESS_THRESHOLDS', 'STRESS_VUS'];
  assert.deepEqual(named(problemsAsSpelled(wrong, {})), byFlag);
  assert.deepEqual(named(problemsAsSpelled({}, wrong)), byVariable);
  assert.deepEqual(named(problemsAsSpelled({ STRESS_VUS: 'x' }, { STRESS_RATE: 'y' })).slice(0, 2), [
    '--vus',
    'STRESS_RATE',
  ]);
  assert.deepEqual(
    problemsAsSpelled({ STRESS_RATE: '5' }, {})[0],
    '--rate: expected together with --duration, such as --duration 1m',
  );
  assert.deepEqual(
    problemsAsSpelled({ STRESS_ROUNDS: '5' }, { STRESS_VUS: '5' })[0],
    '--rounds: expected alone; it does not go with STRESS_VUS, --duration or --rate',
  );
});

const bad: [name: string, value: string, message: RegExp][] = [
  ['STRESS_URL', 'http://localhost:8003/ws', /expected ws:\/\/ in place of http:\/\/.*received "http/],
  ['STRESS_URL', 'localhost:8003', /expected an address with ws:\/\/ or wss:\/\/.*received "localhost/],
  ['STRESS_URL', 'ws://', /expected an address/],
  ['STRESS_URL', 'localhost:8003', /expected an address/],
  ['STRESS_URL', 'ws://host:99999/x', /expected an address/],
  ['STRESS_URL', 'ws://host/a b', /expected an address/],
  ['STRESS_URL', 'ws://127.1:8003/ws', /expected an address/],
  ['STRESS_URL', 'ws://2130706433/ws', /expected an address/],
  ['STRESS_URL', 'ws://0x7f000001/ws', /expected an address/],
  ['STRESS_URL', 'ws://127.0.0.01/ws', /expected an address/],
  ['STRESS_URL', 'ws://user:pass@host/ws', /expected an address/],
  ['STRESS_VUS', 'many', /expected a whole number from 1 to 100000, such as 50; received "many"/],
  ['STRESS_VUS', '0', /whole number/],
  ['STRESS_LINES', '10000001', /a whole number from 1 to 10000000/],
  ['STRESS_TRACE', 'true', /expected off or failures/],
  ['STRESS_ONLY', 'single,,concurrent', /expected names of scenarios, separated by commas/],
  ['STRESS_SKIP', 'Memory Leak', /expected names of scenarios, separated by commas/],
  ['STRESS_LIMITED_URL', 'http://h/x', /expected ws:\/\/ in place of http/],
  ['STRESS_HELPER_URL', 'localhost:80', /expected an address such as http/],
  ['STRESS_VUS', '-1', /whole number/],
  ['STRESS_VUS', '1.5', /whole number/],
  ['STRESS_VUS', '1e3', /whole number/],
  ['STRESS_VUS', '100001', /whole number/],
  ['STRESS_ROUNDS', '5,,20', /whole numbers/],
  ['STRESS_ROUNDS', '5;10', /whole numbers/],
  ['STRESS_ROUNDS', Array.from({ length: 101 }, () => '1').join(','), /at most 100/],
  ['STRESS_RATE', '0', /a number from 0\.001 to/],
  ['STRESS_RATE', 'fast', /a number from 0\.001 to/],
  ['STRESS_RATE', '0.0004', /at most three decimals/],
  ['STRESS_URL', 'ws://host/%zz', /expected an address/],
  ['STRESS_PAUSE', '5', /a duration of 1ms to 168h with its unit/],
  ['STRESS_PAUSE', '1 s', /a duration/],
  ['STRESS_SESSION_TIMEOUT', '9999h', /a duration/],
  ['STRESS_INSECURE', 'yes', /true or false/],
  ['STRESS_COMMANDS', 'perl', /posix, python, or the path of a .json file/],
  ['STRESS_SUBPROTOCOL', 'a\r\nX: y', /without line ends/],
  ['STRESS_HEADERS', '[]', /a JSON object of texts/],
  ['STRESS_HEADERS', '{"A B":"x"}', /header names/],
  ['STRESS_HEADERS', '{"A":"x\\ny"}', /without line ends/],
  ['STRESS_HEADERS', '{"A":1}', /a text/],
  ['STRESS_SUBPROTOCOL', 'a b', /a subprotocol, or different ones separated by commas/],
  ['STRESS_SUBPROTOCOL', 'mcp, mcp', /different ones/],
  ['STRESS_HEADERS', '{"sec-websocket-protocol":"a b"}', /a subprotocol/],
  ...[
    'Upgrade',
    'connection',
    'Sec-WebSocket-Key',
    'sec-websocket-version',
    'SEC-WEBSOCKET-EXTENSIONS',
    'Content-Length',
    'Transfer-Encoding',
  ].map((header): [string, string, RegExp] => [
    'STRESS_HEADERS',
    JSON.stringify({ [header]: 'x' }),
    new RegExp(`headers that STRESS_HEADERS may set: not ${header}, `),
  ]),
  ['STRESS_VSU', '5', /no such setting; did you mean STRESS_VUS\?/],
  ['STRESS_UNHEARD_OF_THING', '5', /no such setting$/],
];

for (const [name, value, message] of bad) {
  test(`refused: ${name}=${value.slice(0, 30)}`, () => {
    const companions: Record<string, string> = name === 'STRESS_RATE' ? { STRESS_DURATION: '1m' } : {};
    const problems = problemsOf({ [name]: value, ...companions });
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.ok(problems[0]?.startsWith(`${name}: `));
    assert.match(problems[0] ?? '', message);
  });
}

test('settings that do not go together are refused', () => {
  assert.match(problemsOf({ STRESS_ROUNDS: '5', STRESS_VUS: '5' })[0] ?? '', /expected alone/);
  assert.match(problemsOf({ STRESS_RATE: '5' })[0] ?? '', /together with STRESS_DURATION/);
  assert.match(problemsOf({ STRESS_DURATION: '5s' })[0] ?? '', /together with STRESS_VUS or STRESS_RATE/);
});

test('durations that k6 would refuse are refused here', () => {
  assert.match(problemsOf({ STRESS_VUS: '2', STRESS_DURATION: '500ms' })[0] ?? '', /at least 1s here/);
  assert.match(problemsOf({ STRESS_RATE: '20', STRESS_DURATION: '1s' })[0] ?? '', /at least 2s here/);
  assert.deepEqual(problemsOf({ STRESS_RATE: '20', STRESS_DURATION: '2s' }), []);
});

test('all problems come at once', () => {
  assert.equal(problemsOf({ STRESS_URL: 'x', STRESS_VUS: 'y', STRESS_PAUSE: 'z', STRESS_NO: '1' }).length, 4);
});

test('no error repeats a secret, and an address is shown without its query', () => {
  const problems = problemsOf({
    STRESS_TOKEN: 'geheim\n',
    STRESS_HEADERS: '{"A":"geheim\\n"}',
    STRESS_URL: 'wss//h?token=geheim',
  });
  assert.equal(problems.length, 3);
  assert.ok(!problems.join().includes('geheim'));
  assert.equal(shownUrl('wss://host/ws?token=geheim'), 'wss://host/ws?…');
  assert.equal(shownUrl('wss://me:geheim@host/ws'), 'wss://…@host/ws');
});

test('an address shows no secret, whatever is wrong with it', () => {
  for (const [address, shown] of [
    ['ws://h/ws?token=geheim\n', 'ws://h/ws?…'],
    ['ws://h/ws\n?token=geheim\r\n', 'ws://h/ws\n?…'],
    ['ws://h/ws#access_token=geheim', 'ws://h/ws#…'],
    ['ws://bob:geheim/x@h/ws', 'ws://…@h/ws'],
    ['ws://bob:ge@heim/x@h/ws?a=b@c', 'ws://…@h/ws?…'],
    ['ws://bob:ge?heim@h/ws', 'ws://…@h/ws'],
    ['ws://bob:ge#heim@h/ws', 'ws://…@h/ws'],
    ['bob:geheim@h/ws', '…@h/ws'],
    ['ws://bob:geheim\n@h/ws', 'ws://…@h/ws'],
    ['ws://h:8003/a@b?c', 'ws://h:8003/a@b?…'],
    ['ws://[::1]:8003/a@b', 'ws://[::1]:8003/a@b'],
    ['ws://h:8003/ws/mcp', 'ws://h:8003/ws/mcp'],
    ['', ''],
  ] as const) {
    assert.equal(shownUrl(address), shown, JSON.stringify(address));
  }
  for (const name of ['STRESS_URL', 'STRESS_LIMITED_URL', 'STRESS_DOWN_URL', 'STRESS_HELPER_URL', 'STRESS_VUS']) {
    for (const address of ['ws://h/ws?token=geheim\n', 'ws://bob:geheim/x@h/ws', 'http://bob:geheim@h/x?y=geheim']) {
      const [problem = ''] = problemsOf({ [name]: address });
      assert.match(problem, new RegExp(`^${name}: expected `));
      assert.doesNotMatch(problem, /geheim/);
    }
  }
});

test('token, headers and subprotocol become headers of the handshake', () => {
  const { settings } = parseSettings({ STRESS_TOKEN: 't', STRESS_HEADERS: '{"X-A":"1"}', STRESS_SUBPROTOCOL: 'mcp' });
  assert.deepEqual(settings.headers, { 'X-A': '1', Authorization: 'Bearer t', 'Sec-WebSocket-Protocol': 'mcp' });
});

test('headers of one name in any case are one header, and a subprotocol is spelled one way', () => {
  const { settings, problems } = parseSettings({
    STRESS_HEADERS: '{"authorization":"old","X-A":"1","x-a":"2","sec-websocket-protocol":"v2,mcp"}',
    STRESS_TOKEN: 't',
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(settings.headers, { 'x-a': '2', 'Sec-WebSocket-Protocol': 'v2, mcp', Authorization: 'Bearer t' });
});

test('addresses: schemes, hosts and ports', () => {
  assert.deepEqual(parseUrl('ws://localhost:8003/ws/mcp'), {
    secure: false,
    host: 'localhost:8003',
    origin: 'http://localhost:8003',
  });
  assert.deepEqual(parseUrl('wss://[::1]/x'), { secure: true, host: '[::1]', origin: 'https://[::1]' });
  assert.deepEqual(parseUrl('WS://a.b?x=1')?.origin, 'http://a.b');
});

test('property: parseSettings never throws, whatever the environment', () => {
  const names = settingsTable().map(({ name }) => name);
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' })), (env) => {
      const { problems } = parseSettings(env);
      assert.ok(problems.every((problem) => problem.length > 0));
    }),
    { numRuns: 500 },
  );
});

test('property: a duration is the sum of its parts', () => {
  fc.assert(
    fc.property(fc.nat(100), fc.nat(59), fc.nat(59), fc.nat(999), (h, m, s, ms) => {
      assert.equal(parseDuration(`${h}h${m}m${s}s${ms}ms`), ((h * 60 + m) * 60 + s) * 1000 + ms);
    }),
  );
  assert.deepEqual(
    ['', '5', 's', '1d', '1s '].map(parseDuration),
    Array.from({ length: 5 }, () => undefined),
  );
});
