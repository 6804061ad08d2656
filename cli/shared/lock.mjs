import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Runs `work` while no other process of this machine runs work under the same lock directory.
 *
 * Each contender puts a claim, an empty file named for its process, into the directory, and then looks: alone among the
 * living it holds the lock, else it withdraws and tries again later. Of two that claim at once at least one sees the
 * other, so never two hold it. A claim whose process is gone counts for nothing, and as no name is ever used twice it
 * can be removed by whoever sees it.
 */
export const withLock = async (directory, work, { signal, onWait } = {}) => {
  mkdirSync(directory, { recursive: true });
  const claim = `${process.pid}-${startTimeOf(process.pid)}-${randomUUID()}`;
  const path = join(directory, claim);
  const withdraw = () => rmSync(path, { force: true });

  for (let isWaiting = false; ;) {
    signal?.throwIfAborted();
    let holder = livingClaim(directory, claim);
    if (holder === undefined) {
      writeFileSync(path, '', { flag: 'wx' });
      holder = livingClaim(directory, claim);
      if (holder === undefined) break;
      withdraw();
    } else if (!isWaiting) {
      isWaiting = true;
      onWait?.(Number.parseInt(holder, 10));
    }
    // Uneven waits, so that two that withdrew together do not meet again.
    await delay(50 + Math.random() * 100);
  }

  process.once('exit', withdraw);
  try {
    return await work();
  } finally {
    process.off('exit', withdraw);
    withdraw();
  }
};

const livingClaim = (directory, own) =>
  readdirSync(directory).find((name) => {
    const match = /^(\d+)-([^-]+)-/.exec(name);
    if (match === null || name === own) return false;
    if (startTimeOf(Number(match[1])) === match[2]) return true;
    rmSync(join(directory, name), { force: true });
    return false;
  });

/** When a process started, as a word; undefined when it has ended. With the process id it names one process for good. */
const startTimeOf = (pid) => {
  const [state, startTime] = process.platform === 'linux' ? statusFromProc(pid) : statusFromPs(pid);
  // A zombie has ended, though nobody has collected it yet.
  return state === undefined || state.startsWith('Z') ? undefined : startTime;
};

const statusFromProc = (pid) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // proc(5): the second field is the program's name in parentheses and may hold anything; field 3 follows it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return [fields[0], fields[19]];
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return [];
    throw error;
  }
};

const statusFromPs = (pid) => {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [state, ...startTime] = line.trim().split(/\s+/);
    return [state, startTime.join('_')];
  } catch (error) {
    // ps exits with 1 when there is no such process.
    if (error.status === 1) return [];
    throw error;
  }
};
