/** What one `process.output` message adds: complete lines of a stream, or why it violates the protocol. */
export type AssembledOutput =
  { stream: 'stdout' | 'stderr'; lines: string[] } | { stream?: never; lines?: never; violation: string };

const linesOf = (data: string): string[] => {
  const lines = data.split('\n');
  if (lines.at(-1) === '' && lines.length > 1) lines.pop();
  return lines;
};

/**
 * Puts lines together from the params of `process.output` messages: a message is a line (its line end stripped), or a
 * chunk of a long one, `chunk_index` of `total_chunks`, which must come in order.
 */
export const createLineAssembly = (): ((params: Record<string, unknown>) => AssembledOutput) => {
  const chunks: Record<'stdout' | 'stderr', string[]> = { stdout: [], stderr: [] };
  return ({ type, data, chunk_index: index, total_chunks: total }) => {
    if (type !== 'stdout' && type !== 'stderr') {
      return { violation: `process.output: expected type stdout or stderr, received ${JSON.stringify(type)}` };
    }
    if (typeof data !== 'string') {
      return { violation: `process.output: expected data of type string, received ${JSON.stringify(data)}` };
    }
    const parts = chunks[type];
    const chunked = typeof total === 'number' && total > 1;
    if (!chunked && parts.length === 0) return { stream: type, lines: linesOf(data) };
    if (!chunked || index !== parts.length) {
      return {
        violation: `process.output: expected chunk ${parts.length} of a line, received ${JSON.stringify(index)}`,
      };
    }
    parts.push(data);
    if (parts.length < total) return { stream: type, lines: [] };
    chunks[type] = [];
    return { stream: type, lines: linesOf(parts.join('')) };
  };
};
