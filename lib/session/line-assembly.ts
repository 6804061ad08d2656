/** What one `process.output` message adds: complete lines of a stream, or why it violates the protocol. */
export type AssembledOutput =
  { stream: 'stdout' | 'stderr'; lines: string[] } | { stream?: never; lines?: never; violation: string };

const linesOf = (data: string): string[] => {
  const lines = data.split('\n');
  if (lines.at(-1) === '' && lines.length > 1) lines.pop();
  return lines;
};

/**
 * Puts the lines of one command together: a message is a line (its line end stripped), or a chunk of a long one,
 * `chunk_index` of `total_chunks`, which must come in order.
 */
export class LineAssembly {
  /** What is missing of a line whose chunks have not all come, or undefined. */
  pending: string | undefined;
  private chunks: Record<'stdout' | 'stderr', string[]> | undefined;

  /** Takes the params of a `process.output` message. */
  add({ type, data, chunk_index: index, total_chunks: total }: Record<string, unknown>): AssembledOutput {
    if (type !== 'stdout' && type !== 'stderr') {
      return { violation: `process.output: expected type stdout or stderr, received ${JSON.stringify(type)}` };
    }
    if (typeof data !== 'string') {
      return { violation: `process.output: expected data of type string, received ${JSON.stringify(data)}` };
    }
    const came = this.chunks?.[type].length ?? 0;
    const chunkCount = typeof total === 'number' && total > 1 ? total : 1;
    const chunk = chunkCount === 1 && (index === undefined || index === null) ? 0 : index;
    if (chunk !== came || (chunkCount === 1 && came > 0)) {
      const received = JSON.stringify(index) ?? 'no chunk_index';
      return { violation: `process.output: expected chunk ${came} of a line, received ${received}` };
    }
    if (chunkCount === 1) return { stream: type, lines: linesOf(data) };
    const chunks = (this.chunks ??= { stdout: [], stderr: [] });
    const parts = chunks[type];
    parts.push(data);
    const whole = parts.length >= chunkCount;
    if (whole) chunks[type] = [];
    const open = (['stdout', 'stderr'] as const).find((stream) => chunks[stream].length > 0);
    this.pending = open && `${chunks[open].length} chunks of a line of ${open} came, the rest did not`;
    return { stream: type, lines: whole ? linesOf(parts.join('')) : [] };
  }
}
