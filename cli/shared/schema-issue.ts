import * as v from 'valibot';

/** What is wrong with a value at one place; `whole` names the value where the place is all of it. A check's message is what it expects. */
export const issueText = (issue: v.BaseIssue<unknown>, whole: string): string => {
  const place = v.getDotPath(issue) ?? whole;
  if (issue.type === 'strict_object' && issue.expected === 'never') return `${place}: no such member`;
  return `${place}: expected ${issue.expected ?? issue.message}, received ${issue.received.slice(0, 100)}`;
};
