import * as v from 'valibot';

/** What is wrong with a value at one place; `whole` names the value where the place is all of it. A check's message is what it expects. */
export const issueText = (issue: v.BaseIssue<unknown>, whole: string): string =>
  `${v.getDotPath(issue) ?? whole}: expected ${issue.expected ?? issue.message}, received ${issue.received.slice(0, 100)}`;
