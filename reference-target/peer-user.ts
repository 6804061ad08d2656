import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { endianness } from 'node:os';

/** The system's tables of TCP sockets: the one for IPv6 also has the IPv4 connections of IPv6 sockets. */
const tables = ['/proc/net/tcp', '/proc/net/tcp6'] as const;
/** The number by which a user namespace shows every user whom it does not know. */
const overflowUser = 65_534;
const established = '01';

/** Whether this system shows which user a connection of this machine belongs to (Linux). */
export const showsPeerUsers = (): boolean => {
  try {
    readFileSync(tables[0]);
    return process.getuid?.() !== overflowUser;
  } catch {
    return false;
  }
};

/** Finds out whether the other end of a loopback connection belongs to the user of this process. */
export class PeerUsers {
  /** A read that has not begun yet, shared by all who wait for it: a read shows only connections made before it began. */
  private next: Promise<string[]> | undefined;
  private current: Promise<unknown> = Promise.resolve();

  /** True for processes of the same user and of root, who can run anything anyway. */
  async isOwn({ remoteAddress, remotePort, localAddress, localPort }: Socket): Promise<boolean> {
    if (remoteAddress === undefined || localAddress === undefined) return false;
    const ends = [
      [remoteAddress, remotePort],
      [localAddress, localPort],
    ] as const;
    const keys = [ends, ends.map(([address, port]) => [mapped(address), port] as const)].map((pair) =>
      pair.map(([address, port]) => `${hexAddress(address)}:${hexPort(port)}`).join(' '),
    );
    const text = (await this.read()).join('');
    return keys.some((key) => userOf(text, key));
  }

  private read(): Promise<string[]> {
    if (this.next !== undefined) return this.next;
    const next = this.current.then(() => {
      this.next = undefined;
      return Promise.all(tables.map((table) => readFile(table, 'latin1').catch(() => '')));
    });
    this.next = next;
    this.current = next;
    return next;
  }
}

/** Whether the table has this connection, held by a process of the own user or of root. */
const userOf = (text: string, key: string): boolean => {
  const at = text.indexOf(`: ${key} `);
  if (at < 0) return false;
  const end = text.indexOf('\n', at);
  // proc_pid_net(5): addresses, state, queues, timer, retransmissions, user, timeouts, inode.
  const [, , , state, , , , user, , inode] = text.slice(at, end < 0 ? undefined : end).split(/ +/);
  // The system shows a socket that its process has closed as one of root, without an inode.
  if (state !== established || inode === '0') return false;
  return user === '0' || user === String(process.getuid?.());
};

const hexPort = (port = 0): string => port.toString(16).toUpperCase().padStart(4, '0');

const mapped = (address: string): string => (address.includes(':') ? address : `::ffff:${address}`);

/** An address as the tables show it: 32-bit words in the byte order of the machine. */
const hexAddress = (address: string): string => {
  const bytes = address.includes(':') ? ipv6Bytes(address) : ipv4Bytes(address);
  let text = '';
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4);
    for (const byte of endianness() === 'LE' ? word.toReversed() : word) text += byte.toString(16).padStart(2, '0');
  }
  return text.toUpperCase();
};

const ipv4Bytes = (address: string): number[] => address.split('.').map(Number);

/** The numbers of a part of an IPv6 address. */
const words = (part: string): number[] => (part === '' ? [] : part.split(':').map((word) => parseInt(word, 16)));

const ipv6Bytes = (address: string): number[] => {
  const [, ipv4] = /^(?:::ffff:)([0-9.]+)$/i.exec(address) ?? [];
  if (ipv4 !== undefined) return [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...ipv4Bytes(ipv4)];
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const [first, last] = [words(head), words(tail ?? '')];
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last].flatMap((word) => [word >> 8, word & 0xff]);
};
