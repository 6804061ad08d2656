import * as v from 'valibot';
import { innermostMessage } from '../../lib/text/errors.ts';
import { parsedJson } from '../../lib/text/json.ts';
import { printable } from '../shared/printable.ts';

/** Nothing could be judged; the message says what was expected, what came and what to do. */
export class GateError extends Error {}

/** Where Prometheus is, and what is sent for it to answer. */
export interface Connection {
  /** Without a slash at its end. */
  url: string;
  /** The Authorization header; never shown. */
  authorization: string | undefined;
}

const longestMs = 60_000;
/** The largest answer that is read, bytes. */
const mostBytes = 16 * 1024 * 1024;

const point = v.tuple([v.number(), v.string()]);
const labels = v.record(v.string(), v.string());
const vectorSchema = v.object({
  resultType: v.literal('vector'),
  result: v.array(v.object({ metric: labels, value: point })),
});
const matrixSchema = v.object({
  resultType: v.literal('matrix'),
  result: v.array(v.object({ metric: labels, values: v.array(point) })),
});
const scalarSchema = v.object({ resultType: v.literal('scalar'), result: point });
const answerSchema = v.object({ status: v.string(), data: v.optional(v.unknown()), error: v.optional(v.string()) });

const readBounded = async (response: Response): Promise<string> => {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > mostBytes) throw new Error(`more than ${mostBytes} bytes came`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
};

const parseAnswer = (text: string): v.InferOutput<typeof answerSchema> | undefined => {
  const answer = v.safeParse(answerSchema, parsedJson(text));
  return answer.success ? answer.output : undefined;
};

const refused: ReadonlySet<number> = new Set([401, 403]);

/** Asks a query; returns its data as Prometheus gives it. */
const ask = async ({ url, authorization }: Connection, query: string, atS?: number): Promise<unknown> => {
  const address = `${url}/api/v1/query`;
  let status: number;
  let text: string;
  try {
    const response = await fetch(address, {
      method: 'POST',
      body: new URLSearchParams({ query, ...(atS !== undefined && { time: String(atS) }) }),
      headers: { Accept: 'application/json', ...(authorization !== undefined && { Authorization: authorization }) },
      // Whoever it would lead to must not get the token.
      redirect: 'manual',
      signal: AbortSignal.timeout(longestMs),
    });
    ({ status } = response);
    text = await readBounded(response);
  } catch (error) {
    throw new GateError(
      `expected Prometheus to answer at ${address}: ${printable(innermostMessage(error), 300)}; is --prometheus right, and does it run?`,
      { cause: error },
    );
  }
  if (refused.has(status)) {
    const sent = authorization === undefined ? 'nothing was sent' : 'what was sent is not taken';
    throw new GateError(
      `Prometheus at ${url} asks who is there (status ${status}): ${sent}; set PROMETHEUS_TOKEN, or PROMETHEUS_USERNAME and PROMETHEUS_PASSWORD`,
    );
  }
  const answer = parseAnswer(text);
  if (answer?.status === 'error') {
    throw new GateError(
      `Prometheus at ${url} could not answer a query (status ${status}): ${printable(answer.error ?? 'it does not say why', 300)}`,
    );
  }
  if (status !== 200 || answer?.status !== 'success') {
    throw new GateError(
      `expected Prometheus's query API at ${address}; received status ${status} and "${printable(text, 100)}"; is there a path missing in --prometheus?`,
    );
  }
  return answer.data;
};

const fitting = <Schema extends v.GenericSchema>(
  schema: Schema,
  data: unknown,
  what: string,
): v.InferOutput<Schema> => {
  const fits = v.safeParse(schema, data);
  if (fits.success) return fits.output;
  throw new GateError(
    `expected ${what} from Prometheus; received ${printable(JSON.stringify(data) ?? 'nothing', 200)}: it may be something else that answers there`,
  );
};

const numberOf = (text: string): number => {
  const value = Number(text.replace(/^([+-]?)Inf$/, '$1Infinity'));
  if (!Number.isNaN(value) || text === 'NaN') return value;
  throw new GateError(`expected a number from Prometheus; received ${printable(text, 100)}`);
};

/** A vector's values, with their labels. */
export const askVector = async (
  connection: Connection,
  query: string,
  atS: number,
): Promise<{ labels: Record<string, string>; value: number }[]> => {
  const { result } = fitting(vectorSchema, await ask(connection, query, atS), 'a vector of numbers');
  return result.map(({ metric, value }) => ({ labels: metric, value: numberOf(value[1]) }));
};

/** The one number that a query comes to; undefined where it comes to none. */
export const askNumber = async (connection: Connection, query: string, atS: number): Promise<number | undefined> => {
  const [first, second] = await askVector(connection, query, atS);
  if (second !== undefined) throw new GateError('expected one number from Prometheus; received several');
  return first === undefined || Number.isNaN(first.value) ? undefined : first.value;
};

/** All samples of a range, times in milliseconds since 1970. */
export const askSamples = async (
  connection: Connection,
  query: string,
  atS: number,
): Promise<{ labels: Record<string, string>; timesMs: number[] }[]> => {
  const { result } = fitting(matrixSchema, await ask(connection, query, atS), 'samples over time');
  return result.map(({ metric, values }) => ({
    labels: metric,
    timesMs: values.map(([timeS]) => Math.round(timeS * 1000)),
  }));
};

/** Prometheus's own time, seconds since 1970. */
export const askTime = async (connection: Connection): Promise<number> =>
  numberOf(fitting(scalarSchema, await ask(connection, 'time()'), 'the time').result[1]);
