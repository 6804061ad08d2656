import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Runs `work` while no other process on this machine runs work under the same lock directory.
 *
 * Each process puts a claim, an empty file named after it, into the directory and then lists the others. If no other
 * living process has a claim, it holds the lock. Otherwise it withdraws and tries again later. Of two processes that claim
 * at once, at least one sees the other, so two never hold the lock. Any process may remove the claim of a dead one, because
 * no name is used twice.
 *
 * @template T
 * @param {string} directory
 * @param {() => Promise<T>} work
 * @param {{ signal?: AbortSignal, onWait?: (holder: number) => void }} [options] `signal` ends the wait and its reason is
 * thrown; `onWait` is called once, with the process id of the holder, if the lock is not free.
 * @returns {Promise<T>}
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
    // Random, so that two that withdrew together do not collide again.
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

/** When a process started, undefined if it has ended. Together with its id this identifies a process: ids are reused. */
const startTimeOf = (pid) => {
  const [state, startTime] = process.platform === 'linux' ? statusFromProc(pid) : statusFromPs(pid);
  // A zombie has ended; its parent has not waited for it yet.
  return state === undefined || state.startsWith('Z') ? undefined : startTime;
};

const statusFromProc = (pid) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // proc(5): field 2 is the program's name in parentheses, which may contain anything.
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
    // ps exits with 1 if there is no such process.
    if (error.status === 1) return [];
    throw error;
  }
};
