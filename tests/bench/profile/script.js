// Where a session's time goes: `concurrent` and the plain script over a socket in memory, in one VU; profile.ts bundles and runs it.
import { createShapes } from '../../../lib/session/session.ts';
import { tagSamples } from '../../../lib/k6/metrics.ts';
import { run as concurrent } from '../../../scenarios/concurrent.ts';
import plain from '../plain.js';
import { begin, exchanges, mark, now, spent } from './memory-ws.js';

const { BATCHES, PROFILE } = __ENV;
const sessions = 100;

/** The least that each part took, by name: µs per session. */
const least = {};
const keepLeast = (name, figures) => {
  const kept = (least[name] ??= figures);
  figures.forEach((figure, at) => {
    if (figure < kept[at]) kept[at] = figure;
  });
};

const profileSessions = (name, session) => {
  spent.length = 0;
  for (let left = sessions; left > 0; left--) {
    begin();
    session();
    mark();
  }
  keepLeast(
    name,
    spent.map((ms) => (ms * 1000) / sessions),
  );
};

const profileCalls = (name, call) => {
  const startedAt = now();
  for (let turn = 0; turn < sessions; turn++) call(turn);
  keepLeast(name, [((now() - startedAt) * 1000) / sessions]);
};

const shapes = createShapes();
const read = (turn) => {
  shapes.begin();
  for (const text of exchanges[turn & 3]) shapes.read(text);
};
const parse = (turn) => {
  for (const text of exchanges[turn & 3]) JSON.parse(text);
};
const tagsOf = (command) => ({ test: 'concurrent', round: '1', class: 'simple', command });
const tags = [tagsOf('one-line'), tagsOf('another')];

// The functions of a k6 that profiles by function; the first iteration teaches.
const profiler = PROFILE === undefined ? undefined : globalThis.require('k6/x/profile');

export default () => {
  if (profiler) {
    for (let left = sessions; left > 0; left--) void concurrent(undefined);
    if (__ITER === 0) profiler.start(PROFILE);
    else if (__ITER + 1 === Number(BATCHES)) profiler.stop();
    return;
  }
  profileSessions('plain', plain);
  profileSessions('ours', () => concurrent(undefined));
  profileSessions('nothing', () => {
    for (let parts = 8; parts > 0; parts--) mark();
  });
  profileCalls('read', read);
  profileCalls('parse', parse);
  profileCalls('tags', (turn) => tagSamples(tags[turn & 1]));
  if (__ITER + 1 === Number(BATCHES)) console.log(JSON.stringify(least));
};
