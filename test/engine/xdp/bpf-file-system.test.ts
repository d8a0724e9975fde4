// Where the first process is out of reach, and "ip netns exec" hides /sys.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { missing } from '../../requirements.ts';

const MODULE = new URL('../../../src/engine/xdp/bpf-file-system.ts', import.meta.url).href;
const ASK = `
  import { bpfFileSystem, mountBpfFileSystem } from '${MODULE}';
  console.log(bpfFileSystem() ?? 'none', mountBpfFileSystem() ?? 'none', bpfFileSystem() ?? 'none');
`;
/** Each in a view of its own; what comes behind the last command keeps the shell from becoming it. */
const FIRST = 'mount -t tmpfs none /sys && unshare --mount sh -c "$STARTER"; exit $?';
const STARTER = 'mount -t tmpfs none /sys && mkdir -p /sys/fs/bpf && unshare --mount sh -c "$RELAY"; exit $?';
const RELAY = 'mount -t tmpfs none /sys && "$NODE" --input-type=module -e "$ASK"; exit $?';
/** Becomes an ordinary user when it has started the relay. */
const USER = 'mount -t tmpfs none /sys && mkdir -p /sys/fs/bpf && exec "$NODE" --input-type=module -e "$BECOME"';
const BECOME = `
  import { spawn } from 'node:child_process';
  const relay = spawn('unshare', ['--mount', 'sh', '-c', 'read go; ' + process.env.RELAY], { stdio: ['pipe', 'inherit', 'inherit'] });
  process.setuid(65534);
  relay.stdin.end('go\\n');
  relay.on('exit', (code) => process.exit(code ?? 1));
`;

test('a bpf file system is found, and mounted, where those who started us see it', { skip: missing('bpf') }, () => {
  const [before, mounted, after] = saidBelow(STARTER);
  assert.equal(before, 'none');
  assert.match(mounted ?? '', /^\/proc\/[2-9]\/root\/sys\/fs\/bpf$/);
  assert.equal(after, mounted);
});

test('nothing is mounted, and no program run, in the view of a user who started us', { skip: missing('bpf') }, () => {
  assert.deepEqual(saidBelow(USER), ['none', 'none', 'none']);
});

/** What a relay finds that this has started. */
function saidBelow(starter: string): string[] {
  const said = execFileSync('unshare', ['--mount', '--pid', '--fork', '--mount-proc', 'sh', '-c', FIRST], {
    encoding: 'utf8',
    env: { ...process.env, STARTER: starter, RELAY, ASK, BECOME, NODE: process.execPath },
  });
  return said.trim().split(' ');
}
