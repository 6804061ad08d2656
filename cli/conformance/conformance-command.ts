import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseSettings, settingsTable, shownUrl } from '../../lib/load/settings.ts';
import { suggestion } from '../../lib/text/suggestion.ts';
import { hide, secretsOf } from '../../lib/results/redact.ts';
import { probe } from './conformance-raw.ts';
import { countFindings, reportMarkdown, reportText } from './conformance-report.ts';
import { allCases, runConformance, type CaseReport } from './conformance-run.ts';
import { outputProblems, writeOutput } from '../shared/output-file.ts';
import { runProblems } from '../run/run-inputs.ts';
import {
  emptyOptions,
  helpEntry,
  optionProblem,
  refuse,
  settingsEnvironment,
  settingsOptions,
} from '../shared/parse-options.ts';
import { spellingOf } from '../shared/settings-options.ts';

/** Time after which a case without an answer is a hang, where the settings have none, milliseconds. */
const defaultCaseMs = 5_000;
/** How long a service that accepts no session is given to accept one again, milliseconds. */
const recoveryMs = 10_000;

/** The settings that say where the service is, who asks, and how long. */
const settingNames = new Set<string>([
  'STRESS_URL',
  'STRESS_TOKEN',
  'STRESS_HEADERS',
  'STRESS_SUBPROTOCOL',
  'STRESS_INSECURE',
  'STRESS_ACK_TIMEOUT',
]);

const settingRows = () => settingsTable().filter(({ name }) => settingNames.has(name));

const help = (): string => `Usage: ws-stress conformance --url URL [options]

Asks a service what JSON-RPC 2.0 (messages) and RFC 6455 (frames, handshakes)
ask of it, one case a session, and reports where it deviates and where it
breaks: a lost connection, a hang, a service that is down. Exit code: 0 without
a breaking case, 99 with one, 1 where no service answers, 2 for wrong options.

Options; those with a name in brackets are settings too, as a variable:
${settingRows()
  .map(({ flag, type, description, name }) => {
    const form = type === 'boolean' ? flag : `${flag} ${type.toUpperCase()}`;
    return name === 'STRESS_ACK_TIMEOUT'
      ? helpEntry(form, `Time after which a case without an answer is a hang. Default here: 5s. [${name}]`)
      : helpEntry(form, `${description}. [${name}]`);
  })
  .join('\n')}
${helpEntry('--ca FILE', "Certificates (PEM) to trust in place of the system's.")}
${helpEntry('--only NAMES', 'These cases only, parted by commas.')}
${helpEntry('--json FILE', 'Write the report to this file as JSON.')}
${helpEntry('--markdown FILE', 'Write the report to this file as a table in Markdown.')}
${helpEntry('--verbose', 'Report the conforming cases too.')}
${helpEntry('--list', 'List the cases.')}
${helpEntry('--help', 'Show this.')}
`;

const onlyProblems = (only: readonly string[] | undefined, known: readonly string[]): string[] =>
  (only ?? [])
    .filter((name) => !known.includes(name))
    .map((name) => `--only: expected cases as --list has them, received ${name}${suggestion(name, known)}`);

/** What a service says may repeat what it was told. */
const withoutSecrets = (report: CaseReport, secrets: readonly string[]): CaseReport => ({
  ...report,
  received: hide(report.received, secrets),
});

/** `ws-stress conformance`: asks every case and reports; returns the exit code. */
export const conformanceCommand = async (argv: string[]): Promise<number> => {
  const flags = new Set(settingRows().map(({ flag }) => flag.slice(2)));
  const options = {
    ...Object.fromEntries(Object.entries(settingsOptions()).filter(([name]) => flags.has(name))),
    ca: { type: 'string' as const },
    only: { type: 'string' as const },
    json: { type: 'string' as const },
    markdown: { type: 'string' as const },
    verbose: { type: 'boolean' as const },
    list: { type: 'boolean' as const },
    help: { type: 'boolean' as const },
  };
  let values;
  try {
    ({ values } = parseArgs({ args: argv, options }));
  } catch (error) {
    return refuse([optionProblem(error, Object.keys(options))]);
  }
  if (values.help === true) {
    process.stdout.write(help());
    return 0;
  }
  const all = allCases();
  if (values.list === true) {
    for (const { name, section, expected } of all) console.log(`${name}  ${section}  ${expected}`);
    return 0;
  }
  // The setting of that name chooses scenarios.
  const { only: names, ...others } = values;
  const given = settingsEnvironment(others);
  const env = { ...process.env, ...given };
  // k6 heeds the variable too.
  const caFile = values.ca ?? (env.SSL_CERT_FILE || undefined);
  const ca = caFile === undefined ? undefined : path.resolve(caFile);
  const only = names?.split(',').map((name) => name.trim());
  const problems = [
    ...emptyOptions(values),
    ...(env.STRESS_URL ? [] : ['--url: expected the address of a service, such as ws://localhost:8003/ws/mcp']),
    ...onlyProblems(
      only,
      all.map(({ name }) => name),
    ),
    ...outputProblems({ '--json': values.json, '--markdown': values.markdown }),
    ...runProblems(env, undefined, ca, spellingOf(given)),
  ];
  if (problems.length > 0) return refuse(problems);

  const { settings } = parseSettings(env);
  const { url, headers, insecure, ackTimeoutMs } = settings;
  const service = { url, headers, insecure, ...(ca !== undefined && { ca: readFileSync(ca, 'utf8') }) };
  const caseMs = env.STRESS_ACK_TIMEOUT ? ackTimeoutMs : defaultCaseMs;
  const trouble = await probe(service, caseMs);
  if (trouble !== undefined) {
    console.error(`ws-stress: no service answers at ${shownUrl(url)}: ${trouble}`);
    return 1;
  }
  const cases = all.filter(({ name }) => only?.includes(name) !== false);
  let asked = 0;
  const found = await runConformance(cases, service, { caseMs, recoveryMs }, ({ name, finding }) => {
    asked++;
    if (finding !== 'NOT RUN') console.error(`${asked}/${cases.length} ${name}: ${finding}`);
  });
  const secrets = secretsOf(settings);
  const report = { ...found, cases: found.cases.map((each) => withoutSecrets(each, secrets)) };
  const counts = countFindings(report);
  process.stdout.write(reportText(report, values.verbose === true));
  if (values.json !== undefined) {
    const document = { type: 'conformance', version: 1, url: shownUrl(url), counts, ...report };
    await writeOutput(values.json, `${JSON.stringify(document, undefined, 2)}\n`);
  }
  if (values.markdown !== undefined) await writeOutput(values.markdown, reportMarkdown(report, shownUrl(url)));
  return (counts.breaking ?? 0) > 0 || report.downAfter !== undefined ? 99 : 0;
};
