import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { TestContext } from 'node:test';
import path from 'node:path';
import { WebSocket } from 'ws';
import { findOnPath } from '../cli/setup/k6-source.ts';

/** Chromium's path; undefined where it is not installed. */
export const chromium: string | undefined = findOnPath('chromium', process.env.PATH)[0];

/** How a page is looked at. */
export interface View {
  width: number;
  height: number;
  scheme?: 'light' | 'dark';
  media?: 'screen' | 'print';
  /** Without, scripts of the page don't run. */
  hasScript?: boolean;
}

/** A page in a browser. */
export interface BrowserPage {
  /** Shows an address as a view has it, and waits until it is loaded. */
  open: (url: string, view: View) => Promise<void>;
  /** The value of an expression in the page. */
  value: <Value>(expression: string) => Promise<Value>;
  /** Writes a picture of the window, or of the whole page, as PNG. */
  picture: (file: string, isWhole?: boolean) => Promise<void>;
  /** Writes the page as it would be printed, as PDF. */
  print: (file: string) => Promise<void>;
  /** Presses, moves and releases the mouse along these points. */
  drag: (from: readonly [x: number, y: number], to: readonly [x: number, y: number]) => Promise<void>;
  move: (x: number, y: number) => Promise<void>;
  /** What the console and the browser complained about since the page was opened. */
  complaints: () => string[];
}

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

const startedWithin = 30_000;

/** Starts Chromium without a window, which can reach nothing but loopback, for as long as a test lasts. */
export const startBrowser = async (t: TestContext): Promise<BrowserPage> => {
  const profile = mkdtempSync(path.join(tmpdir(), 'ws-stress-chromium-'));
  const child = spawn(
    chromium ?? '',
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--hide-scrollbars',
      '--force-color-profile=srgb',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  t.after(async () => {
    const ended = once(child, 'exit');
    // With all the processes that it started.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  const address = await new Promise<string>((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => reject(new Error(`chromium did not start: ${text}`)), startedWithin);
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      const found = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    });
  });
  const socket = new WebSocket(address, { perMessageDeflate: false });
  await once(socket, 'open');
  let last = 0;
  const waiting = new Map<number, (message: Message) => void>();
  const listeners = new Set<(message: Message) => void>();
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString('utf8')) as Message;
    if (message.id === undefined) for (const listener of listeners) listener(message);
    else waiting.get(message.id)?.(message);
  });
  const send = async (
    method: string,
    params: Record<string, unknown> = {},
    sessionId?: string,
  ): Promise<Record<string, unknown>> => {
    const id = ++last;
    const answered = new Promise<Message>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) }));
    const { error, result = {} } = await answered;
    waiting.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = (await send('Target.attachToTarget', { targetId, flatten: true })) as { sessionId: string };
  const ask = (method: string, params?: Record<string, unknown>): Promise<Record<string, unknown>> =>
    send(method, params, sessionId);
  const complaints: string[] = [];
  listeners.add(({ method, params = {} }) => {
    if (method === 'Runtime.exceptionThrown') complaints.push(JSON.stringify(params.exceptionDetails));
    if (method === 'Log.entryAdded') complaints.push(JSON.stringify(params.entry));
    if (method === 'Runtime.consoleAPICalled') complaints.push(JSON.stringify(params.args));
  });
  for (const domain of ['Page', 'Runtime', 'Log']) await ask(`${domain}.enable`);
  const mouse = (type: string, [x, y]: readonly [number, number], buttons = 0): Promise<unknown> =>
    ask('Input.dispatchMouseEvent', { type, x, y, button: buttons > 0 ? 'left' : 'none', buttons, clickCount: 1 });
  const value = async <Value>(expression: string): Promise<Value> => {
    const { result, exceptionDetails } = (await ask('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    })) as { result: { value: Value }; exceptionDetails?: object };
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  };
  return {
    open: async (url, { width, height, scheme = 'light', media = 'screen', hasScript = true }) => {
      complaints.length = 0;
      await ask('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
      await ask('Emulation.setEmulatedMedia', {
        media,
        features: [{ name: 'prefers-color-scheme', value: scheme }],
      });
      await ask('Emulation.setScriptExecutionDisabled', { value: !hasScript });
      const loaded = new Promise<void>((resolve) => {
        const listener = ({ method }: Message): void => {
          if (method !== 'Page.loadEventFired') return;
          listeners.delete(listener);
          resolve();
        };
        listeners.add(listener);
      });
      const { loaderId } = await ask('Page.navigate', { url });
      // Another place of the same page is not loaded again.
      if (loaderId !== undefined) await loaded;
      if (hasScript) await value('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    },
    value,
    picture: async (file, isWhole = false) => {
      const { data } = await ask('Page.captureScreenshot', { format: 'png', captureBeyondViewport: isWhole });
      writeFileSync(file, Buffer.from(data as string, 'base64'));
    },
    print: async (file) => {
      const { data } = await ask('Page.printToPDF', { printBackground: false, preferCSSPageSize: true });
      writeFileSync(file, Buffer.from(data as string, 'base64'));
    },
    drag: async (from, to) => {
      await mouse('mouseMoved', from);
      await mouse('mousePressed', from, 1);
      await mouse('mouseMoved', [(from[0] + to[0]) / 2, to[1]], 1);
      await mouse('mouseMoved', to, 1);
      await mouse('mouseReleased', to, 1);
    },
    move: async (x, y) => {
      await mouse('mouseMoved', [x, y]);
    },
    complaints: () => [...complaints],
  };
};
