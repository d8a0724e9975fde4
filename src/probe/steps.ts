import { fromSystemError, type ProbeError } from './failure.ts';

export type StepName =
  | 'resolve'
  | 'connect'
  | 'answer'
  | 'binding'
  | 'challenge'
  | 'allocate #1'
  | 'allocate #2'
  | 'permission'
  | 'channel bind'
  | 'echo channel'
  | 'echo send'
  | 'pair'
  | 'data there'
  | 'data back'
  | 'refresh'
  | 'release'
  | 'handshake'
  | 'echo data';

export interface Step {
  readonly name: StepName;
  readonly ok: boolean;
  readonly millis: number;
  readonly detail: string;
}

/** Takes the time of each thing a probe does and tells `report` at once, so that a person sees where it hangs. */
export class Steps {
  readonly done: Step[] = [];
  readonly #report: (step: Step) => void;
  #failure: { readonly step: StepName; readonly error: ProbeError } | undefined;

  constructor(report: (step: Step) => void) {
    this.#report = report;
  }

  /** The step that failed, if one did. */
  get failure(): { readonly step: StepName; readonly error: ProbeError } | undefined {
    return this.#failure;
  }

  /** Rejects with the ProbeError of a step that fails, after noting it. */
  async run<T>(name: StepName, action: () => Promise<T>, detail: (result: T) => string): Promise<T> {
    const start = performance.now();
    try {
      const result = await action();
      this.#note({ name, ok: true, millis: performance.now() - start, detail: detail(result) });
      return result;
    } catch (cause) {
      const error = fromSystemError(cause);
      this.#failure ??= { step: name, error };
      this.#note({ name, ok: false, millis: performance.now() - start, detail: error.message });
      throw error;
    }
  }

  #note(step: Step): void {
    this.done.push(step);
    this.#report(step);
  }
}
