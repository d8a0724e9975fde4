import { Command, InvalidArgumentError, Option } from 'commander';
import { runProbe } from '../probe/probe.ts';
import { type ConfigFlags, withConfigOptions } from './configuration.ts';
import { localCredentials, localPairSecret } from './local-credentials.ts';

interface Flags extends ConfigFlags {
  readonly user?: string;
  readonly password?: string;
  readonly secret?: string;
  readonly ipv4?: true;
  readonly ipv6?: true;
  readonly insecure?: true;
  readonly timeout: number;
  readonly json?: true;
}

/** `culvert probe URL`. Without credentials it uses those of the relay with this configuration, if it can read them. */
export function probeCommand(): Command {
  const command = new Command('probe')
    .description(
      'try a STUN or TURN server, a WireGuard or pair relay, or a port forward, as a client would; exit code 0 only if everything works',
    )
    .argument(
      '<url>',
      'stun:host[:port], turn:[user:password@]host[:port][?transport=udp|tcp], turns:host[:port], wireguard:host[:port], pair:host[:port], tcp:host:port or udp:host:port',
    )
    .option('--user <name>', 'user name')
    .option('--password <password>', 'password of that user')
    .option(
      '--secret <secret>',
      "the server's secret: makes time-limited credentials from it; for pair: the base64 text itself",
    )
    .addOption(new Option('--ipv4', 'ask for an IPv4 relayed address').conflicts('ipv6'))
    .option('--ipv6', 'ask for an IPv6 relayed address')
    .option('--insecure', 'accept any TLS certificate')
    .addOption(
      new Option('--timeout <duration>', 'how long each step may take, such as 5s or 800ms')
        .default(5000, '5s')
        .argParser(parseTimeout),
    )
    .option('--json', 'print one JSON object in place of the table');
  return withConfigOptions(command).action(async (url: string, { ipv4, ipv6, ...flags }: Flags) => {
    const family = ipv6 ? 6 : ipv4 ? 4 : undefined;
    const fallback = () => localCredentials(flags);
    const pairFallback = () => localPairSecret(flags);
    process.exitCode = await runProbe(url, { ...flags, family, fallback, pairFallback });
  });
}

function parseTimeout(text: string): number {
  const found = /^(\d{1,6}(?:\.\d+)?)(ms|s)?$/.exec(text);
  const millis = Number(found?.[1]) * (found?.[2] === 'ms' ? 1 : 1000);
  if (!(millis >= 1)) throw new InvalidArgumentError('A number of seconds, or a duration such as 5s or 800ms.');
  return millis;
}
