import { Command } from 'commander';
import { oneLine } from '../control/one-line.ts';
import { type Diagnosis, diagnose } from '../runtime/doctor/doctor.ts';
import { type ConfigFlags, load, withConfigOptions } from './configuration.ts';
import { EXIT_FAILED } from './failure.ts';

/** `culvert doctor`: what this machine can do for a relay with this configuration; exit code 1 when something that is asked for cannot be. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description(
      'tell what this machine can do, which engine would run and why not a better one, and how to mend what is wrong',
    )
    .option('--engine <engine>', 'auto, portable, batched or xdp; wins over the file')
    .option('--json', 'print what was found as one JSON object');
  return withConfigOptions(command).action(doctor);
}

async function doctor(flags: ConfigFlags & { readonly json?: true }): Promise<void> {
  const { config, tree, warnings } = await load(flags);
  const diagnosis = await diagnose({
    config,
    warnings,
    defaults: {
      turn: !tree.has(['turn', 'listen']),
      wireguard: !tree.has(['wireguard', 'listen']),
      pair: !tree.has(['pair', 'listen']),
    },
  });
  process.stdout.write(flags.json ? `${JSON.stringify(diagnosis)}\n` : formatDiagnosis(diagnosis));
  if (!diagnosis.ok) process.exitCode = EXIT_FAILED;
}

/** A line for each finding, and below it what to do. */
export function formatDiagnosis({ version, ok, findings }: Diagnosis): string {
  const lines = findings.flatMap(({ subject, level, what, fix }, index) => {
    const title = findings[index - 1]?.subject === subject ? '' : subject;
    const line = `  ${title.padEnd(10)}  ${level.padEnd(7)}  ${oneLine(what)}`;
    return fix === undefined ? [line] : [line, `${' '.repeat(21)}→ ${oneLine(fix)}`];
  });
  const problems = findings.filter(({ level }) => level === 'problem').length;
  const end = ok
    ? 'What is asked for works.'
    : `${problems} ${problems === 1 ? 'thing' : 'things'} that ${problems === 1 ? 'is' : 'are'} asked for will not work.`;
  return `Culvert ${version}\n${lines.join('\n')}\n${end}\n`;
}
