// What `import … from 'websocket-mcp-stress'` offers to those who write scenarios of their own (docs/write-a-scenario.md).
export type { Case, Finding } from '../cases/case.ts';
export type { Command, Proof } from '../commands/command.ts';
export type { Need, ScenarioFacts } from '../load/scenario-facts.ts';
export type { Settings } from '../load/settings.ts';
export type { Execution, Script, Session, SessionResult } from '../session/session.ts';
export { askCases } from './case-context.ts';
export type { CaseContext, OpenSession } from './case-context.ts';
export type { Scenario, ScenarioDefinition } from './definition.ts';
export { scenario, suite } from './scenario.ts';
export type { K6Script } from './scenario.ts';
