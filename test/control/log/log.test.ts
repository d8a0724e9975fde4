import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { type LogOptions, openLog } from '../../../src/control/log/log.ts';

async function written(options: LogOptions, name: string): Promise<string> {
  let text = '';
  const sink = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  const log = await openLog(options, sink);
  log.debug('not at this level');
  log.warn('allocation refused', { user: name, count: 2, lines: [name] });
  await new Promise((resolve) => setImmediate(resolve));
  return text;
}

describe('what comes from outside cannot write lines of its own', () => {
  const hostile = 'alice\n{"level":"fatal"}\r\u001b[2J\u009b31m\u2028\u202egnp.exe\u0000';
  for (const format of ['json', 'pretty'] as const) {
    test(format, async () => {
      const text = await written({ level: 'info', format }, hostile);
      assert.match(text, /allocation refused/);
      assert.match(text, /alice/);
      assert.equal(text.trimEnd().split('\n').length, 1, text);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      assert.doesNotMatch(text.trimEnd(), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
    });
  }
});

test('JSON lines have level, time and fields', async () => {
  const line = JSON.parse(await written({ level: 'warn', format: 'json' }, 'bob'));
  assert.deepEqual(
    { ...line, time: typeof line.time },
    { level: 'warn', time: 'string', user: 'bob', count: 2, lines: ['bob'], msg: 'allocation refused' },
  );
});
