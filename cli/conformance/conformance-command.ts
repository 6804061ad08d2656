import { visibleJson } from '../../lib/text/visible.ts';
import { parseSettings, shownUrl } from '../../lib/load/settings.ts';
import { suggestion } from '../../lib/text/suggestion.ts';
import { hide } from '../../lib/results/redact.ts';
import { secretsOf } from '../../lib/results/secrets.ts';
import { probe } from './conformance-raw.ts';
import { countFindings, reportMarkdown, reportText } from './conformance-report.ts';
import { allCases, runConformance, type CaseReport } from './conformance-run.ts';
import { outputProblems, overwritingProblems, writeOutput } from '../shared/output-file.ts';
import { runProblems } from '../run/run-inputs.ts';
import { certificates, certificatesFile } from '../shared/common-options.ts';
import { declareCommand, type SettingOption } from '../shared/command.ts';
import { connectionOf, explainNodeFailure } from '../shared/node-connect.ts';
import { printable } from '../shared/printable.ts';
import { settingsNamed, spellingOf } from '../shared/settings-options.ts';

/** Time after which a case without an answer is a hang, where the settings have none, milliseconds. */
const defaultCaseMs = 5_000;
/** How long a service that accepts no session is given to accept one again, milliseconds. */
const recoveryMs = 10_000;

/** The settings that say where the service is, who asks, and how long. */
const settings = (): SettingOption[] =>
  settingsNamed(
    ['STRESS_URL', 'STRESS_TOKEN', 'STRESS_HEADERS', 'STRESS_SUBPROTOCOL', 'STRESS_INSECURE', 'STRESS_ACK_TIMEOUT'],
    (name) =>
      name === 'STRESS_ACK_TIMEOUT'
        ? { description: 'Time after which a case without an answer is a hang', default: '5s' }
        : name === 'STRESS_URL'
          ? { isRequired: true }
          : {},
  );

const onlyProblems = (only: readonly string[] | undefined, known: readonly string[]): string[] =>
  (only ?? [])
    .filter((name) => !known.includes(name))
    .map((name) => `--only: expected cases as --list has them, received ${name}${suggestion(name, known)}`);

/** What a service says may repeat what it was told. */
const withoutSecrets = (report: CaseReport, secrets: readonly string[]): CaseReport => ({
  ...report,
  received: hide(report.received, secrets),
});

export const conformanceCommand = declareCommand({
  description: `Checks a service against JSON-RPC 2.0 (messages) and RFC 6455 (frames, handshakes), one case in each session. Reports where it deviates and where it breaks: a lost connection, a hang, a service that is down.

Exit code: 0 no case is breaking, 99 one is, 1 no service answers, 2 wrong options.`,
  options: {
    ca: certificates,
    only: { takes: 'cases', description: 'Only these cases, separated by commas.' },
    json: { takes: 'file', description: 'Write the report to this file as JSON.' },
    markdown: { takes: 'file', description: 'Write the report to this file as a Markdown table.' },
    verbose: { description: 'Report the conforming cases too.' },
    list: { description: 'List the cases.' },
  },
  settings,
  notDone: 'Nothing was asked',
  examples: ['ws-stress conformance --url ws://localhost:8003/ws/mcp --markdown report.md'],
  act: async ({ values, asked, problems: typed, refuse }) => {
    const all = allCases();
    if (values.list === true) {
      for (const { name, section, expected } of all) console.log(`${name}  ${section}  ${expected}`);
      return 0;
    }
    const env = { ...process.env, ...asked };
    const ca = certificatesFile(values.ca);
    const only = values.only?.split(',').map((name) => name.trim());
    const problems = [
      ...typed,
      ...(env.STRESS_URL ? [] : ['--url: expected the address of a service, such as ws://localhost:8003/ws/mcp']),
      ...onlyProblems(
        only,
        all.map(({ name }) => name),
      ),
      ...outputProblems({ '--json': values.json, '--markdown': values.markdown }),
      ...overwritingProblems({ '--json': values.json, '--markdown': values.markdown }),
      ...runProblems(env, undefined, ca, spellingOf(asked)),
    ];
    if (problems.length > 0) return refuse(problems);

    const { settings, warnings } = parseSettings(env);
    for (const warning of warnings) console.error(`ws-stress: ${warning}`);
    const { url, ackTimeoutMs } = settings;
    const service = connectionOf(settings, ca);
    const caseMs = env.STRESS_ACK_TIMEOUT ? ackTimeoutMs : defaultCaseMs;
    const secrets = secretsOf(settings, process.env);
    const trouble = await probe(service, caseMs);
    if (trouble !== undefined) {
      const explained = /^(?:expected the connected message|no answer to a request)/.test(trouble)
        ? `The service at ${shownUrl(url)} opens no session: ${trouble}`
        : await explainNodeFailure(service, trouble.replace(/^no connection: /, ''), spellingOf(asked));
      console.error(`ws-stress: ${hide(printable(explained, 1000), secrets)}`);
      return 1;
    }
    const cases = all.filter(({ name }) => only?.includes(name) !== false);
    let done = 0;
    const found = await runConformance(cases, service, { caseMs, recoveryMs }, ({ name, finding }) => {
      done++;
      if (finding !== 'NOT RUN') console.error(`${done}/${cases.length} ${name}: ${finding}`);
    });
    const report = { ...found, cases: found.cases.map((each) => withoutSecrets(each, secrets)) };
    const counts = countFindings(report);
    process.stdout.write(reportText(report, values.verbose === true));
    if (values.json !== undefined) {
      const document = { type: 'conformance', version: 1, url: shownUrl(url), counts, ...report };
      await writeOutput(values.json, `${visibleJson(document, 2)}\n`);
    }
    if (values.markdown !== undefined) await writeOutput(values.markdown, reportMarkdown(report, shownUrl(url)));
    return (counts.breaking ?? 0) + (counts.inconclusive ?? 0) > 0 || report.downAfter !== undefined ? 99 : 0;
  },
});
