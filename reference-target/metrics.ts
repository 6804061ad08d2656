/** The target's counters since its start, and its present state. */
export interface TargetStats {
  activeSessions: number;
  sessionsTotal: number;
  sessionsRefusedTotal: number;
  handshakesTotal: number;
  connectionErrorsTotal: number;
  commandsTotal: number;
  children: number;
  messagesReceivedTotal: number;
  messagesSentTotal: number;
  outputLinesTotal: number;
  /** Bytes that wait in the target until clients read them. */
  bufferedBytes: number;
}

/** The statistics that only grow. */
export type Counters = {
  -readonly [Name in keyof TargetStats as Name extends `${string}Total` ? Name : never]: TargetStats[Name];
};

export const newCounters = (): Counters => ({
  sessionsTotal: 0,
  sessionsRefusedTotal: 0,
  handshakesTotal: 0,
  connectionErrorsTotal: 0,
  commandsTotal: 0,
  messagesReceivedTotal: 0,
  messagesSentTotal: 0,
  outputLinesTotal: 0,
});

type MetricRow = [name: string, type: 'gauge' | 'counter', help: string, value: number];

/** The statistics and the figures of the target's own process in the Prometheus text format, version 0.0.4. */
export const renderMetrics = (stats: TargetStats): string => {
  const cpu = process.cpuUsage();
  const rows: MetricRow[] = [
    [
      'process_resident_memory_bytes',
      'gauge',
      'Resident memory of the target itself in bytes.',
      process.memoryUsage.rss(),
    ],
    [
      'process_cpu_seconds_total',
      'counter',
      'Processor time of the target itself in seconds, without its children.',
      (cpu.user + cpu.system) / 1e6,
    ],
    [
      'process_start_time_seconds',
      'gauge',
      'When the target started, in seconds since 1970.',
      Date.now() / 1000 - process.uptime(),
    ],
    ['target_active_sessions', 'gauge', 'Sessions open now.', stats.activeSessions],
    ['target_sessions_total', 'counter', 'Sessions accepted.', stats.sessionsTotal],
    ['target_sessions_refused_total', 'counter', 'Sessions over the session limit.', stats.sessionsRefusedTotal],
    ['target_handshakes_total', 'counter', 'Opening handshakes, refused ones included.', stats.handshakesTotal],
    ['target_connection_errors_total', 'counter', 'Connections that ended with an error.', stats.connectionErrorsTotal],
    ['target_commands_total', 'counter', 'Commands started.', stats.commandsTotal],
    [
      'target_children',
      'gauge',
      'Process groups alive now, and processes that left the group of their command.',
      stats.children,
    ],
    ['target_messages_received_total', 'counter', 'WebSocket messages received.', stats.messagesReceivedTotal],
    ['target_messages_sent_total', 'counter', 'WebSocket messages sent.', stats.messagesSentTotal],
    ['target_output_lines_total', 'counter', 'Messages with output sent.', stats.outputLinesTotal],
    ['target_buffered_bytes', 'gauge', 'Bytes that wait until clients read them.', stats.bufferedBytes],
  ];
  return rows
    .map(([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`)
    .join('');
};
