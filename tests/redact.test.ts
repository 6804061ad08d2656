import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { excerpt } from '../lib/jsonrpc/messages.ts';
import { findingRecord, sessionRecord } from '../lib/results/record.ts';
import { hide, hideInOutcome } from '../lib/results/redact.ts';
import { secretsOf, secretsOfCommands } from '../lib/results/secrets.ts';

const url = 'ws://host/path';
const secretsIn = (headers: Record<string, string>): string[] => secretsOf({ url, headers });
const secrets = secretsIn({ Authorization: 'Bearer s3cr3t', 'X-Key': 'a"b\\c', 'X-Flag': 'yes' });

test('a header’s value is a secret, the token of a bearer too; a short one is none, unless its name says so', () => {
  assert.equal(hide('received Bearer s3cr3t, s3cr3t and yes', secrets), 'received …, … and yes');
  assert.equal(hide('received 17 and 1750', secretsIn({ 'X-Api-Key': '17' })), 'received … and 1750');
});

test('each value in a URL’s query is a secret, and no URL without one has any', () => {
  const ofQuery = secretsOf({ url: 'ws://host/path?token=abcd&v=1&efgh&pass=p1', headers: {} });
  assert.equal(hide('token abcd v 1 efgh p1', ofQuery), 'token … v 1 … …');
  assert.deepEqual(secretsOf({ url: 'ws://host/path', headers: {} }), []);
});

test('a token is a secret however short it is, where it is a word', () => {
  const short = secretsIn({ Authorization: 'Bearer ab' });
  assert.equal(hide('about ab: "ab", Bearer ab, grab', short), 'about …: "…", …, grab');
});

test('a text shows no secret, nor as JSON writes it', () => {
  assert.equal(hide('told s3cr3t, a"b\\c and "a\\"b\\\\c"', secrets), 'told …, … and "…"');
  assert.equal(hide('told yes', secrets), 'told yes');
});

const value = 'p+w/ö &<x>=1"';

/** As others may write a secret. */
const written: Record<string, (text: string) => string> = {
  'as it is': (text) => text,
  'percent-encoded': (text) => encodeURIComponent(text),
  'percent-encoded in lower case': (text) => encodeURIComponent(text).replace(/%../g, (byte) => byte.toLowerCase()),
  'as a form': (text) => new URLSearchParams({ text }).toString().slice('text='.length),
  'in JSON': (text) => JSON.stringify({ text }),
  'in JSON in JSON': (text) => JSON.stringify({ text: JSON.stringify({ text }) }),
  'in JSON of Python': (text) =>
    JSON.stringify({ text }).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'in JSON of Go': (text) =>
    JSON.stringify({ text }).replace(/[<>&]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'in Base64': (text) => Buffer.from(text).toString('base64'),
  'in Base64 of addresses': (text) => Buffer.from(text).toString('base64url'),
  'as bytes': (text) => Buffer.from(text).toString('latin1'),
};

/** Settings in which the value is. */
const places: Record<string, Parameters<typeof secretsOf>[0]> = {
  'a token': { url, headers: { Authorization: `Bearer ${value}` } },
  'basic auth': { url, headers: { authorization: `Basic ${Buffer.from(`bob:${value}`).toString('base64')}` } },
  'a header': { url, headers: { 'X-Team': value } },
  'a cookie': { url, headers: { Cookie: `theme=dark; id="${encodeURIComponent(value)}"` } },
  'the query of the address': { url: `${url}?kind=${encodeURIComponent(value)}`, headers: {} },
  'the query of the second instance': {
    url,
    limitedUrl: `${url}?a=1&k=${encodeURIComponent(value).replaceAll('%20', '+')}`,
    headers: {},
  },
  'the query of an address where nothing listens': {
    url,
    downUrl: `${url}?k=${encodeURIComponent(value)}`,
    headers: {},
  },
  'the password of the helper’s address': {
    url,
    helperUrl: `http://bob:${encodeURIComponent(value)}@127.0.0.1:1`,
    headers: {},
  },
  'the helper’s token': { url, headers: {}, helperToken: value },
};

for (const [place, settings] of Object.entries(places)) {
  test(`the secret of ${place} is hidden in every form`, () => {
    const all = secretsOf(settings);
    for (const [how, write] of Object.entries(written)) {
      const form = write(value).replace(/^\{"text":"|"\}$/g, '');
      const shown = hide(`before ${form} after`, all);
      assert.ok(!shown.includes(form), `${how}: ${shown}`);
      assert.match(shown, /^before .* after$/, how);
    }
  });
}

test('property: whatever a token is, no text shows it, and reading the settings never fails', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 4 }), fc.string({ unit: 'binary' }), (token, around) => {
      const all = secretsIn({ Authorization: `Bearer ${token}`, Cookie: token });
      assert.ok(!hide(`${around} Bearer ${token} ${around}`, all).includes(token) || '…'.includes(token));
      hide(around, secretsOf({ url: token, headers: { [token]: around }, helperUrl: around }));
    }),
  );
});

