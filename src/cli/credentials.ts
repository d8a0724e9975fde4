import { Command, InvalidArgumentError, Option } from 'commander';
import type { TurnSettings } from '../control/config/turn.ts';
import { parseDuration } from '../control/config/units.ts';
import { loadOrMakeSecrets, readSecrets } from '../control/state/secrets.ts';
import { makeTimeLimited } from '../control/time-limited.ts';
import { ownAddresses } from '../runtime/addresses.ts';
import { turnUrls } from '../runtime/ice-servers.ts';
import { planTurn } from '../runtime/plan.ts';
import { needsGenerated } from '../runtime/turn-config.ts';
import { type ConfigFlags, load, withConfigOptions } from './configuration.ts';
import { CommandFailure, complain, EXIT_FAILED } from './failure.ts';

interface CredentialFlags extends ConfigFlags {
  readonly name: string;
  readonly ttl: number;
  readonly json?: true;
}

/** `culvert credentials`: what a web application's server would hand to a browser. */
export function credentialsCommand(): Command {
  const command = new Command('credentials')
    .description('make time-limited TURN credentials from the configured or generated secret')
    .option('--name <name>', 'user that they are for', parseName, 'user')
    .addOption(
      new Option('--ttl <duration>', 'how long they are good, such as 24h or 10m')
        .default(24 * 3_600_000, '24h')
        .argParser(parseTtl),
    )
    .option('--json', 'print iceServers as JSON');
  return withConfigOptions(command).action(printCredentials);
}

async function printCredentials(flags: CredentialFlags): Promise<void> {
  const { config, tree } = await load(flags);
  if (config.turn === undefined) {
    throw new CommandFailure(['the configuration has no section "turn", so there is no secret'], EXIT_FAILED);
  }
  const secret = secretOf(config.turn, config.state);
  const { username, credential, expires } = makeTimeLimited(secret, flags.name, flags.ttl, Date.now());
  const urls = turnUrls(config, planTurn(config, !tree.has(['turn', 'listen']), ownAddresses()));
  const text = flags.json
    ? JSON.stringify({ iceServers: [{ urls, username, credential }], expires: expires.toISOString() }, null, 2)
    : `username:   ${username}\ncredential: ${credential}\nexpires:    ${expires.toISOString()}`;
  process.stdout.write(`${text}\n`);
}

function secretOf(turn: TurnSettings, state: string): string {
  const [configured] = turn.secret;
  if (configured !== undefined) return configured;
  if (!needsGenerated(turn)) {
    const mend = 'turn.secret is not set, so the relay accepts no time-limited credentials (set turn.secret)';
    throw new CommandFailure([mend], EXIT_FAILED);
  }
  const existing = readSecrets(state);
  const result = existing ?? loadOrMakeSecrets(state);
  if (!result.ok) throw new CommandFailure([result.reason], EXIT_FAILED);
  if (!result.kept) {
    const mend = `no relay would know the secret: the state folder ${state} has none and cannot be written (set turn.secret or state)`;
    throw new CommandFailure([mend], EXIT_FAILED);
  }
  if (existing === undefined) complain(`made a new secret in ${state}: only a relay with this state folder knows it`);
  if (result.note !== undefined) complain(result.note);
  return result.secrets.turn.secret;
}

function parseName(text: string): string {
  if (/^[\p{L}\p{N}._@+-]{1,128}$/u.test(text)) return text;
  throw new InvalidArgumentError('A name of letters, digits and . _ @ + - is expected.');
}

function parseTtl(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.ok && parsed.value >= 1000) return parsed.value;
  throw new InvalidArgumentError('A duration such as 24h or 10m is expected.');
}
