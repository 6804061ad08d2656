import { conformanceCases } from '../lib/cases/conformance.ts';
import { scenario } from '../lib/k6/scenario.ts';

/** Does the service answer as JSON-RPC 2.0 and RFC 6455 have it, whatever it is sent? */
export const { definition, options, setup, handleSummary, run } = scenario('conformance', {
  casesMs: () => 900_000,
  cases: (stage) => stage.ask(conformanceCases()),
});

export default run;
