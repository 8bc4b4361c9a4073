// npm run chaos -- --rotations N --seed S: rotates keys while everything around breaks, and looks afterwards from the
// outside whether anything was lost or done twice. Prints what was done to whom; ends with 1 when something is wrong.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate } from '../dist/app.js';
import { startRotation } from '../dist/rotation/start.js';
import { onStage } from './bench/stage.mjs';
import { crewOf } from './chaos/crew.mjs';
import { complaintsAbout } from './chaos/judge.mjs';
import { leftToDo, lookAround } from './chaos/look.mjs';
import { planned } from './chaos/plan.mjs';
import { databaseFor } from './chaos/postgres.mjs';
import { openRedis } from './chaos/redis.mjs';
import { moveIn } from './world/house.mjs';
import { optionsOf } from './world/options.mjs';
import { testSupport } from './world/support.mjs';
import { openWorld } from './world/world.mjs';

const usage =
  'npm run chaos -- --rotations N --seed S [--workers W] [--redis URL] [--postgres URL | --embedded] [--quiet]';
const options = optionsOf(
  {
    rotations: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
    workers: { type: 'string', default: '3' },
    /** A Redis for the queue; its database is emptied again and again. Without it the queue is in Postgres. */
    redis: { type: 'string' },
    /** A server to make a database on, instead of the embedded one. */
    postgres: { type: 'string', default: process.env.DATABASE_URL ?? process.env.TEST_DATABASE_URL },
    embedded: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
  usage,
);
const rotations = Number(options.rotations);
const seed = Number(options.seed);
if (!(rotations > 0) || !Number.isInteger(rotations) || !Number.isInteger(seed)) {
  console.error(usage);
  process.exit(2);
}
const began = performance.now();
const seconds = () => ((performance.now() - began) / 1000).toFixed(1);
const always = (line) => console.log(`${seconds().padStart(7)} s  ${line}`);
const say = options.quiet ? () => {} : always;

const counted = (list) => {
  const counts = {};
  for (const each of list) counts[each] = (counts[each] ?? 0) + 1;
  return counts;
};
const inWords = (counts) =>
  Object.entries(counts)
    .map(([name, times]) => `${times}× ${name}`)
    .join(', ') || 'nothing';

async function cut(wire, ms) {
  wire.cut();
  await sleep(ms);
  wire.mend();
  return `for ${ms} ms`;
}

/** Somebody asks for a rotation; where the database breaks off they look whether it was heard, and ask again. */
async function ask({ ports, keys }, number, emergency) {
  const { key, owner } = keys[number - 1];
  const reason = emergency ? 'It may be known to others' : 'It is due';
  let refusals = 0;
  for (;;) {
    try {
      const heard = await ports.store.read((view) => view.rotations.ofKey(key.id, 5));
      if (heard.some((each) => each.reason === reason)) return;
      await startRotation(ports, owner, { keyId: key.id, reason, emergency });
      return;
    } catch (error) {
      // The store may just have answered as of before the secret was there; what is refused for good has to be seen.
      if (error.name === 'Refusal' && ++refusals > 20) throw error;
      await sleep(200);
    }
  }
}

process.exitCode = await onStage(async (stage) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-chaos-'));
  fs.chmodSync(folder, 0o755);
  const database = await databaseFor(stage, folder, options.embedded ? undefined : options.postgres);
  const redis = options.redis ? await openRedis(stage, options.redis) : null;
  const plan = planned({ rotations, seed, redis: Boolean(redis), ownPostgres: database.own });
  const support = await testSupport();
  const [world] = await Promise.all([
    openWorld(stage, { groups: plan.providers, trouble: { seed } }),
    migrate({ databaseUrl: database.url, queueHome: redis ? { redisUrl: redis.url } : { databaseUrl: database.url } }),
  ]);
  // Nothing keeps to a pace here: the more at once, the better.
  const rotation = {
    graceMinutes: 0,
    settleSeconds: 2,
    minMinutesBetween: 1,
    screamTestHours: 0,
    writesPerSecond: 1_000,
  };
  const house = await moveIn(stage, {
    ...{ world, support, keys: plan.keys, rotation, folder, callsPerMinute: 60_000 },
    databaseUrl: database.url,
  });
  const wires = { postgres: await support.wireTo(database.url, 5432) };
  stage.leave(() => wires.postgres.close());
  if (redis) {
    wires.redis = await support.wireTo(redis.url, 6379);
    stage.leave(() => wires.redis.close());
  }
  const env = {
    ...house.env,
    DATABASE_URL: wires.postgres.url,
    ...(redis ? { REDIS_URL: wires.redis.url } : {}),
    WORK_LEASE_MS: '1500',
  };
  always(
    `${rotations} keys at ${plan.providers.length} providers, ${options.workers} workers, queue in ${redis ? 'Redis' : 'Postgres'}, ${database.own ? 'own' : 'given'} Postgres, seed ${seed}`,
  );
  const crew = crewOf(stage, { size: Number(options.workers), env, folder, say });
  await crew.ready(Number(options.workers));

  // ————— What is asked for —————
  const startedAt = performance.now();
  let allAsked = false;
  const asking = (async () => {
    for (const { atMs, number, emergency } of plan.starts) {
      await sleep(Math.max(0, startedAt + atMs - performance.now()));
      await ask(house, number, emergency);
    }
    allAsked = true;
  })();

  // ————— What happens meanwhile —————
  const done = {};
  const mishaps = {
    kill: ({ worker, nextDiesAt }) => crew.kill(worker, nextDiesAt),
    'kill all': ({ nextDiesAt }) => crew.allKilled(nextDiesAt),
    freeze: ({ worker, forMs }) => `${crew.freeze(worker, forMs)} for ${forMs} ms`,
    cut: ({ forMs }) => cut(wires.postgres, forMs),
    'cut Redis': ({ forMs }) => cut(wires.redis, forMs),
    'flush Redis': () => redis.flush(),
    'restart Postgres': () => database.restart(),
    'crash Postgres': () => database.crash(),
    'break all connections': () => database.breakAll(),
  };
  const kinds = new Set(plan.mishaps.map(({ kind }) => kind));
  for (const mishap of plan.mishaps) {
    await sleep(mishap.afterStarts * Math.min(crew.startMs(), 3_000));
    await crew.ready(1);
    const left = await leftToDo(house.store).catch(() => null);
    // Each has happened, and nothing is left that more could happen to.
    if (allAsked && left?.rotations === 0 && kinds.size === Object.keys(done).length) break;
    const about = await mishaps[mishap.kind](mishap);
    done[mishap.kind] = (done[mishap.kind] ?? 0) + 1;
    say(`${mishap.kind}${about ? `: ${about}` : ''}${left ? ` (${left.ended} ended, ${left.rotations} run)` : ''}`);
  }
  await asking;
  await world.calm();

  // ————— What came of it —————
  always(`no more mishaps; waiting for what still runs`);
  const patience = performance.now() + 120_000 + rotations * 100;
  for (;;) {
    const left = await leftToDo(house.store);
    if (left.rotations === 0 && left.jobs === 0) break;
    if (performance.now() > patience) {
      always(`gave up waiting: ${JSON.stringify(left)}`);
      break;
    }
    // What a dead worker held of a card comes free after half a minute; a short run waits ten seconds.
    if (left.rotations === 0 && rotations <= 100)
      await house.store.pool.query("update card set held_until = now() where held_until < now() + interval '20 s'");
    await sleep(250);
  }
  await crew.stop();
  const facts = await lookAround({ house, world, support });
  const complaints = [...complaintsAbout(facts), ...crew.ends.byItself];
  const all = facts.keys.flatMap((key) => key.rotations);
  const { killed, diedAtPlace, notStarted } = crew.ends;
  always(
    `done to it: ${inWords(done)}; ${killed} workers killed, ${diedAtPlace} died at a given place, ${notStarted} could not start`,
  );
  always(`outside: ${inWords(facts.struck)}`);
  always(`rotations: ${inWords(counted(all.map((each) => each.status)))}`);
  const failures = all.filter((each) => each.failure).map((each) => each.failure.replace(/version \w+/g, 'version …'));
  for (const [why, times] of Object.entries(counted(failures))) always(`  ${times}× ${why}`);
  if (complaints.length === 0) {
    always('nothing lost, nothing done twice, every card true');
    fs.rmSync(folder, { recursive: true, force: true });
    return 0;
  }
  for (const complaint of complaints) always(`✗ ${complaint}`);
  fs.writeFileSync(path.join(folder, 'seen.json'), JSON.stringify(facts, null, 1));
  always(
    `${complaints.length} lost, doubled or untrue. Again: npm run chaos -- --rotations ${rotations} --seed ${seed}${redis ? ' --redis URL' : ''}; the workers' logs and everything that was seen are in ${folder}`,
  );
  return 1;
});
