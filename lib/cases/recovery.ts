import type { ReplayCase } from '../commands/recovery-index.ts';
import type { Case } from './case.ts';

type Asked = Pick<Case, 'name' | 'section' | 'expected'>;

/** What a kept failure is as a case. */
export const caseOf = ({ name, test, fault, command }: ReplayCase): Asked => ({
  name,
  section: `a failure of ${test}`,
  expected: `${command.name} to come to ok, and not again to ${fault}`,
});

/** What stands for all of them where there are none. */
export const noCases: Asked = {
  name: 'kept-failures',
  section: 'what failed once',
  expected: 'to come to ok',
};
