import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { profileByPart } from './bench/profile/profile.ts';

test('sessions of the profile succeed over its socket in memory, and each of their parts has a figure', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'ws-stress-test-'));
  try {
    const lines = (await profileByPart(folder, 2)).split('\n');
    const parts = lines.slice(
      1,
      lines.findIndex((line) => line.startsWith('in all')),
    );
    assert.equal(parts.length, 9);
    for (const line of parts) assert.match(line, /^\S.* +[\d.]+ µs +\d+ % +[\d.]+ µs +\d+ %$/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
