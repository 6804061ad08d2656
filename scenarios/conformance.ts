import { conformanceCases } from '../lib/cases/conformance.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { askCases } from '../lib/k6/case-context.ts';

export const { definition, options, setup, handleSummary, run } = scenario('conformance', {
  question: 'Does the service answer as JSON-RPC 2.0 and RFC 6455 say, whatever it is sent?',
  uses: ['frames'],
  serves: { 'no-crashes': ['findings'] },
  casesMs: () => 900_000,
  cases: askCases((context) => context.ask(conformanceCases())),
});

export default run;
