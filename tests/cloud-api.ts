import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { packageRoot } from '../cli/shared/package-root.ts';

type Types = Record<string, unknown>;

interface Operation {
  query: Record<string, string>;
  headers: string[];
  request?: { contentType: string; schema: object };
  answers: Record<string, Types>;
}

const published = JSON.parse(readFileSync(path.join(packageRoot, 'tests/fixtures/cloud-api.json'), 'utf8')) as {
  operations: Record<string, Operation>;
  $defs: Types;
};

const ajv = new Ajv2020({
  allErrors: true,
  formats: {
    'date-time': (text: string) => !Number.isNaN(Date.parse(text)),
    uri: (text: string) => URL.canParse(text),
  },
});

const compiled = new Map<string, ValidateFunction>();

/** What is wrong with a value by a schema of the published API. */
const misfits = (schema: unknown, value: unknown): string[] => {
  const key = JSON.stringify(schema);
  const validate = compiled.get(key) ?? ajv.compile({ ...(schema as object), $defs: published.$defs });
  compiled.set(key, validate);
  return validate(value) ? [] : [`${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`];
};

/** What a fake cloud is asked, in words: `GET /cloud/v6/projects/1`. */
export interface Asked {
  what: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** What it answers. A text is sent as it is, bytes as an archive, anything else as JSON. */
export interface Answered {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** Nothing is sent; the connection is dropped. */
  drop?: true;
  /** Nothing is sent, and the connection stays. */
  silent?: true;
  /** No answer that the published API has: it is not held against it. */
  unpublished?: true;
}

/** A load test as the fake cloud keeps it. */
export interface KeptTest {
  id: number;
  project_id: number;
  name: string;
  script: Buffer | undefined;
}

/** A schedule as the API tells it. */
export interface KeptSchedule {
  id: number;
  load_test_id: number;
  starts: string;
  recurrence_rule: unknown;
  cron: unknown;
  deactivated: boolean;
  next_run: string | null;
  created_by: string | null;
}

const createdAt = '2026-01-02T03:04:05.678Z';

/** An error as the API tells it. */
export const apiError = (status: number, message: string, details: unknown = null): Answered => ({
  status,
  body: { error: { message, code: 'error', target: null, details } },
});

const zone = (k6_load_zone_id: string, more: object = {}): object => ({
  id: 1,
  name: k6_load_zone_id,
  k6_load_zone_id,
  available: true,
  custom_load_runner_image: null,
  public: true,
  ...more,
});

const fieldOf = (form: FormData, name: string): string => {
  const value = form.get(name);
  return typeof value === 'string' ? value : '';
};

/** A local server that is to a client what the cloud's API is; holds all that passes against the API's published schema. */
export class FakeCloud {
  tests: KeptTest[] = [];
  schedules: KeptSchedule[] = [];
  zones = [zone('amazon:us:ashburn'), zone('amazon:de:frankfurt'), zone('amazon:jp:tokyo', { available: false })];
  allowed: object[] = [];
  project = 4711;
  pageSize = 1000;
  token = 'secret-token-of-the-test';
  /** All that was asked for, in order. */
  asked: string[] = [];
  /** What was not as the published API has it, of questions and of answers. */
  violations: string[] = [];
  /** Answers in place of the cloud. */
  instead: (asked: Asked) => Answered | undefined = () => undefined;
  /** Looks at what has been answered. */
  after: (asked: Asked) => Answered | undefined = () => undefined;
  url = '';
  private nextId = 100;

  id(): number {
    return this.nextId++;
  }

  /** What changed something. */
  get writes(): string[] {
    return this.asked.filter((what) => !what.startsWith('GET ') && !what.endsWith('/validate_options'));
  }

  private test(id: string | undefined): KeptTest | undefined {
    return this.tests.find((test) => test.id === Number(id));
  }

  private told({ id, project_id, name }: KeptTest): object {
    return {
      id,
      project_id,
      name,
      baseline_test_run_id: null,
      k6_version: null,
      created: createdAt,
      updated: createdAt,
    };
  }

