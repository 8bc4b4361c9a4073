#!/usr/bin/env node
import { commandLine } from './command-line.ts';

// Whoever reads this has seen enough, as `head` has: nothing went wrong.
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

// The program as an operating system sees it: arguments and environment in, exit code and signals out.
process.exitCode = await commandLine(process.argv.slice(2), process.env, {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  untilStopped: () =>
    new Promise((resolve) => {
      let asked = false;
      // Waiting for a signal alone does not keep Node running.
      const running = setInterval(() => {}, 2 ** 30);
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.on(signal, () => {
          // The second time means now.
          if (asked) process.exit(1);
          asked = true;
          clearInterval(running);
          resolve();
        });
      }
    }),
});
// A client that still waits for a server which is away must not keep a stopped program alive.
setTimeout(() => process.exit(), 5_000).unref();
