// The suite runs these, in this order.
import './single.ts';
import './concurrent.ts';
import './process-control.ts';
import './high-output.ts';
import './command-validation.ts';
import './session-limit.ts';
import './conformance.ts';
import './memory.ts';
import './recovery.ts';
import './service-down.ts';
import { suite } from '../lib/k6/scenario.ts';

export const { definition, options, setup, handleSummary, run } = suite(
  'suite',
  'All of them, one after the other, in one run: do the six success criteria hold?',
);

export default run;
