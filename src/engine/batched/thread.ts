import { getCompileCacheDir } from 'node:module';
import { dirname, extname } from 'node:path';
import { type ResourceLimits, Worker } from 'node:worker_threads';

/**
 * A worker thread that runs the module `path` of the folder at `base`, as source or compiled. A worker has the compile cache only if it asks, and without it
 * pays the time and the memory of a compiler and, in a clone, of a stripper of types.
 */
export function startThread(
  path: string,
  base: string,
  name: string,
  data: object,
  resourceLimits: ResourceLimits = {},
): Worker {
  const { href } = new URL(`${path}${extname(base)}`, base);
  const code = `
    const { workerData } = require('node:worker_threads');
    if (workerData.cache !== undefined) require('node:module').enableCompileCache(workerData.cache);
    import(${JSON.stringify(href)});
  `;
  // Node puts a folder of its own, named after its flags, into the one that it is given.
  const folder = getCompileCacheDir();
  const cache = folder && dirname(folder);
  return new Worker(code, { eval: true, name, workerData: { ...data, cache }, resourceLimits });
}
