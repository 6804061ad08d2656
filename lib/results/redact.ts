import type { Outcome } from '../session/outcome.ts';

/** A text shorter than this is part of many words: it is hidden only where it is a word by itself. */
const shortest = 4;

/** What is cut off has this length at least. */
const shortestCut = 80;

/** The shortest part of a secret that is hidden where a text is marked as cut off. */
const shortestPart = 2;

/** Where a text may have been cut off, in its middle too. */
const cuts = /"?…"?|"|$/g;

const isWordCharacter = (character: string | undefined): boolean =>
  character !== undefined && (/\w/.test(character) || character.toLowerCase() !== character.toUpperCase());

/** Hides a short secret where it is a word. */
const hideWord = (text: string, secret: string): string => {
  let shown = '';
  let from = 0;
  for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
    const end = at + secret.length;
    if (at < from || isWordCharacter(text[at - 1]) || isWordCharacter(text[end])) continue;
    shown += `${text.slice(from, at)}…`;
    from = end;
  }
  return shown + text.slice(from);
};

/** Hides the beginning of a secret where the text was cut off within it, and its end where the text begins anew. */
const hideParts = (text: string, secret: string): string => {
  if (text.length < shortestCut) return text;
  const isBegun = text.includes(secret.slice(0, shortestPart));
  const isEnded = text.includes(secret.slice(-shortestPart));
  if (!isBegun && !isEnded) return text;
  let shown = '';
  let from = 0;
  for (const match of text.matchAll(cuts)) {
    const { index } = match;
    const isMarked = match[0].includes('…');
    const least = isMarked ? shortestPart : shortest;
    let begun = isBegun ? Math.min(secret.length - 1, index - from) : 0;
    while (begun >= least && !text.startsWith(secret.slice(0, begun), index - begun)) begun--;
    if (begun >= least) {
      shown += `${text.slice(from, index - begun)}…`;
      from = index;
    }
    const next = index + match[0].length;
    let ended = isEnded && isMarked ? secret.length - 1 : 0;
    while (ended >= shortestPart && !text.startsWith(secret.slice(-ended), next)) ended--;
    if (ended >= shortestPart) {
      shown += text.slice(from, next);
      from = next + ended;
    }
  }
  return shown + text.slice(from);
};

/**
 * Hides secrets in a text that came from outside, for a service may repeat what it received; also where an excerpt was cut off
 * within one. `secrets` are those of `secretsOf`, which has every form of each.
 */
export const hide = (text: string, secrets: readonly string[]): string =>
  secrets.reduce(
    (shown, secret) =>
      secret.length < shortest ? hideWord(shown, secret) : hideParts(shown.replaceAll(secret, '…'), secret),
    text,
  );

/** An outcome whose texts from outside show no secret; its kind, its codes and the reason of a refusal are ours. */
export const hideInOutcome = (outcome: Outcome, secrets: readonly string[]): Outcome => {
  if (secrets.length === 0 || outcome.kind === 'ok') return outcome;
  if (outcome.kind === 'rejected') return { ...outcome, message: hide(outcome.message, secrets) };
  return 'detail' in outcome
    ? { ...outcome, detail: hide(outcome.detail, secrets) }
    : { ...outcome, reason: hide(outcome.reason, secrets) };
};

/** A trace that shows no secret. */
export const hideInTrace = (trace: string[] | undefined, secrets: readonly string[]): string[] | undefined =>
  secrets.length === 0 ? trace : trace?.map((line) => hide(line, secrets));
