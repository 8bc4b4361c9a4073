#!/usr/bin/env node
import { commandLine } from './command-line.ts';

// Whoever read this has seen enough, as `head` has. A command ends as it would have, so that its exit code is true; what runs
// until it is stopped, stops, and says by its exit code that nobody asked for that.
const unread = new AbortController();
let stoppedUnread = false;
for (const output of [process.stdout, process.stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
    unread.abort();
  });
}

// The program as an operating system sees it: arguments and environment in, exit code and signals out.
const code = await commandLine(process.argv.slice(2), process.env, {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  untilStopped: () =>
    new Promise((resolve) => {
      let asked = false;
      // Waiting for a signal alone does not keep Node running.
      const running = setInterval(() => {}, 2 ** 30);
      const stop = () => {
        clearInterval(running);
        resolve();
      };
      const stopUnread = () => {
        stoppedUnread = !asked;
        stop();
      };
      if (unread.signal.aborted) stopUnread();
      unread.signal.addEventListener('abort', stopUnread);
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        process.on(signal, () => {
          // The second time means now.
          if (asked) process.exit(1);
          asked = true;
          stop();
        });
      }
    }),
});
process.exitCode = stoppedUnread ? 1 : code;
// A client that still waits for a server which is away must not keep a stopped program alive.
setTimeout(() => process.exit(), 5_000).unref();
