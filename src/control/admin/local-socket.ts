import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import type { RequestListener, Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { closeServer, makeServer } from './server.ts';

export type LocalResult =
  | { readonly ok: true; close(): Promise<void> }
  /** `in-use`: another relay runs with this state folder. Otherwise it can run without the socket, and `reason` says what is wrong. */
  | { readonly ok: false; readonly failure: 'in-use' | 'unavailable'; readonly reason: string };

/** In the state folder, for its user alone: who may open it may do everything that the API can. */
export const ADMIN_SOCKET_FILE = 'admin.sock';

/**
 * Opens the local admin socket. One that a killed relay left behind is replaced; one that answers means that another relay uses the
 * folder, whose files two cannot share.
 */
export async function openLocal(folder: string, handle: RequestListener): Promise<LocalResult> {
  const server = makeServer(handle);
  const place = placeOf(folder);
  if (place === undefined) return unavailable(folder, 'ENOENT');
  try {
    let failure = await bind(server, place.path);
    if (failure === 'EADDRINUSE') {
      if (!(await removeStale(place.path))) return fail(place, inUse(folder));
      failure = await bind(server, place.path);
      if (failure === 'EADDRINUSE') return fail(place, inUse(folder));
    }
    if (failure !== undefined) return fail(place, unavailable(folder, failure));
    server.on('error', () => {});
    return { ok: true, close: () => closeServer(server).finally(() => place.close()) };
  } catch (error) {
    return fail(place, unavailable(folder, (error as NodeJS.ErrnoException).code ?? String(error)));
  }
}

/**
 * How to name the socket to the system, which takes 107 bytes. A folder with a longer name is gone through by a descriptor of it. Undefined when
 * there is no such folder.
 */
export function placeOf(folder: string): { readonly path: string; close(): void } | undefined {
  const path = join(folder, ADMIN_SOCKET_FILE);
  if (Buffer.byteLength(path) <= LONGEST_PATH) return { path, close: () => {} };
  try {
    const descriptor = openSync(folder, 'r');
    return { path: `/proc/self/fd/${descriptor}/${ADMIN_SOCKET_FILE}`, close: () => closeSync(descriptor) };
  } catch {
    return undefined;
  }
}

/** The code of what the system answers when it cannot. */
function bind(server: Server, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message);
    server.once('error', onError);
    // The socket is made inside this call: at no moment may others open it.
    const before = process.umask(0o177);
    try {
      server.listen({ path }, () => {
        server.off('error', onError);
        resolve(undefined);
      });
    } finally {
      process.umask(before);
    }
  });
}

/**
 * False when somebody answers there. Two that start at once may both find it stale: what is taken away must be the file that was asked, not the
 * one that the other has just made in its place.
 */
async function removeStale(path: string): Promise<boolean> {
  const asked = identityOf(path);
  if (await answers(path)) return false;
  if (asked !== undefined && identityOf(path) === asked) rmSync(path);
  return true;
}

/** Numbers of inodes are used again at once: the time tells two apart. */
function identityOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.ino} ${stat.ctimeNs}`;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (found: boolean) => {
      socket.destroy();
      resolve(found);
    };
    socket.once('connect', () => end(true));
    // EAGAIN: there is one, and its queue is full.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}

function fail(place: { close(): void }, result: LocalResult): LocalResult {
  place.close();
  return result;
}

function inUse(folder: string): LocalResult {
  const reason = `state folder ${folder} is in use by another relay that runs (stop that one, or give this one a folder of its own: --set state=DIR)`;
  return { ok: false, failure: 'in-use', reason };
}

function unavailable(folder: string, code: string): LocalResult {
  const reason = `no local admin socket in ${folder} (${code}): "culvert status" and its like cannot reach this relay`;
  return { ok: false, failure: 'unavailable', reason };
}

const LONGEST_PATH = 107;
