import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { didYouMean, formatPath } from '../../../src/control/config/faults.ts';
import { configJsonSchema } from '../../../src/control/config/json-schema.ts';
import { MASK, printable, printYaml } from '../../../src/control/config/print.ts';
import { configReference } from '../../../src/control/config/reference.ts';
import { allKeys } from '../../../src/control/config/shape.ts';
import { variableOf } from '../../../src/control/config/text-sources.ts';
import { oneLine } from '../../../src/control/one-line.ts';
import { loadFrom, temporaryFolder } from './rig.ts';

test('docs/configuration.md is what the schema says (npm run docs writes it)', () => {
  const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  assert.equal(page, configReference());
});

test('every key has a description, and a variable of its own', () => {
  const variables = new Set<string>();
  for (const [path, shape] of allKeys()) {
    assert.notEqual(shape.description, '', path.join('.'));
    assert.notEqual(shape.form === '' && !shape.kinds.has('section'), true, path.join('.'));
    assert.ok(!variables.has(variableOf(path)), variableOf(path));
    variables.add(variableOf(path));
  }
  assert.ok(variables.has('CULVERT_TURN_QUOTA_PER_USER'));
  assert.ok(variables.has('CULVERT_TURN_FIREZONE_STAMP_SECRET'));
  assert.ok(variables.has('CULVERT_LOG_LEVEL'));
});

test('every secret is masked, whatever its form', async (context) => {
  const result = await loadFrom(temporaryFolder(context), {
    yaml: 'turn: { users: { alice: hidden1, bob: hidden2 }, secret: hidden3, firezone: { stampSecret: [hidden4] } }\nadmin: { token: hidden5-hidden5-hidden5 }',
  });
  assert.ok(result.ok);
  const text = await printYaml(result.tree);
  assert.doesNotMatch(text, /hidden/);
  const { turn } = printable(result.tree) as { turn: Record<string, unknown> };
  assert.deepEqual(turn.users, { alice: MASK, bob: MASK });
});

test('what print shows loads again', async (context) => {
  const folder = temporaryFolder(context);
  const yaml =
    'turn: { relay: { ports: 5000-6000 }, lifetime: { max: 2h }, quota: { bytesPerSecond: 2M }, peers: { allow: 10.0.0.0/8 } }';
  const first = await loadFrom(folder, { yaml });
  assert.ok(first.ok);
  const second = await loadFrom(folder, { yaml: await printYaml(first.tree) });
  assert.ok(second.ok);
  assert.deepEqual(second.config, first.config);
});

test('the JSON Schema knows every key', async () => {
  const schema = await configJsonSchema();
  for (const [path] of allKeys()) {
    let at: unknown = schema;
    for (const key of path) at = (at as { properties?: Record<string, unknown> }).properties?.[key];
    assert.ok(at, path.join('.'));
  }
});

test('names', () => {
  assert.equal(didYouMean('relam', ['relay', 'realm', 'listen']), 'realm');
  assert.equal(didYouMean('PerUser', ['perUser']), 'perUser');
  assert.equal(didYouMean('something', ['realm', 'listen']), undefined);
  assert.equal(formatPath(['turn', 'listen', '3']), 'turn.listen[3]');
  assert.equal(oneLine('a\nb\u001b'), 'a\\u000ab\\u001b');
});
