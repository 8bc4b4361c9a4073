import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, stop } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The fakes and helpers of the tests as JavaScript; a file of this process, so that two runs do not write into one. */
export async function testSupport() {
  const folder = path.join(root, 'node_modules', '.cache', 'keysteward-scripts');
  mkdirSync(folder, { recursive: true });
  const outfile = path.join(folder, `support-${process.pid}.mjs`);
  await build({
    entryPoints: [path.join(root, 'test/support/for-scripts.ts')],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
  await stop();
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile, { force: true });
  }
}
