import type { ClientView, Operations, Status } from '../../../src/control/admin/operations.ts';

/** A relay that only notes what it is asked to do. */
export class FakeOperations implements Operations {
  readonly calls: unknown[][] = [];
  /** How many clients were walked through. */
  walked = 0;
  clientCount = 2;
  faulty = false;

  status(): Status {
    return { version: '1.2.3', drain: null } as Status;
  }

  *clients(service: string | undefined): Iterable<ClientView> {
    this.calls.push(['clients', service]);
    for (let index = 0; index < this.clientCount; index++) {
      this.walked += 1;
      yield { service: 'turn', endpoint: `192.0.2.1:${index}`, via: ['x'.repeat(60)] } as unknown as ClientView;
    }
  }

  flows(service: string | undefined): [] {
    this.calls.push(['flows', service]);
    return [];
  }

  blocks(): [] {
    return [];
  }

  block(prefix: string, until: number | undefined, note: string) {
    this.calls.push(['block', prefix, until === undefined ? undefined : Math.round((until - Date.now()) / 1000), note]);
    return { ok: true, prefix, kept: true } as const;
  }

  unblock(prefix: string) {
    this.calls.push(['unblock', prefix]);
    if (prefix === '192.0.2.2') return { ok: false, failure: 'not-blocked', reason: 'it is not blocked' } as const;
    if (prefix === '192.0.2.3') return { ok: false, failure: 'configured', reason: 'by the configuration' } as const;
    return { ok: true, prefix, kept: true } as const;
  }

  async reload() {
    this.calls.push(['reload']);
    if (this.faulty) throw new Error('broken');
    return { ok: false, changed: [], needsRestart: [], faults: ['x: is wrong'], warnings: [], failures: [] };
  }

  resume() {
    this.calls.push(['resume']);
    if (this.faulty) return { ok: false, reason: 'it ends' } as const;
    return { ok: true, undone: true } as const;
  }

  drain() {
    this.calls.push(['drain']);
    return { left: 3, services: [] };
  }
}
