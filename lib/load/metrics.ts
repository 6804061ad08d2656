/** A metric that criteria can judge: its k6 type and the tags its samples carry. */
export interface MetricRow {
  type: 'counter' | 'rate' | 'trend';
  /** Trends of time are in milliseconds. */
  time?: boolean;
  unit?: string;
  tags: readonly string[];
  /** k6 itself feeds it. */
  builtIn?: boolean;
  /** Can be judged in each round: it says how many samples it had of a round, as `evidence{of:…}`. */
  byRound?: boolean;
  /** Only sessions of rounds feed it, no case does. */
  ofRounds?: boolean;
  /** A case feeds it, and says so as `evidence{of:…}`; or says why it could not be had (NOT RUN, NOT APPLICABLE). */
  ofCases?: boolean;
  description: string;
}

const own = ['test', 'round', 'class'] as const;

/** What is measured of each session of a round, and of each of its commands. */
const ofSession = { type: 'trend', time: true, tags: own, ofRounds: true } as const;
const ofCommand = { ...ofSession, tags: [...own, 'command'] } as const;
const outputOfCommand = { type: 'trend', tags: ofCommand.tags, ofRounds: true } as const;

/** What a case measures. */
const ofCase = { type: 'trend', tags: ['test', 'case'], ofCases: true } as const;

/** Every metric that thresholds.json may name; lib/k6/metrics.ts creates those that are not k6's own. */
export const metricsTable = {
  session_success: {
    type: 'rate',
    tags: own,
    byRound: true,
    ofRounds: true,
    description: 'Sessions whose outcome is ok',
  },
  session_duration: {
    ...ofSession,
    byRound: true,
    description: 'From opening the connection to the end of the drain, of sessions that succeeded',
  },
  command_duration: {
    ...ofCommand,
    byRound: true,
    description: 'Response time, from opening the connection to process.completed, of commands that succeeded',
  },
  connect_duration: {
    ...ofSession,
    description: 'From opening the connection to the connected message, of every session that received it',
  },
  command_ack_duration: { ...ofCommand, description: 'From the execute request to its response' },
  first_output_duration: { ...ofCommand, description: 'From the execute request to the first message of output' },
  failure_duration: {
    ...ofSession,
    tags: [...own, 'outcome'],
    description:
      'How long the sessions that failed took, whatever their outcome; kept apart, so that it flatters nothing',
  },
  sessions: { type: 'counter', tags: [...own, 'outcome'], description: 'Sessions, by outcome' },
  control_duration: {
    ...ofSession,
    tags: [...own, 'type'],
    description: 'From a control request to its response, by type',
  },
  output_rate: {
    ...outputOfCommand,
    unit: 'lines/s',
    description: 'Lines a second of a command with 100 lines or more, from its first output to process.completed',
  },
  output_throughput: {
    ...outputOfCommand,
    unit: 'bytes/s',
    description: 'Bytes of output a second of such a command, from its first output to process.completed',
  },
  findings: {
    type: 'counter',
    tags: ['test', 'case', 'finding'],
    ofCases: true,
    description: 'Cases asked of the service, by what they came to',
  },
  recovery_duration: {
    ...ofCase,
    time: true,
    description: 'From asking for the service to be started again to the first session that succeeds',
  },
  session_growth: {
    ...ofCase,
    unit: 'bytes/session',
    description: "Growth of the service's resident memory a session: the robust slope",
  },
  output_lines: { type: 'counter', tags: ofCommand.tags, ofRounds: true, description: 'Lines of output received' },
  protocol_violations: { type: 'counter', tags: own, description: 'Sessions that ended in a protocol violation' },
  timeouts: {
    type: 'counter',
    tags: [...own, 'phase'],
    unit: 'timed out',
    description: 'Sessions that timed out, by the phase in which they did',
  },
  unsettled: { type: 'counter', tags: [], description: 'Sessions begun without an outcome: 0 unless some were lost' },
  dropped_iterations: {
    type: 'counter',
    tags: [],
    builtIn: true,
    description: 'Sessions that an open model owed and k6 could not start; makes the run INVALID',
  },
} as const satisfies Record<string, MetricRow>;

/** A metric's name. */
export type MetricName = keyof typeof metricsTable;
