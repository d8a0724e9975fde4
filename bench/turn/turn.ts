import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { onExit } from '../lib/cleanup.ts';
import { compileLoad } from '../lib/compile.ts';
import { chooseCores, hasCommand, machineFacts } from '../lib/machine.ts';
import { root } from '../lib/paths.ts';
import { Progress } from '../lib/progress.ts';
import { makeTopology } from '../lib/topology.ts';
import type { Arena, Contestant, ContestantName } from './contestant.ts';
import { starters, versionOf } from './contestants.ts';
import { type DataCell, loadChurn, loadData, loadRtt } from './load.ts';
import { measureHeap, measureMemory } from './memory.ts';
import { type Plan, planOf, USAGE } from './plan.ts';
import { profileCulvert } from './profile.ts';
import { report } from './report.ts';
import type { Results, Rounds } from './results.ts';

const BUSY = 0.1;

/** `npm run bench -- turn`: Culvert, coturn and a bare node:dgram forwarder side by side. */
export async function benchTurn(args: string[]): Promise<number> {
  const plan = planOf(args);
  if (typeof plan === 'string') {
    console.error(`bench: ${plan}\n${USAGE}`);
    return 2;
  }
  try {
    return await runPlan(plan);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

async function runPlan(plan: Plan): Promise<number> {
  if (!hasCommand('taskset'))
    throw new Error('needs taskset to keep relay and load apart (apt-get install util-linux)');
  const load = await compileLoad();
  const machine = await machineFacts();
  if (machine.busyBefore > BUSY) {
    console.error(`bench: the machine is ${Math.round(machine.busyBefore * 100)} % busy already: figures will be off`);
  }
  const [loadCore, relayCore] = chooseCores();
  if (loadCore === relayCore) console.error('bench: only one core: relay and load share it, figures mean little');
  const scratch = mkdtempSync(join(tmpdir(), 'culvert-bench-'));
  onExit(() => rmSync(scratch, { recursive: true, force: true }));
  const arena: Arena = {
    topology: makeTopology(plan.forceLoopback),
    load,
    loadCore,
    relayCore,
    scratch,
    nodeFlags: [],
  };

  const results: Results = {
    date: new Date().toISOString(),
    machine,
    path: arena.topology.kind === 'namespaces' ? 'network namespaces joined by veth' : 'loopback',
    cores: { load: loadCore, relay: relayCore },
    rounds: plan.rounds,
    seconds: plan.seconds,
    quick: plan.quick,
    versions: {},
    faults: [],
    data: [],
    rtt: { rate: plan.rttRate, samples: {} },
    churn: {},
    memory: {},
    heap: undefined,
    profiles: [],
  };
  await measure(arena, plan, results);
  const text = report(results);
  console.log(text);
  if (plan.out !== undefined) keep(resolve(root, plan.out), results, text);
  return results.faults.length === 0 ? 0 : 1;
}

async function measure(arena: Arena, plan: Plan, results: Results): Promise<void> {
  const contestants = await startAll(arena, plan, results);
  const turn = contestants.filter(({ protocol }) => protocol === 'turn');
  const rounds = plan.rounds + 1;
  const progress = new Progress(
    rounds * (contestants.length * (plan.cells.length + 1) + turn.length) +
      plan.cells.length +
      turn.length * plan.memoryRounds +
      2,
  );

  for (const cell of plan.cells) {
    progress.step(`load alone, ${nameOf(cell)}`);
    const alone = await loadData(arena, undefined, cell, plan.seconds);
    const samples = await alternate(contestants, rounds, results, (contestant) => {
      progress.step(`${contestant.name}, ${nameOf(cell)}`);
      return loadData(arena, contestant, cell, plan.seconds);
    });
    results.data.push({ cell, alone, samples });
  }
  const trips = await alternate(contestants, rounds, results, (contestant) => {
    progress.step(`${contestant.name}, round trips`);
    return loadRtt(arena, contestant, plan.rttRate, plan.seconds);
  });
  Object.assign(results.rtt.samples, trips);
  const churn = await alternate(turn, rounds, results, (contestant) => {
    progress.step(`${contestant.name}, allocations`);
    return loadChurn(arena, contestant, plan.seconds);
  });
  Object.assign(results.churn, churn);
  for (const contestant of contestants) await contestant.child.stop();

  // Each time a fresh process: one at a time, so that the kernel's share can be told.
  for (let round = 0; round < plan.memoryRounds; round++) {
    for (const { name } of turn) {
      progress.step(`${name}, memory of ${plan.allocations} allocations`);
      await attempt(results, name, async () => {
        const sample = await measureMemory(arena, name, plan.allocations);
        results.memory[name] = [...(results.memory[name] ?? []), sample];
      });
    }
  }
  if (turn.some(({ name }) => name === 'culvert')) {
    await attempt(results, 'culvert', async () => {
      progress.step('culvert, heap of the service');
      results.heap = await measureHeap(arena, Math.max(1000, plan.allocations));
      progress.step('culvert, profiles');
      if (!plan.quick) results.profiles.push(...(await profileCulvert(arena, plan.seconds)));
    });
  }
  progress.end();
}

/** All of them at a time: an idle one costs nothing, and nobody profits from having been started last. */
async function startAll(arena: Arena, plan: Plan, results: Results): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const name of plan.contestants) {
    await attempt(results, name, async () => {
      contestants.push(await starters[name](arena));
      results.versions[name] = versionOf(name);
    });
  }
  if (contestants.length === 0) throw new Error(`nobody to measure: ${results.faults.join('; ')}`);
  return contestants;
}

/** Round by round, one contestant after the other; the first round warms up caches and compilers and is thrown away. */
async function alternate<Sample>(
  contestants: readonly Contestant[],
  rounds: number,
  results: Results,
  take: (contestant: Contestant) => Promise<Sample>,
): Promise<Rounds<Sample>> {
  const samples: Rounds<Sample> = {};
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      await attempt(results, contestant.name, async () => {
        const sample = await take(contestant);
        if (round > 0) samples[contestant.name] = [...(samples[contestant.name] ?? []), sample];
      });
    }
  }
  return samples;
}

/** A contestant that fails does not take the others' figures with it. */
async function attempt(results: Results, name: ContestantName, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    const fault = `${name}: ${error instanceof Error ? error.message : String(error)}`;
    if (!results.faults.includes(fault)) results.faults.push(fault);
  }
}

function nameOf({ direction, flows, size, mode }: DataCell): string {
  return `${direction}, ${flows} flow${flows > 1 ? 's' : ''}, ${size} B${mode === 'flood' ? ', flood' : ''}`;
}

function keep(folder: string, results: Results, text: string): void {
  mkdirSync(folder, { recursive: true });
  const base = join(folder, `turn-${results.date.slice(0, 10)}`);
  writeFileSync(`${base}.md`, text);
  writeFileSync(`${base}.json`, `${JSON.stringify(results, undefined, 1)}\n`);
  console.error(`bench: kept in ${base}.md and .json`);
}