test('a record shows no secret in what came from outside, and keeps its own members where a secret is one of their words', () => {
  const run = { id: 'session', marker: 'WEBSOCKET_STRESS_2026', test: 'rejected', startedAt: '2026-01-01T00:00:00Z' };
  const place = { test: 'rejected', round: 2026, session: 2026, vu: 1, startedAtMs: Date.UTC(2026, 0, 1) };
  const command = {
    name: 'session',
    class: 'simple',
    command: 'echo session 2026',
    proof: { lines: ['session 2026'] },
  };
  const settings = {
    url: 'ws://host/?kind=session&what=rejected&year=2026&reason=not+allowed&k=SECRET12&type=finding',
    headers: {},
  };
  const hidden = { secrets: secretsOf(settings), ofCommands: secretsOfCommands(settings) };
  const outcome = {
    kind: 'rejected',
    code: -32001,
    message: 'session SECRET12 rejected',
    reason: 'not allowed',
  } as const;
  const [line, other] = [command, { ...command, command: 'echo SECRET12' }].map((each) =>
    sessionRecord(
      run,
      place,
      {
        outcome,
        durationMs: 2026,
        messagesReceived: 2026,
        controls: [],
        commands: [{ ...command, outcome, durationMs: 1, lines: 1, bytes: 2026 }],
        trace: ['> session', '< SECRET12'],
      },
      hidden,
      each,
    ),
  );
  const record = JSON.parse(line ?? '') as Record<string, unknown>;
  const shown = { ...outcome, message: '… … …' };
  assert.deepEqual(record, {
    ...(JSON.parse(
      sessionRecord(run, place, { outcome, durationMs: 2026, messagesReceived: 2026, controls: [], commands: [] }),
    ) as object),
    outcome: shown,
    commands: [{ ...command, outcome: shown, durationMs: 1, lines: 1, bytes: 2026 }],
    command,
    trace: ['> …', '< …'],
  });
  assert.equal((JSON.parse(other ?? '') as { command: unknown }).command, null, 'a command that holds a secret');

  const asked = { name: 'session', section: 'rejected', expected: 'a finding of the session' };
  const finding = JSON.parse(
    findingRecord(run, 'session', asked, { kind: 'deviating', received: 'SECRET12 of a session' }, { hidden }),
  ) as Record<string, unknown>;
  const { type, test: of, case: name, section, expected, received } = finding;
  assert.deepEqual(
    [type, of, name, section, expected, received],
    ['finding', 'session', 'session', 'rejected', 'a finding of the session', '… of a …'],
  );
});

test('an outcome keeps its kind and codes', () => {
  const words = ['closed', 'timeout', 'connect', 'ended'];
  assert.deepEqual(hideInOutcome({ kind: 'closed', code: 1000, detail: 'ended' }, words), {
    kind: 'closed',
    code: 1000,
    detail: '…',
  });
  assert.deepEqual(hideInOutcome({ kind: 'timeout', phase: 'connect', detail: 'no connect' }, words), {
    kind: 'timeout',
    phase: 'connect',
    detail: 'no …',
  });
  assert.deepEqual(hideInOutcome({ kind: 'connect-failed', reason: 'connect: timeout' }, words), {
    kind: 'connect-failed',
    reason: '…: …',
  });
});

test('the end of a secret shows neither where an excerpt begins within it', () => {
  const all = secretsIn({ Authorization: 'Bearer SECRETVALUE123LONG' });
  const text = `${'x'.repeat(60)}… "…TVALUE123LONG and more…" of …ALUE123LONG`;
  assert.doesNotMatch(hide(text, all), /LONG/);
});

test('the beginning of a secret shows neither where an excerpt was cut off within it', () => {
  const token = 'SECRETVALUE123LONG';
  const bearer = secretsOf({ url: 'ws://host', headers: { Authorization: `Bearer ${token}` } });
  for (let before = 40; before <= 120; before++) {
    const told = `${'x'.repeat(before)} Bearer ${token} and more, ${'y'.repeat(100)}`;
    for (const cut of [
      excerpt(told),
      `received ${excerpt(told)} and so on`,
      `${told.slice(0, 100)}…`,
      told.slice(0, 90),
    ]) {
      assert.doesNotMatch(hide(cut, bearer), /SECR|SE(C|CR)?…/, cut);
    }
  }
  assert.equal(hide(`${'x'.repeat(90)} and no secret`, bearer), `${'x'.repeat(90)} and no secret`);
});
