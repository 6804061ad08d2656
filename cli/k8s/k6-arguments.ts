import { k6OptionProblems } from '../run/k6-options.ts';

/** What the operator gives k6 itself, or what would break how it does: the argument's form, and why it is refused. */
const refused: readonly [form: RegExp, why: string][] = [
  [/^--execution-segment/, 'the operator splits the test by --parallelism'],
  [/^(--address|-a)(=|$)/, 'the operator asks k6 by its API at an address of its own'],
  [/^(--paused|-p)(=|$)/, 'the operator lets all runners begin together by it'],
  [/^--(out=|env(=|$))|^-e|^-o./, 'outputs and variables are rendered from --write-to, settings and --secret'],
  [/^(--out|-o)$/, 'an output is rendered from --write-to'],
  [/^(instance_id|testrun_name)=|^--tag=(instance_id|testrun_name)=/, 'the operator sets this tag'],
];

/** What is wrong with arguments for k6 that the operator is to hand over. */
export const k6ArgumentProblems = (args: readonly string[]): string[] => [
  ...k6OptionProblems(args).filter((problem) => !/^(--paused|-p)\b/.test(problem)),
  ...(args.length > 0 && !(args[0] ?? '').startsWith('-')
    ? [`after --: expected options of k6, such as --tag team=core; received ${JSON.stringify(args[0])}`]
    : []),
  ...args.flatMap((arg) => {
    // The operator takes an empty element for an option's value or refuses the whole TestRun, by what stands before it.
    if (arg === '') return ['after --: expected no empty argument'];
    const why = refused.find(([form]) => form.test(arg))?.[1];
    return why === undefined ? [] : [`after --: ${JSON.stringify(arg)}: ${why}`];
  }),
];
