// The long run: node --expose-gc test/service/turn/fuzz-main.ts --messages 10000000 --seed 1
import { parseArgs } from 'node:util';
import { FuzzRun } from './fuzz-run.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: `${Date.now() % 2 ** 31}` },
    reconfigure: { type: 'string', default: '20000' },
    restart: { type: 'string', default: '1000000' },
  },
});
const messages = Number(values.messages);
const options = {
  seed: Number(values.seed),
  reconfigureEvery: Number(values.reconfigure),
  restartEvery: Number(values.restart),
};
const run = new FuzzRun(options);
const started = performance.now();
console.log(`fuzz: ${messages} messages, ${JSON.stringify(options)}`);

try {
  const every = Math.max(1, Math.ceil(messages / 20));
  while (run.messages < messages) {
    run.step();
    if (run.messages % every === 0) console.log(progress());
  }
  run.finish();
} catch (error) {
  const again = Object.entries({ seed: values.seed, reconfigure: values.reconfigure, restart: values.restart });
  const flags = again.map(([name, value]) => `--${name} ${value}`).join(' ');
  console.error(`fuzz: broken at message ${run.messages}; again: ${flags} --messages ${run.messages + 1}`);
  console.error(`fuzz: last input ${run.lastInput}`);
  console.error(error);
  process.exit(1);
}
console.log(progress());
const { drops, responses } = run.service.stats();
console.log(`fuzz: drops ${JSON.stringify(Object.fromEntries(drops.entries()))}`);
console.log(`fuzz: responses ${responses.map((r) => `${r.method}/${r.code}=${r.count}`).join(' ')}`);
console.log(`fuzz: nothing thrown, nothing broken, nothing left behind`);

function progress(): string {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const { allocations, held } = run.service.stats();
  const rate = Math.round((run.messages / (performance.now() - started)) * 1000);
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  return [
    `${run.messages} messages`,
    `${rate}/s`,
    `heap ${megabytes(heapUsed)} MiB`,
    `external ${megabytes(external)} MiB`,
    `rss ${megabytes(rss)} MiB`,
    `allocations ${allocations} (peak ${run.peakAllocations})`,
    `entries ${held.entries}`,
    `deadlines ${held.deadlines}`,
    `free ports ${held.freePorts}`,
    `orders ${run.ordersTaken}`,
    `virtual ${run.virtualHours} h`,
  ].join(', ');
}
