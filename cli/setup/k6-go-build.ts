import { join } from 'node:path';
import { runGroup } from '../shared/process-group.ts';
import { SourceFailed, findOnPath, type SourceContext } from './k6-source.ts';

const OLDEST_GO = { text: '1.25', minor: 25 };
/** Since this version Go downloads the toolchain that go.mod requires, unless GOTOOLCHAIN forbids it. */
const OLDEST_GO_THAT_FETCHES_TOOLCHAINS = 21;
const GO_VERSION_TIMEOUT_MS = 15_000;
const GO_BUILD_TIMEOUT_MS = 60 * 60_000;
const SHOWN_OUTPUT_LINES = 20;

/** Builds the pinned k6 of `runtime/` with the local Go in the work directory; returns its path. */
export const buildWithGo = async (context: SourceContext): Promise<string> => {
  const { root, pin, workDirectory, progress, signal } = context;
  const [go] = findOnPath('go', context.env.PATH);
  if (go === undefined) throw new SourceFailed('there is no go on PATH');

  const env = { ...context.env, CGO_ENABLED: '0', GOWORK: 'off', GOTMPDIR: workDirectory };
  // The result must run here, even if the caller cross-compiles.
  for (const name of ['GOOS', 'GOARCH']) Reflect.deleteProperty(env, name);

  const goVersion = await localGoVersion(go, env, signal);
  progress.note(`k6: building ${pin.version} with ${goVersion}; the first build takes a minute or more`);

  const built = join(workDirectory, 'k6');
  let packages = 0;
  let modules = 0;
  const messages: string[] = [];
  const readLine = lineReader((line) => {
    if (line.startsWith('go: downloading ')) modules += 1;
    else if (isPackagePath(line)) packages += 1;
    else messages.push(line);
  });
  const result = await progress.during(
    (seconds) => `k6: building, ${seconds} s: ${modules} modules downloaded, ${packages} packages compiled`,
    () =>
      runGroup(go, ['build', '-v', '-trimpath', '-mod=readonly', '-buildvcs=false', '-o', built, '.'], {
        cwd: join(root, 'runtime'),
        env,
        signal,
        timeoutMs: GO_BUILD_TIMEOUT_MS,
        onStderr: readLine,
      }),
  );
  if (result.failure !== undefined) {
    const shown = messages.slice(-SHOWN_OUTPUT_LINES).map((line) => `\n       ${line}`);
    throw new SourceFailed(`"go build" of runtime/ with ${goVersion} ${result.failure}${shown.join('')}`);
  }
  return built;
};

const localGoVersion = async (go: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> => {
  // Without GOTOOLCHAIN=local, even "go version" may download another toolchain.
  const run = await runGroup(go, ['version'], {
    env: { ...env, GOTOOLCHAIN: 'local' },
    signal,
    timeoutMs: GO_VERSION_TIMEOUT_MS,
  });
  if (run.failure !== undefined) {
    throw new SourceFailed(`${go} does not run: "go version" ${run.failure} ${run.stderr.trim()}`.trimEnd());
  }
  const match = /^go version (?:devel )?(go1\.(\d+)\S*)/.exec(run.stdout);
  if (match === null) {
    throw new SourceFailed(`${go}: expected "go version go1.…", received "${run.stdout.trim().slice(0, 200)}"`);
  }
  const [, text = '', minor] = match;
  if (Number(minor) < OLDEST_GO_THAT_FETCHES_TOOLCHAINS) {
    throw new SourceFailed(`${go} is ${text}; expected Go ${OLDEST_GO.text} or newer`);
  }
  return Number(minor) < OLDEST_GO.minor ? `${text}, if it can download the toolchain that go.mod requires` : text;
};

/** `go build -v` prints the import path of each package that it compiles on a line of its own. */
const isPackagePath = (line: string): boolean => /^[\w.~-]+(\/[\w.~+-]+)*$/.test(line);

const lineReader = (onLine: (line: string) => void): ((text: string) => void) => {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
};
