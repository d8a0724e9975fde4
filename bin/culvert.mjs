#!/usr/bin/env sh
// 2>/dev/null; node=$(readlink -f "$0"); node=${node%/*}/../node_modules/node/bin/node; [ -x "$node" ] || node=node; exec "$node" -- "$0" "$@"
// The shell reads the line above, and Node takes it for a comment. The Node that a clone pins takes the shell's place: who starts the command and
// kills it has the relay itself, not somebody in front of it. After "--" Node leaves arguments alone: it would look for the file of --env-file
// itself, and take options of its own from there. "env -S" would do the same, where env has it (BusyBox has not).

// The launcher: finds a Node that is new enough and the form of the program that is here
// (compiled in the package, TypeScript sources in a clone). Kept readable by any Node, so that an old one gets a clear answer.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const WANTED_MAJOR = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (Number(process.versions.node.split('.')[0]) >= WANTED_MAJOR) {
  await runHere();
} else {
  runWithPinnedNode();
}

async function runHere() {
  const sources = join(root, 'src/cli/main.ts');
  const isClone = existsSync(sources);
  if (isClone) {
    // Without the cache every start pays 18 MB of memory for stripping types; with types stripped already it costs 1.5 MB (measured).
    const { default: module } = await import('node:module');
    module.enableCompileCache?.(join(root, 'node_modules/.cache/culvert'));
  }
  await import(pathToFileURL(isClone ? sources : join(root, 'dist/cli/main.js')).href);
}

function runWithPinnedNode() {
  const node = join(root, 'node_modules/node/bin/node');
  if (!existsSync(node)) {
    console.error(
      `culvert: needs Node ${WANTED_MAJOR} or newer, this is ${process.versions.node} (${process.execPath}). ` +
        `Install Node ${WANTED_MAJOR}, or in a clone run "npm start" once: it brings its own.`,
    );
    process.exit(1);
  }
  // Sockets of systemd are for the one who serves.
  const handed = process.env.LISTEN_PID === String(process.pid) ? Number(process.env.LISTEN_FDS) || 0 : 0;
  const stdio = ['inherit', 'inherit', 'inherit', ...Array.from({ length: handed }, (_, n) => 3 + n)];
  const child = spawn(node, ['--', fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
}
