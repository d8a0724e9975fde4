/** Samples by contestant, one a round, in order: round n of one stands beside round n of the others. */
export type Rounds<Sample, Name extends string = string> = Partial<Record<Name, Sample[]>>;

/** Counted rounds, and those before them, which warm up caches and compilers and are thrown away. */
export interface RoundCounts {
  readonly rounds: number;
  readonly discarded: number;
}

/** Round by round, one contestant after the other. */
export async function alternate<Sample, One extends { readonly name: string }>(
  contestants: readonly One[],
  { rounds, discarded }: RoundCounts,
  faults: string[],
  take: (contestant: One) => Promise<Sample>,
): Promise<Rounds<Sample, One['name']>> {
  const samples: Rounds<Sample> = {};
  for (let round = 0; round < discarded + rounds; round++) {
    for (const contestant of contestants) {
      await attempt(contestant.name, faults, async () => {
        const sample = await take(contestant);
        if (round >= discarded) samples[contestant.name] = [...(samples[contestant.name] ?? []), sample];
      });
    }
  }
  return samples as Rounds<Sample, One['name']>;
}

/** A contestant that fails does not take the others' figures with it. */
export async function attempt(name: string, faults: string[], action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    const fault = `${name}: ${error instanceof Error ? error.message : String(error)}`;
    if (!faults.includes(fault)) faults.push(fault);
  }
}