  private async answer(asked: Asked): Promise<Answered> {
    const { what, query, body, headers } = asked;
    if (headers.authorization !== `Bearer ${this.token}`) return apiError(401, 'Invalid token.');
    const notFound = apiError(404, 'Not found.');
    const [, ofProject, rest = ''] = /^[A-Z]+ \/cloud\/v6\/projects\/(\d+)(.*)$/.exec(what) ?? [];
    const [, ofTest] = /\/load_tests\/(\d+)\//.exec(what) ?? [];
    if (ofProject !== undefined && Number(ofProject) !== this.project) return notFound;
    if (what === 'GET /cloud/v6/load_zones') return { status: 200, body: { value: this.zones } };
    if (what === 'POST /cloud/v6/validate_options') {
      const breakdown = { protocol_vuh: 1.5, browser_vuh: 0, base_total_vuh: 1.5, reduction_rate: 0 };
      return { status: 200, body: { vuh_usage: 1.5, breakdown: { ...breakdown, reduction_rate_breakdown: null } } };
    }
    if (ofProject !== undefined && rest === '') {
      const dates = { created: createdAt, updated: createdAt };
      const project = { id: this.project, name: 'Gates \u001b[2J', is_default: false, grafana_folder_uid: null };
      return { status: 200, body: { ...project, ...dates } };
    }
    if (rest === '/allowed_load_zones') return { status: 200, body: { value: this.allowed } };
    if (/^GET .*\/load_tests$/.test(what)) {
      const [skip, name] = [Number(query.get('$skip') ?? 0), query.get('name')];
      const tests = this.tests.filter((test) => name === null || test.name === name);
      const next = skip + this.pageSize;
      const value = tests.slice(skip, next).map((test) => this.told(test));
      // As behind a proxy that does not say how it was asked: the address of the next page is not this one's.
      const link = `http://elsewhere.example/cloud/v6/projects/${ofProject}/load_tests?$skip=${next}`;
      return { status: 200, body: { value, ...(next < tests.length && { '@nextLink': link }) } };
    }
    if (rest === '/load_tests') {
      const form = await new Response(new Uint8Array(body), {
        headers: { 'content-type': headers['content-type'] ?? '' },
      }).formData();
      const name = fieldOf(form, 'name');
      if (this.tests.some((test) => test.name === name)) return apiError(409, 'The name is already taken.');
      const script = form.get('script') as Blob;
      const test = { id: this.id(), project_id: this.project, name, script: Buffer.from(await script.arrayBuffer()) };
      this.tests.push(test);
      return { status: 201, body: this.told(test) };
    }
    const test = this.test(ofTest);
    if (ofTest !== undefined && test === undefined) return notFound;
    if (test && what.endsWith('/script')) {
      if (what.startsWith('PUT ')) {
        test.script = body;
        return { status: 204 };
      }
      return test.script ? { status: 200, body: test.script } : notFound;
    }
    if (test && what === `GET /cloud/v6/load_tests/${test.id}/schedule`) {
      const schedule = this.schedules.find(({ load_test_id: id }) => id === test.id);
      return schedule ? { status: 200, body: schedule } : notFound;
    }
    if (test && what === `POST /cloud/v6/load_tests/${test.id}/schedule`) {
      const given = JSON.parse(body.toString('utf8')) as Pick<KeptSchedule, 'starts' | 'cron' | 'recurrence_rule'>;
      const schedule = {
        id: this.id(),
        load_test_id: test.id,
        ...given,
        deactivated: false,
        next_run: given.starts,
        created_by: null,
      };
      this.schedules = [...this.schedules.filter(({ load_test_id: id }) => id !== test.id), schedule];
      return { status: 200, body: schedule };
    }
    const [, ofSchedule] = /\/schedules\/(\d+)/.exec(what) ?? [];
    const schedule = this.schedules.find(({ id }) => id === Number(ofSchedule));
    if (schedule && what.startsWith('DELETE ')) {
      this.schedules = this.schedules.filter((each) => each !== schedule);
      return { status: 204 };
    }
    if (schedule && what.endsWith('/deactivate')) {
      schedule.deactivated = true;
      return { status: 204 };
    }
    return notFound;
  }

  private async checkQuestion({ what, query, headers, body }: Asked, operation: Operation): Promise<void> {
    const wrong: string[] = [];
    for (const [name, value] of query) {
      const type = operation.query[name];
      if (type === undefined) wrong.push(`no such parameter: ${name}`);
      else if (type === 'integer' && !/^\d+$/.test(value)) wrong.push(`${name}: ${value}`);
    }
    for (const name of operation.headers) {
      if (!/^\d+$/.test(String(headers[name.toLowerCase()]))) wrong.push(`header ${name}`);
    }
    const { request } = operation;
    const type = headers['content-type'] ?? '';
    if (request && !type.startsWith(request.contentType)) wrong.push(`content type ${type}`);
    if (!request && body.length > 0) wrong.push('a body');
    if (request?.contentType === 'application/json') {
      wrong.push(...misfits(request.schema, JSON.parse(body.toString('utf8'))));
    } else if (request?.contentType === 'multipart/form-data') {
      const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData();
      const fields = [...form.keys()].map((name): [string, string] => [name, fieldOf(form, name)]);
      wrong.push(...misfits(request.schema, Object.fromEntries(fields)));
    }
    this.violations.push(...wrong.map((each) => `asked ${what}: ${each}`));
  }

  private checkAnswer({ what }: Asked, { status, body }: Answered, operation: Operation): void {
    const types = operation.answers[status];
    if (types === undefined) this.violations.push(`answered ${what}: status ${status} is not published`);
    else if (body !== undefined && !Buffer.isBuffer(body)) {
      const wrong = misfits(types['application/json'] ?? { not: {} }, body);
      this.violations.push(...wrong.map((each) => `answered ${what}: ${each}`));
    }
  }

  async handle(request: IncomingMessage): Promise<Answered> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://cloud.example');
    const what = `${request.method} ${pathname}`;
    const asked = { what, query, headers: request.headers, body: Buffer.concat(chunks) };
    this.asked.push(what);
    const published = operationOf(what);
    if (!published) this.violations.push(`asked ${what}: no such operation`);
    else await this.checkQuestion(asked, published);
    const answered = this.instead(asked) ?? (await this.answer(asked));
    if (published && answered.unpublished !== true) this.checkAnswer(asked, answered, published);
    return this.after(asked) ?? answered;
  }
}

/** The published operation that a question is: `GET /cloud/v6/projects/{id}`. */
const operationOf = (what: string): Operation | undefined => published.operations[what.replaceAll(/\/\d+/g, '/{id}')];

/** Starts a fake cloud on loopback, which goes when the test ends. */
export const startCloud = async (t: TestContext): Promise<FakeCloud> => {
  const cloud = new FakeCloud();
  const server = createServer((request, response) => {
    cloud.handle(request).then(
      ({ status, body, headers = {}, drop, silent }) => {
        if (silent) return;
        if (drop) {
          request.socket.destroy();
          return;
        }
        const isText = typeof body === 'string';
        const type = isText ? 'text/html' : Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
        response.writeHead(status, { ...(body !== undefined && { 'content-type': type }), ...headers });
        response.end(isText || Buffer.isBuffer(body) ? body : body === undefined ? undefined : JSON.stringify(body));
      },
      (error: unknown) => {
        cloud.violations.push(String(error));
        request.socket.destroy();
      },
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  cloud.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return cloud;
};
