/** What one `process.output` message adds: complete lines of a stream, or why it violates the protocol. */
export type AssembledOutput =
  { stream: 'stdout' | 'stderr'; lines: string[] } | { stream?: never; lines?: never; violation: string };

const linesOf = (data: string): string[] => {
  const lines = data.split('\n');
  if (lines.at(-1) === '' && lines.length > 1) lines.pop();
  return lines;
};

/** Puts the lines of one command together. */
export interface LineAssembly {
  /** Takes the params of a `process.output` message. */
  add: (params: Record<string, unknown>) => AssembledOutput;
  /** What is missing of a line whose chunks have not all come, or undefined. */
  pending: () => string | undefined;
}

/**
 * A line assembly: a message is a line (its line end stripped), or a chunk of a long one, `chunk_index` of
 * `total_chunks`, which must come in order.
 */
export const createLineAssembly = (): LineAssembly => {
  const chunks: Record<'stdout' | 'stderr', string[]> = { stdout: [], stderr: [] };
  let missing: string | undefined;
  return {
    pending: () => missing,
    add: ({ type, data, chunk_index: index, total_chunks: total }) => {
      if (type !== 'stdout' && type !== 'stderr') {
        return { violation: `process.output: expected type stdout or stderr, received ${JSON.stringify(type)}` };
      }
      if (typeof data !== 'string') {
        return { violation: `process.output: expected data of type string, received ${JSON.stringify(data)}` };
      }
      const parts = chunks[type];
      const chunkCount = typeof total === 'number' && total > 1 ? total : 1;
      const chunk = chunkCount === 1 && (index === undefined || index === null) ? 0 : index;
      if (chunk !== parts.length || (chunkCount === 1 && parts.length > 0)) {
        const received = JSON.stringify(index) ?? 'no chunk_index';
        return { violation: `process.output: expected chunk ${parts.length} of a line, received ${received}` };
      }
      if (chunkCount === 1) return { stream: type, lines: linesOf(data) };
      parts.push(data);
      const whole = parts.length >= chunkCount;
      if (whole) chunks[type] = [];
      const open = (['stdout', 'stderr'] as const).find((stream) => chunks[stream].length > 0);
      missing = open && `${chunks[open].length} chunks of a line of ${open} came, the rest did not`;
      return { stream: type, lines: whole ? linesOf(parts.join('')) : [] };
    },
  };
};
