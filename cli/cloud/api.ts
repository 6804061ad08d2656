import * as v from 'valibot';
import { hide } from '../../lib/results/redact.ts';
import { secretsOfAuthorization } from '../../lib/results/secrets.ts';
import { printable } from '../shared/printable.ts';
import { issueText } from '../shared/schema-issue.ts';
import {
  CloudError,
  createClient,
  jsonOf,
  type Answer,
  type ClientWorld,
  type CloudAccess,
  type Question,
} from './http-client.ts';
import { cloudScheduleSchema, type CloudSchedule, type ScheduleRequest } from './schedule.ts';

// Grafana Cloud k6 REST API v6, https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/; paths, members and
// statuses as in schema.yaml of github.com/grafana/k6-cloud-openapi-client-go (Apache-2.0), version 1.12.0.

const id = v.pipe(v.number(), v.integer());

const projectSchema = v.looseObject({ id, name: v.string() });
const loadTestSchema = v.looseObject({ id, project_id: id, name: v.string() });
const pageSchema = v.looseObject({ value: v.array(loadTestSchema), '@nextLink': v.optional(v.string()) });
const zonesSchema = v.looseObject({
  value: v.array(v.looseObject({ k6_load_zone_id: v.string(), available: v.boolean(), public: v.boolean() })),
});
const costSchema = v.looseObject({ vuh_usage: v.number() });

/** A load test of the cloud. */
export type LoadTest = v.InferOutput<typeof loadTestSchema>;

/** A load zone of the cloud. */
export type LoadZone = v.InferOutput<typeof zonesSchema>['value'][number];

/** What is asked of the cloud. */
export type CloudApi = ReturnType<typeof createApi>;

/** A project has at most so many pages of load tests that are looked at; a list without an end is none. */
const maxPages = 1000;

/** The operations of the API that a deployment takes. */
export const createApi = (access: CloudAccess, world: ClientWorld) => {
  const ask = createClient(access, world);
  const secrets = secretsOfAuthorization(`Bearer ${access.token}`);

  const parsed = <Schema extends v.GenericSchema>(
    { method, path }: Question,
    answer: Answer,
    schema: Schema,
  ): v.InferOutput<Schema> => {
    const value = jsonOf(answer);
    const where = `${method} ${path.replace(/\?.*/, '')}: status ${answer.status}`;
    if (value === undefined) {
      const text = hide(new TextDecoder().decode(answer.body.subarray(0, 500)), secrets);
      throw new CloudError(`${where}: expected JSON; received "${printable(text, 200)}"`, answer.status);
    }
    const result = v.safeParse(schema, value);
    if (result.success) return result.output;
    const [issue] = result.issues;
    const received = hide(issue.received, secrets);
    throw new CloudError(`${where}: ${printable(issueText({ ...issue, received }, 'the answer'), 300)}`, answer.status);
  };

  const get = async <Schema extends v.GenericSchema>(path: string, schema: Schema): Promise<v.InferOutput<Schema>> => {
    const question: Question = { method: 'GET', path, expected: [200] };
    return parsed(question, await ask(question), schema);
  };

  const found = async <Schema extends v.GenericSchema>(
    path: string,
    schema: Schema,
  ): Promise<v.InferOutput<Schema> | undefined> => {
    const question: Question = { method: 'GET', path, expected: [200, 404] };
    const answer = await ask(question);
    return answer.status === 404 ? undefined : parsed(question, answer, schema);
  };

  const post = async <Schema extends v.GenericSchema>(
    path: string,
    body: object,
    schema: Schema,
  ): Promise<v.InferOutput<Schema>> => {
    const question: Question = { method: 'POST', path, body: JSON.stringify(body), expected: [200] };
    return parsed(question, await ask(question), schema);
  };

  /** The query of a next page. Its address is not followed: it might take the token elsewhere. */
  const nextQuery = (link: string, from: string): string => {
    const next = URL.canParse(link, access.host) ? new URL(link, access.host).search : '';
    if (next !== '') return next;
    throw new CloudError(`GET ${from}: expected the address of a next page; received ${printable(link, 200)}`);
  };

  return {
    /** Undefined where the stack has none of that id. */
    project: (project: number) => found(`/cloud/v6/projects/${project}`, projectSchema),

    zones: async () => (await get('/cloud/v6/load_zones', zonesSchema)).value,

    /** The private load zones that a project may use. */
    allowedZones: async (project: number) =>
      (await get(`/cloud/v6/projects/${project}/allowed_load_zones`, zonesSchema)).value,

    /** The load tests of a project that have one of these names. */
    loadTests: async (project: number, names: ReadonlySet<string>): Promise<LoadTest[]> => {
      const kept: LoadTest[] = [];
      const first = `/cloud/v6/projects/${project}/load_tests`;
      let path = `${first}?$orderby=id&$top=1000`;
      for (let page = 1; page <= maxPages; page++) {
        const { value, '@nextLink': next } = await get(path, pageSchema);
        kept.push(...value.filter(({ name }) => names.has(name)));
        if (next === undefined) return kept;
        path = `${first}${nextQuery(next, first)}`;
      }
      throw new CloudError(`GET ${first}: expected at most ${maxPages} pages`);
    },

    /** A load test's script, if it has one that is an archive. */
    script: async (test: number): Promise<Uint8Array | undefined> => {
      const path = `/cloud/v6/load_tests/${test}/script`;
      const answer = await ask({ method: 'GET', path, accept: 'application/x-tar', expected: [200, 404, 406] });
      return answer.status === 200 ? answer.body : undefined;
    },

    /** A load test's schedule; undefined where it has none. */
    schedule: (test: number) => found(`/cloud/v6/load_tests/${test}/schedule`, cloudScheduleSchema),

    /** What a run of these options would cost, VU hours; or why the cloud would not run them. */
    cost: async (project: number, options: unknown): Promise<{ vuHours: number } | { problem: string }> => {
      try {
        const { vuh_usage } = await post('/cloud/v6/validate_options', { project_id: project, options }, costSchema);
        return { vuHours: vuh_usage };
      } catch (error) {
        if (error instanceof CloudError && error.status === 400) return { problem: error.message };
        throw error;
      }
    },

    /** Makes a load test; undefined where there is one of that name. */
    create: async (project: number, name: string, script: Uint8Array<ArrayBuffer>): Promise<LoadTest | undefined> => {
      const body = new FormData();
      body.set('name', name);
      body.set('script', new Blob([script], { type: 'application/x-tar' }), 'archive.tar');
      const path = `/cloud/v6/projects/${project}/load_tests`;
      const question: Question = { method: 'POST', path, body, expected: [201, 409] };
      const answer = await ask(question);
      return answer.status === 409 ? undefined : parsed(question, answer, loadTestSchema);
    },

    replaceScript: async (test: number, script: Uint8Array<ArrayBuffer>): Promise<void> => {
      await ask({ method: 'PUT', path: `/cloud/v6/load_tests/${test}/script`, body: script, expected: [204] });
    },

    setSchedule: (test: number, schedule: ScheduleRequest): Promise<CloudSchedule> =>
      post(`/cloud/v6/load_tests/${test}/schedule`, schedule, cloudScheduleSchema),

    /** Leaves a schedule there, without runs. */
    pauseSchedule: async (schedule: number): Promise<void> => {
      await ask({ method: 'POST', path: `/cloud/v6/schedules/${schedule}/deactivate`, expected: [204] });
    },

    removeSchedule: async (schedule: number): Promise<void> => {
      // One that is gone is as good.
      await ask({ method: 'DELETE', path: `/cloud/v6/schedules/${schedule}`, expected: [204, 404] });
    },
  };
};
