import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** So many worker processes, each replaced as soon as it is gone. */
export function crewOf(stage, { size, env, folder, say }) {
  const crew = Array.from({ length: size }, (_, i) => ({ name: `worker ${i + 1}`, child: null, ready: false }));
  const ends = { killed: 0, diedAtPlace: 0, notStarted: 0, byItself: [] };
  let hiring = true;
  /** How long a worker takes to be ready, lately. */
  let startMs = null;

  function start(member, failpoint = null) {
    const log = fs.openSync(path.join(folder, `${member.name.replace(' ', '-')}.log`), 'a');
    fs.writeSync(log, `\n${new Date().toISOString()} started${failpoint ? `, to die at ${failpoint}` : ''}\n`);
    const child = spawn(process.execPath, ['--disable-proto=delete', program, 'worker'], {
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        ...env,
        ...(failpoint ? { KEYSTEWARD_FAILPOINT: failpoint } : {}),
      },
      stdio: ['ignore', 'pipe', log],
    });
    Object.assign(member, { child, ready: false, next: null });
    const began = performance.now();
    child.stdout.on('data', (piece) => {
      fs.writeSync(log, piece);
      if (member.child !== child || member.ready || !String(piece).includes('worker ready')) return;
      member.ready = true;
      const took = performance.now() - began;
      startMs = startMs === null ? took : 0.7 * startMs + 0.3 * took;
    });
    member.gone = new Promise((resolve) => child.once('close', resolve));
    child.once('close', (code, signal) => {
      fs.closeSync(log);
      if (!hiring) return;
      if (signal === 'SIGKILL' && member.killed !== child) {
        ends.diedAtPlace++;
        say(`${member.name} died at ${failpoint}`);
      } else if (signal !== 'SIGKILL' && member.ready) {
        // An outage is no reason to end.
        ends.byItself.push(`${member.name} ended with ${signal ?? code}`);
        say(ends.byItself.at(-1));
      } else if (signal !== 'SIGKILL') ends.notStarted++;
      setTimeout(() => hiring && start(member, member.next), signal === 'SIGKILL' ? 0 : 300);
    });
  }
  for (const member of crew) start(member);

  /** Of those who work: killing whoever just starts would only keep everybody from working. */
  function memberAt(share) {
    const working = crew.filter((each) => each.ready && !each.child.killed);
    return working[Math.floor(share * working.length)] ?? crew[Math.floor(share * crew.length)];
  }
  function kill(member, next) {
    member.killed = member.child;
    member.next = next;
    ends.killed++;
    member.child.kill('SIGKILL');
    return member.name;
  }
  async function stop() {
    hiring = false;
    for (const { child } of crew) {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
    }
    const insist = setTimeout(() => {
      for (const { child } of crew) child.kill('SIGKILL');
    }, 15_000);
    await Promise.all(crew.map((member) => member.gone));
    clearTimeout(insist);
  }
  stage.leave(stop);
  // Nobody is left behind, also not by a run that is stopped in its middle.
  process.once('exit', () => {
    for (const { child } of crew) child.kill('SIGKILL');
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  return {
    ends,
    startMs: () => startMs,
    /** Waits until so many work. */
    async ready(count) {
      const patience = performance.now() + 120_000;
      while (crew.filter((each) => each.ready).length < count) {
        if (performance.now() > patience) throw new Error(`the workers do not start; see their logs in ${folder}`);
        await sleep(20);
      }
    },
    allKilled: (next) => crew.map((member) => kill(member, next)).join(', '),
    kill: (share, next) => kill(memberAt(share), next),
    /** Stands still for a while, as a machine that swaps: others take its work, and then it goes on. */
    freeze(share, ms) {
      const { name, child } = memberAt(share);
      child.kill('SIGSTOP');
      setTimeout(() => child.kill('SIGCONT'), ms);
      return name;
    },
    stop,
  };
}
