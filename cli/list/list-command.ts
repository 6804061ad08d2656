import path from 'node:path';
import { scenarioNames, testNames, testsOf } from '../../lib/load/scenario-names.ts';
import { parseThresholds } from '../../lib/load/thresholds.ts';
import { packageRoot } from '../shared/package-root.ts';
import { shippedThresholds } from '../shared/shipped-thresholds.ts';

/** `ws-stress list`: each scenario with its bundle and its criteria as thresholds.json has them. */
export const listCommand = async (argv: string[]): Promise<number> => {
  if (argv.length > 0) {
    const known = argv[0] === '--help' || argv[0] === '-h';
    (known ? console.log : console.error)(
      'Usage: ws-stress list\n\nLists the scenarios, their bundles and their criteria.',
    );
    return known ? 0 : 2;
  }
  for (const name of scenarioNames) {
    const tests = testsOf(name).map((test) => ({ name: test, rounds: 1 }));
    const parsed = parseThresholds(shippedThresholds(), tests, testNames);
    if ('problems' in parsed) throw new Error(`thresholds.json: ${parsed.problems.join('; ')}`);
    console.log(`${name}  ${path.join(packageRoot, 'dist', `${name}.js`)}`);
    for (const { selector, expression } of parsed.criteria) {
      console.log(`  ${selector.replace('round:1', 'round:each')} ${expression}`);
    }
  }
  return 0;
};
