import type { Engine, EngineSink } from '../engine/engine.ts';
import { createPortableEngine } from '../engine/portable/portable.ts';
import type { IdSource } from '../net/ids.ts';

export interface ChosenEngine {
  /** Why this one: for the banner and the log. */
  readonly why: string;
  create(sink: EngineSink, ids: IdSource): Engine;
}

/** `auto` takes the best engine that works here. There is one so far; the configuration refuses the names of those to come. */
export function chooseEngine(wanted: string): ChosenEngine {
  const why = wanted === 'auto' ? 'auto: the only engine of this version' : 'as configured';
  return { why, create: (sink, ids) => createPortableEngine({ sink, ids }) };
}
