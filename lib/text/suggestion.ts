/** The known name that is nearest, or undefined where none is near. */
export const closest = (name: string, known: readonly string[]): string | undefined => {
  let best: string | undefined;
  let bestDistance = Math.max(3, Math.floor(name.length / 3));
  for (const candidate of known) {
    let row = Array.from({ length: candidate.length + 1 }, (_, index) => index);
    for (let i = 1; i <= name.length; i++) {
      const next = [i];
      for (let j = 1; j <= candidate.length; j++) {
        const substitution = (row[j - 1] ?? 0) + (name[i - 1] === candidate[j - 1] ? 0 : 1);
        next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
      }
      row = next;
    }
    const distance = row[candidate.length] ?? Infinity;
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
};

/** ` (did you mean X?)` where one of the known names is near, else nothing. */
export const suggestion = (name: string, known: readonly string[]): string => {
  const near = closest(name, known);
  return near === undefined ? '' : `; did you mean ${near}?`;
};
