import { direct } from '../contestants/forwards.ts';
import { openArena } from '../lib/arena.ts';
import { keep } from '../lib/keep.ts';
import { type DataCell, loadData, loadRtt, mustBeExact } from '../lib/load.ts';
import { explain } from '../lib/plan.ts';
import { Progress } from '../lib/progress.ts';
import { alternate, attempt } from '../lib/rounds.ts';
import { type Contestant, IDENTITY, type TurnArena } from './contestant.ts';
import { starters, versionOf } from './contestants.ts';
import { loadChurn } from './load.ts';
import { measureHeap, measureMemory } from './memory.ts';
import { type Plan, turnPlan, USAGE } from './plan.ts';
import { profileCulvert } from './profile.ts';
import { plot, report } from './report.ts';
import type { Results } from './results.ts';

/** `npm run bench -- turn`: Culvert, coturn and a bare node:dgram forwarder side by side. */
export async function benchTurn(args: string[]): Promise<number> {
  const plan = turnPlan(args);
  if (typeof plan === 'string') {
    return explain(args, plan, USAGE);
  }
  try {
    return await runPlan(plan);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

async function runPlan(plan: Plan): Promise<number> {
  const opened = await openArena(plan.forceLoopback);
  const { machine } = opened;
  const arena: TurnArena = { ...opened.arena, engine: plan.engines[0] ?? 'portable' };
  const results: Results = {
    date: new Date().toISOString(),
    machine,
    path: arena.topology.kind === 'namespaces' ? 'network namespaces joined by veth' : 'loopback',
    cores: { load: arena.loadCore, relay: arena.relayCore },
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
  if (plan.out !== undefined) keep(plan.out, 'turn', results, text, plot(results));
  return results.faults.length === 0 ? 0 : 1;
}

async function measure(arena: TurnArena, plan: Plan, results: Results): Promise<void> {
  const contestants = await startAll(arena, plan, results);
  const turn = contestants.filter(({ protocol }) => protocol === 'turn');
  const rounds = plan.discarded + plan.rounds;
  const progress = new Progress(
    rounds * (contestants.length * (plan.cells.length + 1) + turn.length) +
      plan.cells.length +
      turn.length * plan.memoryRounds +
      2,
  );

  const self = await direct('load').start(arena);
  for (const cell of plan.cells) {
    progress.step(`load alone, ${nameOf(cell)}`);
    const alone = await loadData(arena, self, cell, plan.seconds);
    const samples = await alternate(contestants, plan, results.faults, (contestant) => {
      progress.step(`${contestant.name}, ${nameOf(cell)}`);
      return loadData(arena, contestant, cell, plan.seconds, IDENTITY).then(mustBeExact);
    });
    results.data.push({ cell, alone, samples });
  }
  const trips = await alternate(contestants, plan, results.faults, (contestant) => {
    progress.step(`${contestant.name}, round trips`);
    return loadRtt(arena, contestant, plan.rttRate, plan.seconds, IDENTITY);
  });
  Object.assign(results.rtt.samples, trips);
  const churn = await alternate(turn, plan, results.faults, (contestant) => {
    progress.step(`${contestant.name}, allocations`);
    return loadChurn(arena, contestant, plan.seconds);
  });
  Object.assign(results.churn, churn);
  for (const contestant of contestants) await contestant.stop();

  // Each time a fresh process: one at a time, so that the kernel's share can be told.
  for (let round = 0; round < plan.memoryRounds; round++) {
    for (const { name } of turn) {
      progress.step(`${name}, memory of ${plan.allocations} allocations`);
      await attempt(name, results.faults, async () => {
        const sample = await measureMemory(arena, name, plan.allocations);
        results.memory[name] = [...(results.memory[name] ?? []), sample];
      });
    }
  }
  if (turn.some(({ name }) => name === 'culvert')) {
    await attempt('culvert', results.faults, async () => {
      progress.step('culvert, heap of the service');
      results.heap = await measureHeap(arena, Math.max(1000, plan.allocations));
      progress.step('culvert, profiles');
      if (!plan.quick) results.profiles.push(...(await profileCulvert(arena, plan.seconds)));
    });
  }
  progress.end();
}

/** All of them at a time: an idle one costs nothing, and nobody profits from having been started last. */
async function startAll(arena: TurnArena, plan: Plan, results: Results): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const name of plan.contestants) {
    await attempt(name, results.faults, async () => {
      contestants.push(await starters[name](arena));
      results.versions[name] = versionOf(name, arena.engine);
    });
  }
  if (contestants.length === 0) throw new Error(`nobody to measure: ${results.faults.join('; ')}`);
  return contestants;
}

function nameOf({ direction, flows, size, mode }: DataCell): string {
  return `${direction}, ${flows} flow${flows > 1 ? 's' : ''}, ${size} B${mode === 'flood' ? ', flood' : ''}`;
}
