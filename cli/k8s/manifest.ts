import { stringify } from 'yaml';

/** A variable of a container: a text, or a reference to a secret's key or to a field of its pod. */
export type Variable =
  | { name: string; value: string }
  | { name: string; secret: { name: string; key: string } }
  | { name: string; field: string };

/** What is rendered. */
export interface Rendered {
  name: string;
  namespace: string | undefined;
  image: string;
  starterImage: string | undefined;
  parallelism: number;
  separate: boolean;
  /** Files of the ConfigMap, by name; the script is one of them. */
  files: Readonly<Record<string, string>>;
  script: string;
  variables: readonly Variable[];
  k6Args: readonly string[];
  /** What each runner asks for and may take. */
  resources: { memoryMiB: number; memoryLimitMiB: number; cpu: string };
  /** The image has no shell, which the operator's initializer needs. */
  skipInitializer: boolean;
  cron: { schedule: string; kubectlImage: string } | undefined;
}

/** Where the operator mounts the ConfigMap of a script. */
export const scriptFolder = '/test';

/** The largest data of a ConfigMap, bytes. */
export const maxConfigMapBytes: number = 1024 * 1024;

/** The kubelet replaces `$(NAME)` in values and arguments; `$$` is a `$` to it. */
const unexpanded = (text: string): string => text.replaceAll('$', '$$$$');

const isPlain = (text: string): boolean => /^[A-Za-z0-9_@%+=:,./-]+$/.test(text);

/**
 * k6's arguments as the operator takes them. `arguments`, which every version has, is split at white space and goes through a shell:
 * only what means the same there is put into it. Everything else is `args`, element by element, which k6-operator 1.6.0 brought.
 */
const argumentsOf = (args: readonly string[]): { arguments?: string; args?: string[] } => {
  if (args.length === 0) return {};
  return args.every(isPlain) ? { arguments: args.join(' ') } : { args: args.map(unexpanded) };
};

const variableOf = (variable: Variable): object => {
  const { name } = variable;
  if ('value' in variable) return { name, value: unexpanded(variable.value) };
  if ('secret' in variable) return { name, valueFrom: { secretKeyRef: variable.secret } };
  return { name, valueFrom: { fieldRef: { fieldPath: variable.field } } };
};

const podSecurity = { runAsNonRoot: true, runAsUser: 12_345, seccompProfile: { type: 'RuntimeDefault' } };
const containerSecurity = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };

const testRun = (rendered: Rendered): object => {
  const { name, namespace, image, starterImage, parallelism, variables, resources, cron } = rendered;
  const { memoryMiB, memoryLimitMiB, cpu } = resources;
  const pod = {
    image,
    automountServiceAccountToken: 'false',
    securityContext: podSecurity,
    containerSecurityContext: containerSecurity,
  };
  // The load is all that the initializer looks at, and it would put each of its variables on a command line.
  const shown = variables.filter((each) => 'value' in each && each.name.startsWith('STRESS_'));
  const initializer = rendered.skipInitializer ? { disabled: true } : { ...pod, env: shown.map(variableOf) };
  return {
    apiVersion: 'k6.io/v1alpha1',
    kind: 'TestRun',
    metadata: {
      ...(cron === undefined ? { name } : { generateName: `${name}-` }),
      ...(namespace !== undefined && { namespace }),
    },
    spec: {
      parallelism,
      ...(rendered.separate && { separate: true }),
      script: { configMap: { name, file: rendered.script } },
      ...argumentsOf(rendered.k6Args),
      // Without it finished runs would stay for ever, each with its pods.
      ...(cron !== undefined && { cleanup: 'post' }),
      initializer,
      ...(starterImage !== undefined && { starter: { image: starterImage } }),
      runner: {
        ...pod,
        env: variables.map(variableOf),
        // No limit of processor time: k6 held up by one would measure itself.
        resources: {
          requests: { cpu, memory: `${memoryMiB}Mi` },
          limits: { memory: `${memoryLimitMiB}Mi` },
        },
      },
    },
  };
};

const configMap = (name: string, namespace: string | undefined, data: Readonly<Record<string, string>>): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...(namespace !== undefined && { namespace }) },
  data,
});

/** What creates a TestRun at each due time: it may create TestRuns, and nothing else. */
const schedule = (
  { name, namespace }: Rendered,
  { schedule: due, kubectlImage }: { schedule: string; kubectlImage: string },
): object[] => {
  const starter = `${name}-cron`;
  const metadata = { name: starter, namespace };
  const rbac = 'rbac.authorization.k8s.io';
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata, automountServiceAccountToken: false },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata,
      rules: [{ apiGroups: ['k6.io'], resources: ['testruns'], verbs: ['create'] }],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name: starter },
      subjects: [{ kind: 'ServiceAccount', name: starter, namespace }],
    },
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata,
      spec: {
        schedule: due,
        concurrencyPolicy: 'Forbid',
        successfulJobsHistoryLimit: 3,
        failedJobsHistoryLimit: 3,
        jobTemplate: {
          spec: {
            backoffLimit: 0,
            activeDeadlineSeconds: 120,
            template: {
              spec: {
                serviceAccountName: starter,
                automountServiceAccountToken: true,
                restartPolicy: 'Never',
                securityContext: { ...podSecurity, runAsUser: 65_532 },
                containers: [
                  {
                    name: 'create-testrun',
                    image: kubectlImage,
                    command: ['kubectl', 'create', '--filename', '/manifest/testrun.yaml'],
                    env: [{ name: 'HOME', value: '/tmp' }],
                    securityContext: containerSecurity,
                    resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '128Mi' } },
                    volumeMounts: [{ name: 'manifest', mountPath: '/manifest', readOnly: true }],
                  },
                ],
                volumes: [{ name: 'manifest', configMap: { name: starter } }],
              },
            },
          },
        },
      },
    },
  ];
};

const yamlOf = (document: object): string => stringify(document, { lineWidth: 0, aliasDuplicateObjects: false });

/** The manifests as YAML: the ConfigMap with the script, and the TestRun, or what creates one at each due time. */
export const renderManifests = (rendered: Rendered): string => {
  const { name, namespace, files, cron } = rendered;
  const run = testRun(rendered);
  const documents =
    cron === undefined
      ? [run]
      : [configMap(`${name}-cron`, namespace, { 'testrun.yaml': yamlOf(run) }), ...schedule(rendered, cron)];
  return [configMap(name, namespace, files), ...documents].map(yamlOf).join('---\n');
};
