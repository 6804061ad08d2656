import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Response } from '../lib/jsonrpc/correlation.ts';
import { isObject } from '../lib/jsonrpc/messages.ts';
import { describeOutcome } from '../lib/session/outcome.ts';
import type { Script, Session } from '../lib/session/session.ts';
import { dialects, isDialectName } from '../reference-target/dialect.ts';
import { anyInteger, anyText, conformanceTable } from './conformance-table.ts';
import { service, startInMemory } from './memory-socket.ts';

/** An answer of the table as a service sends it: placeholders stand for values. */
const asSent = (answer: unknown): string =>
  JSON.stringify(answer).replaceAll(JSON.stringify(anyInteger), '8843').replaceAll(JSON.stringify(anyText), '"text"');

// The table that the reference target is held to also drives the client: it must read each answer as what it is.
for (const dialect of Object.keys(dialects).filter(isDialectName)) {
  for (const { name, answers, closes } of conformanceTable) {
    for (const [index, answer] of answers[dialect].entries()) {
      void test(`the client reads: ${dialect}: ${name}, answer ${index + 1}`, () => {
        assert.ok(isObject(answer));
        let response: Response | undefined;
        const session = startInMemory(function* (open: Session): Script {
          response = yield* open.request('hook_status');
        });
        if (closes) {
          session.events.message(asSent(answer));
          session.events.closed(closes.code, closes.reason);
          const outcome = session.result?.outcome;
          assert.ok(outcome?.kind === 'rejected' && outcome.reason === 'session limit');
          assert.equal(session.result?.dialect, dialect, 'the code betrays the dialect');
          return;
        }
        session.events.message(service.connected);
        session.events.message(asSent(answer));
        if (answer.id === 1) {
          session.events.pong();
          assert.equal(session.result?.outcome.kind, 'ok');
          if (isObject(answer.error)) assert.equal(response?.error?.code, answer.error.code);
          else assert.deepEqual(response?.result, JSON.parse(asSent(answer.result)));
        } else {
          // It answers another request than ours, which was 1, or none: correlation is strict.
          assert.equal(response, undefined);
          assert.match(describeOutcome(session.result?.outcome ?? { kind: 'ok' }), /^protocol-violation: /);
        }
      });
    }
  }
}
