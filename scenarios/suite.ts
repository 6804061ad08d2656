import { suite } from '../lib/k6/scenario.ts';
import { definition as commandValidation } from './command-validation.ts';
import { definition as concurrent } from './concurrent.ts';
import { definition as conformance } from './conformance.ts';
import { definition as highOutput } from './high-output.ts';
import { definition as memory } from './memory.ts';
import { definition as processControl } from './process-control.ts';
import { definition as recovery } from './recovery.ts';
import { definition as serviceDown } from './service-down.ts';
import { definition as sessionLimit } from './session-limit.ts';
import { definition as single } from './single.ts';

export const { definition, options, setup, handleSummary, run } = suite(
  'suite',
  'All of them, one after the other, in one run: do the six success criteria hold?',
  [
    single,
    concurrent,
    processControl,
    highOutput,
    commandValidation,
    sessionLimit,
    conformance,
    memory,
    recovery,
    serviceDown,
  ],
);

export default run;
