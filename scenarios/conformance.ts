import { conformanceCases } from '../lib/cases/conformance.ts';
import { scenario } from '../lib/k6/scenario.ts';
import { asks } from '../lib/k6/stage.ts';

/** Does the service answer as JSON-RPC 2.0 and RFC 6455 have it, whatever it is sent? */
export const { definition, options, setup, handleSummary, run } = scenario('conformance', {
  casesMs: () => 900_000,
  cases: asks((stage) => stage.ask(conformanceCases())),
});

export default run;
