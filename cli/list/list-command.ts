import type { ScenarioFacts } from '../../lib/load/scenario-facts.ts';
import { parseThresholds } from '../../lib/load/thresholds.ts';
import { folded } from '../../lib/text/fold.ts';
import { declareCommand } from '../shared/command.ts';
import {
  allScenarios,
  bundleOf,
  defaultThresholds,
  scenarioNames,
  scenariosOf,
  shippedScenarios,
} from '../shared/scenarios.ts';

const printScenarios = (scenarios: readonly ScenarioFacts[]): void => {
  for (const { name, question } of scenarios) {
    const parts = scenariosOf(name).map(({ name: of, rounds, hasCases }) => ({
      name: of,
      rounds: rounds.length > 0 ? 1 : 0,
      hasCases,
    }));
    const parsed = parseThresholds(defaultThresholds(), parts, scenarioNames(), name);
    if ('problems' in parsed) throw new Error(`thresholds.json: ${parsed.problems.join('; ')}`);
    console.log(`${name}  ${bundleOf(name)}`);
    console.log(folded(`  ${question}`));
    for (const { selector, expression } of parsed.criteria) {
      console.log(`  ${selector.replace('round:1', 'round:each')} ${expression}`);
    }
  }
};

export const listCommand = declareCommand({
  description: 'Lists the scenarios, with the question that each asks, their bundles and their criteria.',
  options: {},
  act: async ({ problems, refuse }) => {
    if (problems.length > 0) return refuse(problems);
    const shipped = new Set(shippedScenarios().map(({ name }) => name));
    const own = allScenarios().filter(({ name }) => !shipped.has(name));
    if (own.length > 0) console.log('Scenarios of this project:\n');
    printScenarios(own);
    if (own.length > 0) console.log('\nShipped scenarios:\n');
    printScenarios(allScenarios().filter((each) => !own.includes(each)));
    return 0;
  },
});
