import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatFault } from '../../../src/control/config/faults.ts';
import { type LoadResult, loadConfig } from '../../../src/control/config/load.ts';
import { afterwards } from '../../afterwards.ts';

/** A folder of its own for each test; gone afterwards. */
export function temporaryFolder(context: { after(hook: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-control-'));
  afterwards(context, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Given {
  readonly yaml?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly set?: readonly string[];
  readonly engine?: string;
}

/** Loads a configuration from text; the file is called config.yaml. */
export async function loadFrom(folder: string, given: Given): Promise<LoadResult> {
  const file = join(folder, 'config.yaml');
  if (given.yaml !== undefined) writeFileSync(file, given.yaml);
  return loadConfig({
    file: given.yaml === undefined ? undefined : file,
    environment: given.environment ?? {},
    overrides: given.set ?? [],
    engine: given.engine,
  });
}

/** Faults as the user sees them, without the folder. */
export async function faultsOf(folder: string, given: Given): Promise<string[]> {
  const result = await loadFrom(folder, given);
  return result.ok ? [] : result.faults.map((fault) => formatFault(fault).replaceAll(`${folder}/`, ''));
}

/** The configuration, which must be good. */
export async function configOf(folder: string, given: Given) {
  const result = await loadFrom(folder, given);
  if (!result.ok) throw new Error(`unexpected faults: ${result.faults.map(formatFault).join('; ')}`);
  return result.config;
}
