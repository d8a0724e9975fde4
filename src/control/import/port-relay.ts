import type { Fault, Origin } from '../config/faults.ts';
import { isHostName } from '../config/forward-units.ts';
import { parseIp } from '../config/units.ts';
import type { Variable } from './env-file.ts';

/** What the variables of the port-relay scripts mean in our words. */
export interface PortRelay {
  /** As one would write them in the section `forward`, with where each came from. */
  readonly forwards: readonly { readonly written: WrittenForward; readonly origin: Origin }[];
  /** Its switch for the log. */
  readonly logLevel: { readonly level: 'info' | 'warn'; readonly origin: Origin } | undefined;
  readonly faults: readonly Fault[];
}

export interface WrittenForward {
  readonly name: string;
  readonly listen: string;
  readonly to: string[];
  readonly connectTimeout?: string;
  readonly keepAlive?: { idle?: string; interval?: string; count?: number };
  readonly health?: { timeout?: string; fall?: number };
}

/** Whether there is anything of port-relay: its other variables have names that anybody may use. */
export function hasRelayLines(variables: readonly Variable[]): boolean {
  return variables.some(({ name }) => RELAY.test(name));
}

/**
 * RELAY_1="in_port;out_port;out_host;TCP|UDP", RELAY_2 … and the settings for all of them. What is faulty is named, and the rest is
 * there all the same: the caller decides whether a part will do.
 */
export function readPortRelay(variables: readonly Variable[]): PortRelay {
  const faults: Fault[] = [];
  const settings = readSettings(variables, faults);
  const taken = new Map<string, string>();
  const lines = variables
    .filter(({ name }) => RELAY.test(name))
    .toSorted((a, b) => numberOf(a.name) - numberOf(b.name));
  const forwards = lines.flatMap((variable) => {
    const forward = readLine(variable, settings, taken);
    if (typeof forward !== 'string') return [{ written: forward, origin: variable.origin }];
    faults.push(faultOf(variable, forward));
    return [];
  });
  const { logging } = settings;
  const logLevel = logging && { level: logging.on ? ('info' as const) : ('warn' as const), origin: logging.origin };
  return { forwards, logLevel, faults };
}

interface Settings {
  readonly connectTimeout: string | undefined;
  readonly keepAlive: WrittenForward['keepAlive'];
  readonly health: WrittenForward['health'];
  readonly logging: { readonly on: boolean; readonly origin: Origin } | undefined;
}

function readSettings(variables: readonly Variable[], faults: Fault[]): Settings {
  const read = <T>(name: string, parse: (text: string) => T | undefined, wanted: string): T | undefined => {
    const variable = variables.find((one) => one.name === name);
    if (variable === undefined || variable.value.trim() === '') return undefined;
    const value = parse(variable.value.trim());
    if (value === undefined) faults.push(faultOf(variable, `"${variable.value}" is not ${wanted}`));
    return value;
  };
  const seconds = (name: string) => read(name, parseSeconds, 'a whole number of seconds above 0');
  const count = (name: string) => read(name, (text) => parseCount(text, 100), 'a whole number from 1 to 100');
  const toggle = (name: string) => read(name, parseSwitch, 'true or false');

  const idle = seconds('KEEPALIVE_IDLE');
  const interval = seconds('KEEPALIVE_INTVL');
  const probes = count('KEEPALIVE_CNT');
  const keepAlive = { ...(idle && { idle }), ...(interval && { interval }), ...(probes && { count: probes }) };
  const timeout = seconds('HEALTH_CHECK_TIMEOUT');
  const fall = count('HEALTH_CHECK_RETRIES');
  const checks = toggle('ENABLE_HEALTH_CHECK') ? { ...(timeout && { timeout }), ...(fall && { fall }) } : undefined;
  const on = toggle('ENABLE_LOGGING');
  const origin = variables.find(({ name }) => name === 'ENABLE_LOGGING')?.origin;
  return {
    connectTimeout: seconds('CONNECT_TIMEOUT'),
    keepAlive: Object.keys(keepAlive).length === 0 ? undefined : keepAlive,
    health: checks,
    logging: on === undefined || origin === undefined ? undefined : { on, origin },
  };
}

/** The forward, or what is wrong with the line. */
function readLine({ name, value }: Variable, settings: Settings, taken: Map<string, string>): WrittenForward | string {
  const parts = value.split(';').map((part) => part.trim());
  const [inPort = '', outPort = '', host = '', protocol = ''] = parts;
  if (parts.length !== 4) return `"${value}" is not of four parts (write in_port;out_port;out_host;TCP or UDP)`;
  for (const port of [inPort, outPort]) {
    if (parseCount(port, 65_535) === undefined) return `"${port}" is not a port (1 to 65535)`;
  }
  const place = placeOf(host);
  if (place === undefined) return `"${host}" is neither an address nor a host name`;
  const scheme = protocol.toLowerCase();
  if (scheme !== 'tcp' && scheme !== 'udp') return `"${protocol}" is not a protocol (write TCP or UDP)`;
  const listen = `${scheme}://0.0.0.0:${Number(inPort)}`;
  const other = taken.get(listen);
  if (other !== undefined) return `${scheme.toUpperCase()} port ${inPort} is taken by ${other} already`;
  taken.set(listen, name);
  const forward = {
    name: name.toLowerCase().replace('_', '-'),
    listen,
    to: [`${scheme}://${place}:${Number(outPort)}`],
  };
  if (scheme === 'udp') return forward;
  const { connectTimeout, keepAlive, health } = settings;
  return {
    ...forward,
    ...(connectTimeout && { connectTimeout }),
    ...(keepAlive && { keepAlive }),
    // Whether a UDP host lives cannot be seen without knowing what it speaks; over TCP a connect tells.
    ...(health && { health }),
  };
}

function placeOf(host: string): string | undefined {
  const address = parseIp(host.replace(/^\[(.*)\]$/, '$1'));
  if (address.ok) return address.value.includes(':') ? `[${address.value}]` : address.value;
  return isHostName(host) ? host : undefined;
}

function parseSeconds(text: string): string | undefined {
  const seconds = parseCount(text.replace(/s$/, ''), 1_000_000);
  return seconds === undefined ? undefined : `${seconds}s`;
}

function parseCount(text: string, max: number): number | undefined {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= max ? value : undefined;
}

function parseSwitch(text: string): boolean | undefined {
  if (/^(?:true|yes|on|1)$/i.test(text)) return true;
  return /^(?:false|no|off|0)$/i.test(text) ? false : undefined;
}

function numberOf(name: string): number {
  return Number(name.slice('RELAY_'.length));
}

function faultOf({ name, origin }: Variable, message: string): Fault {
  return { origin, path: origin.kind === 'file' ? [name] : [], message };
}

const RELAY = /^RELAY_\d{1,4}$/;
