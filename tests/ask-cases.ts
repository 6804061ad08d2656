import type { TestContext } from 'node:test';
import { runOverNode } from '../cli/shared/node-session.ts';
import { runCase, type Case, type Judgement } from '../lib/cases/case.ts';
import type { SessionLimits } from '../lib/session/session.ts';
import type { TargetOptions } from '../reference-target/options.ts';
import { targetFor } from './target-client.ts';

/** Short, for what a faulty service never answers. */
export const impatient = { ackTimeoutMs: 2000, messageTimeoutMs: 2000, sessionTimeoutMs: 30_000 };
/** For a service that answers all, on a machine that has much else to do. */
export const patient = { ackTimeoutMs: 30_000, messageTimeoutMs: 30_000, sessionTimeoutMs: 120_000 };

/** What a case came to, and how long it took, milliseconds. */
export type Answer = Judgement & { name: string; tookMs: number };

const ask = async (each: Case, url: string, limits: SessionLimits): Promise<Answer> => {
  const run = runCase(each);
  const result = await runOverNode({ url, headers: {}, insecure: false }, limits, run.script);
  return { name: each.name, ...run.finding(result), tookMs: result.durationMs };
};

/** Asks cases of a target of their own, one session each, one after the other. */
export const askTarget = async (
  t: TestContext,
  cases: readonly Case[],
  options: Partial<TargetOptions>,
  limits: SessionLimits = impatient,
): Promise<Answer[]> => {
  const { url } = await targetFor(t, options);
  const answers: Answer[] = [];
  for (const each of cases) answers.push(await ask(each, url, limits));
  return answers;
};

/** The cases with these names, of which each must be there. */
export const casesNamed = (cases: readonly Case[], names: readonly string[]): Case[] =>
  names.map((name) => {
    const found = cases.find((each) => each.name === name);
    if (!found) throw new Error(`expected a case "${name}", there are ${cases.map((each) => each.name).join(', ')}`);
    return found;
  });
