import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { endianness } from 'node:os';

/** The system's tables of TCP sockets: the one for IPv6 also has the IPv4 connections of IPv6 sockets. */
const tables = ['/proc/net/tcp', '/proc/net/tcp6'] as const;
/** The number by which a user namespace shows every user whom it does not know. */
const overflowUser = 65_534;

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
  private readonly own = new WeakSet<Socket>();

  /**
   * True for processes of the same user and of root, who can run anything anyway. It reads the tables at once, so that a
   * handshake is answered in its turn, and looks for the `others` too: a burst of connections costs one read.
   */
  isOwn(socket: Socket, others: Iterable<Socket> = []): boolean {
    if (this.own.has(socket)) return true;
    const connections = ownConnections();
    for (const each of [socket, ...others]) {
      if (keysOf(each).some((key) => connections.has(key))) this.own.add(each);
    }
    return this.own.has(socket);
  }
}

const readTable = (table: string): string => {
  try {
    return readFileSync(table, 'latin1');
  } catch {
    // A system without IPv6 has no table for it.
    return '';
  }
};

/** A connection as its other end has it in the tables, for IPv4 in both of them. */
const keysOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string[] => {
  // It is closed.
  if (remoteAddress === undefined || localAddress === undefined) return [];
  const keyOf = (from: string, to: string): string =>
    `${hexAddress(from)}:${hexPort(remotePort)} ${hexAddress(to)}:${hexPort(localPort)}`;
  return [keyOf(remoteAddress, localAddress), keyOf(mapped(remoteAddress), mapped(localAddress))];
};

/** proc_pid_net(5): local and remote address, state, queues, timer, retransmissions, user, timeouts, inode. */
const tableLine = /: (\S+ \S+) 01 \S+ \S+ \S+ +(\d+) +\d+ (\d+)/g;

/** The established connections of the own user and of root. */
const ownConnections = (): Set<string> => {
  const users = new Set(['0', String(process.getuid?.())]);
  const found = new Set<string>();
  for (const table of tables) {
    for (const [, key = '', user = '', inode] of readTable(table).matchAll(tableLine)) {
      // The system shows a socket that its process has closed as one of root, without an inode.
      if (users.has(user) && inode !== '0') found.add(key);
    }
  }
  return found;
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
