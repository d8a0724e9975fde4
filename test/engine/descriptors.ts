import { readdirSync, readlinkSync } from 'node:fs';

/** That this process has open, whoever opened them. */
export function descriptors(): { readonly sockets: number; readonly pipes: number } {
  const kinds = readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).split(':', 1)[0];
    } catch {
      return '';
    }
  });
  return {
    sockets: kinds.filter((kind) => kind === 'socket').length,
    pipes: kinds.filter((kind) => kind === 'pipe').length,
  };
}
