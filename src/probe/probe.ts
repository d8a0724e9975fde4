import { type CredentialOptions, chooseCredentials } from './credentials.ts';
import { diagnose } from './diagnose.ts';
import { fromSystemError } from './failure.ts';
import { probeForward } from './forward-steps.ts';
import { choosePairKey } from './pair-key.ts';
import { probePair } from './pair-steps.ts';
import { formatStep, makeReport, printable } from './report.ts';
import { newSession, type Session } from './session.ts';
import { Steps } from './steps.ts';
import { probeStun } from './stun-steps.ts';
import { type PasswordCredentials, type ProbeTarget, parseTarget } from './target.ts';
import { probeTurn } from './turn-steps.ts';
import { probeWireguard } from './wireguard-steps.ts';

export interface ProbeOptions extends CredentialOptions {
  /** Family of the relayed addresses; the server's choice (IPv4) when left out. */
  readonly family?: 4 | 6 | undefined;
  readonly insecure?: boolean | undefined;
  /** Milliseconds that each step may take, 5000 when left out. */
  readonly timeout?: number | undefined;
  readonly json?: boolean | undefined;
  /** Asked when neither flags nor the URL name credentials: those of a server on this machine. */
  readonly fallback?: ((target: ProbeTarget) => Promise<PasswordCredentials | undefined>) | undefined;
  /** The same for `pair:`: its secret in base64. */
  readonly pairFallback?: (() => Promise<string | undefined>) | undefined;
  readonly out?: ((line: string) => void) | undefined;
  readonly err?: ((line: string) => void) | undefined;
}

/** The exit code: 0 everything works, 1 something failed, 2 wrong usage. */
export async function runProbe(url: string, options: ProbeOptions = {}): Promise<number> {
  const out = options.out ?? ((line) => console.log(line));
  const err = options.err ?? ((line) => console.error(line));
  const parsed = parseTarget(url);
  const isPair = parsed.ok && parsed.target.service === 'pair';
  const given = isPair ? {} : options;
  const chosen = chooseCredentials(given, parsed.ok ? parsed.target.credentials : undefined, Date.now());
  const pair = isPair ? await choosePairKey(options) : undefined;
  const wrong = !parsed.ok ? parsed.fault : !chosen.ok ? chosen.fault : pair?.ok === false ? pair.fault : undefined;
  if (!parsed.ok || !chosen.ok || pair?.ok === false) {
    err(`culvert probe: ${wrong}`);
    return 2;
  }
  const { target } = parsed;
  const wantsLocal = chosen.credentials === undefined && target.service === 'turn';
  const local = wantsLocal ? await options.fallback?.(target) : undefined;
  const session = newSession(target, {
    family: options.family,
    insecure: options.insecure ?? false,
    timeout: options.timeout ?? 5000,
    credentials: chosen.credentials ?? local,
    localCredentials: local !== undefined,
    pairKey: pair?.key,
  });
  const shown = formatTarget(target);
  const steps = new Steps((step) => options.json || out(formatStep(step)));
  if (!options.json) out(`probing ${shown}`);
  const sentence = await carryOut(session, steps);
  if (options.json) {
    out(JSON.stringify(makeReport(shown, session, steps, sentence)));
  } else {
    for (const note of session.notes) out(` ! ${printable(note)}`);
    if (sentence === undefined) out('everything works');
    else err(`culvert probe: ${printable(sentence)}`);
  }
  return sentence === undefined ? 0 : 1;
}

/** Undefined when all went well, else the sentence that says what did not. */
async function carryOut(session: Session, steps: Steps): Promise<string | undefined> {
  try {
    await PROBES[session.target.service](session, steps);
    return undefined;
  } catch (cause) {
    const { step, error } = steps.failure ?? { step: 'connect', error: fromSystemError(cause) };
    return diagnose(step, error, session);
  }
}

const PROBES = {
  stun: probeStun,
  turn: probeTurn,
  wireguard: probeWireguard,
  pair: probePair,
  tcp: probeForward,
  udp: probeForward,
} as const;

/** The target as a URL again, without credentials. */
function formatTarget({ service, transport, host, port }: ProbeTarget): string {
  const name = host.includes(':') ? `[${host}]` : host;
  if (service === 'tcp' || service === 'udp') return `${service}:${name}:${port}`;
  const secure = transport === 'tls' ? 's' : '';
  return `${service}${secure}:${name}:${port}${transport === 'tcp' ? '?transport=tcp' : ''}`;
}
