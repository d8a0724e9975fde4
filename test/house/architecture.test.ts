// The direction of imports, the size of files, and the purity of the pure layers (ARCHITECTURE.md shows the table as a picture).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dependenciesOf, faultsOf, type SourceFile, sourceFiles } from './layers.ts';

const root: string = fileURLToPath(new URL('../..', import.meta.url));

describe('the house', () => {
  test('the tree keeps every rule', () => {
    const faults = sourceFiles(root).flatMap(faultsOf);
    assert.deepEqual(faults, []);
  });

  test('every layer that ARCHITECTURE.md names is there, and no other', () => {
    const page = readFileSync(`${root}/ARCHITECTURE.md`, 'utf8');
    const named = new Set([...page.matchAll(/^\| `src\/(\w+)` \|/gm)].map((match) => match[1]));
    const there = new Set(sourceFiles(root).map((file) => file.layer));
    assert.deepEqual([...named].sort(), [...there].sort());
  });
});

describe('the rules themselves', () => {
  const file = (path: string, text: string): SourceFile => ({ path, layer: path.split('/')[1] ?? '', text });

  test('a service that imports an engine is found', () => {
    const faults = faultsOf(file('src/service/turn/turn.ts', `import { x } from '../../engine/engine.ts';\n`));
    assert.match(faults.join(), /service may not import engine/);
  });

  test('an engine that imports a service is found, also as a type or a dynamic import', () => {
    for (const line of [
      `import type { Service } from '../../service/service.ts';`,
      `const m = await import('../../service/service.ts');`,
      `export * from '../../service/service.ts';`,
    ]) {
      assert.match(faultsOf(file('src/engine/portable/x.ts', line)).join(), /engine may not import service/, line);
    }
  });

  test('control may know the types of services, not their code', () => {
    const typeOnly = `import type { Service } from '../service/service.ts';`;
    const code = `import { Counter } from '../service/counters.ts';`;
    assert.deepEqual(faultsOf(file('src/control/metrics.ts', typeOnly)), []);
    assert.match(faultsOf(file('src/control/metrics.ts', code)).join(), /types only/);
  });

  test('clocks, timers and chance are found in pure layers, and allowed elsewhere', () => {
    for (const line of [
      'Date.now()',
      'performance.now()',
      'setTimeout(f, 1)',
      'Math.random()',
      'new Date()',
      'randomBytes(4)',
    ]) {
      assert.equal(faultsOf(file('src/service/x.ts', line)).length, 1, line);
      assert.equal(faultsOf(file('src/runtime/x.ts', line)).length, 0, line);
    }
  });

  test('sockets are found in pure layers', () => {
    assert.match(faultsOf(file('src/wire/x.ts', `import dgram from 'node:dgram';`)).join(), /node:dgram/);
  });

  test('a file of more than 500 lines is found', () => {
    assert.equal(faultsOf(file('src/net/x.ts', '\n'.repeat(500))).length, 1);
    assert.equal(faultsOf(file('src/net/x.ts', '\n'.repeat(499))).length, 0);
  });

  test('imports are read with their kind', () => {
    const text = `import type { A } from './a.ts';\nimport {\n  b,\n} from '../b.ts';\nimport { type C } from 'yaml';\nimport './d.ts';\n`;
    assert.deepEqual(dependenciesOf(text), [
      { specifier: './a.ts', typeOnly: true },
      { specifier: '../b.ts', typeOnly: false },
      { specifier: 'yaml', typeOnly: false },
      { specifier: './d.ts', typeOnly: false },
    ]);
  });
});
