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

/** How much of a secret's beginning is right before a place in a text; 0 where it is less than `least`. */
const begunBefore = (text: string, index: number, secret: string, least: number): number => {
  const before = text.slice(Math.max(0, index - secret.length + 1), index);
  const start = secret.slice(0, least);
  for (let at = before.indexOf(start); at >= 0; at = before.indexOf(start, at + 1)) {
    if (secret.startsWith(before.slice(at))) return before.length - at;
  }
  return 0;
};

/** How much of a secret's end is right behind a place in a text. */
const endedBehind = (text: string, index: number, secret: string): number => {
  const start = text.slice(index, index + shortestPart);
  for (let at = secret.indexOf(start, 1); at > 0; at = secret.indexOf(start, at + 1)) {
    if (secret.length - at < shortestPart) return 0;
    if (text.startsWith(secret.slice(at), index)) return secret.length - at;
  }
  return 0;
};

/** Hides the beginnings of secrets where the text was cut off within them, and their ends where it begins anew. */
const hideParts = (text: string, secrets: readonly string[]): string => {
  const places = [...text.matchAll(cuts)];
  const hidden: (readonly [from: number, to: number])[] = [];
  for (const secret of secrets) {
    if (secret.length < shortest) continue;
    const isBegun = text.includes(secret.slice(0, shortest));
    for (const { 0: cut, index } of places) {
      const isMarked = cut.includes('…');
      if (!isBegun && !isMarked) continue;
      const begun = begunBefore(text, index, secret, isMarked ? shortestPart : shortest);
      if (begun > 0) hidden.push([index - begun, index]);
      const next = index + cut.length;
      const ended = isMarked ? endedBehind(text, next, secret) : 0;
      if (ended > 0) hidden.push([next, next + ended]);
    }
  }
  let shown = '';
  let from = 0;
  for (const [start, end] of hidden.toSorted((a, b) => a[0] - b[0] || b[1] - a[1])) {
    if (start >= from) shown += `${text.slice(from, start)}…`;
    from = Math.max(from, end);
  }
  return shown + text.slice(from);
};

/**
 * Hides secrets in a text that came from outside, for a service may repeat what it received; also where an excerpt was cut off
 * within one. `secrets` are those of `secretsOf`, which has every form of each.
 */
export const hide = (text: string, secrets: readonly string[]): string => {
  if (secrets.length === 0) return text;
  let shown = text;
  for (const secret of secrets) {
    if (shown.includes(secret)) {
      shown = secret.length < shortest ? hideWord(shown, secret) : shown.replaceAll(secret, '…');
    }
  }
  // Whether it was cut off shows in its length before anything was hidden.
  return text.length < shortestCut ? shown : hideParts(shown, secrets);
};

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
