import type { Command } from 'commander';
export function upCommand(): Command {
  throw new Error('x');
}
