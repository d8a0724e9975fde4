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

test('a bpf file system is found, and mounted, where those who started us see it', { skip: missing('bpf') }, () => {
  const said = execFileSync('unshare', ['--mount', '--pid', '--fork', '--mount-proc', 'sh', '-c', FIRST], {
    encoding: 'utf8',
    env: { ...process.env, STARTER, RELAY, ASK, NODE: process.execPath },
  });
  const [before, mounted, after] = said.trim().split(' ');
  assert.equal(before, 'none');
  assert.match(mounted ?? '', /^\/proc\/[2-9]\/root\/sys\/fs\/bpf$/);
  assert.equal(after, mounted);
});
