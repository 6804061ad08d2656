import { rawConformanceCases } from '../../lib/cases/conformance-raw.ts';
import type { Settings } from '../../lib/load/settings.ts';
import { hide } from '../../lib/results/redact.ts';
import { secretsOf } from '../../lib/results/secrets.ts';
import type { FindingRecord } from '../../lib/results/record-schema.ts';
import { connectionOf } from '../shared/node-connect.ts';
import { probe } from './conformance-raw.ts';
import { runConformance } from './conformance-run.ts';

/** How long a service that accepts no session is given to accept one again, milliseconds. */
const recoveryMs = 10_000;

/** The answer to a case that only Node can ask. */
export type FrameFinding = Pick<FindingRecord, 'case' | 'section' | 'expected' | 'finding' | 'received'>;

/** Asks the cases of conformance that k6 can't send: frames and opening handshakes. */
export const askFrames = async (settings: Settings, caFile: string | undefined): Promise<FrameFinding[]> => {
  const service = connectionOf(settings, caFile);
  const cases = rawConformanceCases();
  const caseMs = settings.ackTimeoutMs;
  const startedAt = performance.now();
  const trouble = await probe(service, caseMs);
  if (trouble !== undefined) {
    const received = `the service gives no session after the run: ${hide(trouble, secretsOf(settings, process.env))}`;
    return cases.map(({ name, section, expected }, index) => ({
      case: name,
      section,
      expected,
      finding: index > 0 ? 'not-run' : performance.now() - startedAt >= caseMs ? 'inconclusive' : 'breaking',
      received,
    }));
  }
  const report = await runConformance(cases, service, { caseMs, recoveryMs }, () => {});
  return report.cases.map(({ name, section, expected, received, finding }) => ({
    case: name,
    section,
    expected,
    finding: finding === 'NOT RUN' ? 'not-run' : finding,
    received:
      finding === 'NOT RUN'
        ? `the service is down after ${report.downAfter ?? 'the case before'}`
        : hide(received, secretsOf(settings, process.env)),
  }));
};
