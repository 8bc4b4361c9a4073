import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRotation } from '../../dist/rotation/start.js';
import { crewOf } from '../chaos/crew.mjs';
import { chanceFrom } from '../world/chance.mjs';
import { forEach, moveIn } from '../world/house.mjs';
import { spread } from '../world/shapes.mjs';
import { testSupport } from '../world/support.mjs';
import { openWorld } from '../world/world.mjs';
import { onStage, postgresFor } from './stage.mjs';

const redisUrl = process.env.TEST_REDIS_URL ?? process.env.REDIS_URL;

/** AWS lets all writes to secrets of a region share 50 a second; a provider here allows what the policy assumes of it. */
const limits = {
  secretsManager: {
    write: { calls: ['PutSecretValue', 'UpdateSecretVersionStage'], perSecond: 50, burst: 50 },
    read: { calls: ['DescribeSecret', 'GetSecretValue', 'GetRandomPassword'], perSecond: 10_000, burst: 10_000 },
  },
  provider: { all: { calls: ['create', 'list', 'revoke', 'probe', 'other'], perSecond: 20, burst: 20 } },
};
const callsPerMinute = 20 * 60;

/** The shortest time in which limited calls can have been made: what was let through, less what could come at once. */
const boundOf = ({ asked, refused }, { perSecond, burst }) => Math.max(0, asked - refused - burst) / perSecond;

/** What was asked and refused between two reports. */
function since(before, after) {
  const less = (one, other) => ({ asked: one.asked - other.asked, refused: one.refused - other.refused });
  const { secretsManager, providers } = after;
  return {
    secretsManager: Object.fromEntries(
      Object.entries(secretsManager).map(([name, its]) => [name, less(its, before.secretsManager[name])]),
    ),
    providers: providers.map(({ all }, i) => ({ all: less(all, before.providers[i].all) })),
  };
}

/** Many rotations through real workers, under the limits of AWS and of the providers; one emergency in their middle. */
export async function rotating({ quick, say }) {
  const count = quick ? 100 : 1_000;
  // Before anything is measured, so that everybody is connected and has done it before.
  const rehearsed = quick ? 20 : 100;
  return onStage(async (stage) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-bench-'));
    stage.leave(() => fs.rmSync(folder, { recursive: true, force: true }));
    const support = await testSupport();
    const postgres = await postgresFor(stage, { inMemory: true });
    // One more, for the emergency. Every key has two for a while, and there is room for that.
    const { keys, providers } = spread(
      rehearsed + count + 1,
      { 'self-made': 5, openai: 3, sendgrid: 2 },
      chanceFrom(1),
      55,
    );
    const world = await openWorld(stage, { groups: providers, limits });
    const writesPerSecond = limits.secretsManager.write.perSecond;
    const rotation = { graceMinutes: 0, minMinutesBetween: 1, screamTestHours: 0, writesPerSecond };
    const house = await moveIn(stage, {
      ...{ world, support, keys, rotation, folder, callsPerMinute },
      databaseUrl: postgres.url,
    });
    // The queue is where a company that rotates so many would have it.
    const env = { ...house.env, DATABASE_URL: postgres.url, ...(redisUrl ? { REDIS_URL: redisUrl } : {}) };
    const crew = crewOf(stage, { size: 2, env, folder, say });
    await crew.ready(2);

    const { pool } = house.store;
    // Only the running ones, which have an index: looking must not cost what is measured.
    const running = async () =>
      (await pool.query("select count(*)::int n from rotation where status = 'running'")).rows[0].n;
    const start = ({ key, owner }, emergency = false) =>
      startRotation(house.ports, owner, { keyId: key.id, reason: null, emergency });
    await forEach(house.keys.slice(0, rehearsed), 8, start);
    const warm = performance.now() + 120_000;
    while ((await running()) > 0) {
      await sleep(250);
      if (performance.now() > warm) throw new Error('the rotations of the rehearsal do not end');
    }
    const before = (await world.report()).limits;

    let started = 0;
    const began = performance.now();
    // One after the other, as the job that finds what is due starts them.
    const asked = forEach(house.keys.slice(rehearsed, rehearsed + count), 1, async (each) => {
      await start(each);
      started++;
    });
    const patience = began + (quick ? 300_000 : 1_500_000);
    let emergency = null;
    for (;;) {
      await sleep(250);
      const n = await running();
      if (emergency && n === 0) break;
      if (!emergency && started === count && n <= count / 2) emergency = await start(house.keys.at(-1), true);
      if (performance.now() > patience) throw new Error(`${n} of ${count} rotations still run`);
    }
    const tookSeconds = (performance.now() - began) / 1000;
    await asked;
    await crew.stop();

    const { rows } = await pool.query('select id, status, failure, started_at as at, record from rotation');
    const failures = rows.filter((each) => each.status !== 'done');
    for (const each of failures.slice(0, 5)) say(`${each.status}: ${each.failure}`);
    const urgent = rows.find((each) => each.id === emergency.id);
    const beganAfter = (Date.parse(urgent.record[0].startedAt) - urgent.at.getTime()) / 1000;
    const seen = since(before, (await world.report()).limits);
    const bounds = [
      boundOf(seen.secretsManager.write, limits.secretsManager.write),
      ...seen.providers.map(({ all }) => boundOf(all, limits.provider.all)),
    ];
    const all = [...Object.values(seen.secretsManager), ...seen.providers.map((each) => each.all)];
    const sum = (what) => all.reduce((total, each) => total + each[what], 0);
    const { write } = seen.secretsManager;
    say(`Postgres lies in ${postgres.liesIn}`);
    say(`${count} rotations in ${tookSeconds.toFixed(1)} s; ${write.asked} writes, ${sum('asked')} calls in all`);
    const bound = Math.max(...bounds);
    return [
      {
        name: `${count} rotations, against what the limits of AWS and the providers allow`,
        ...{ measured: tookSeconds, control: bound, ratio: tookSeconds / bound, unit: 's' },
        // So few are over before the work sets the pace rather than the limits.
        ...(quick ? {} : { target: { atMost: 1.1 } }),
      },
      {
        name: 'calls that were asked too often',
        measured: (100 * sum('refused')) / sum('asked'),
        unit: '%',
        target: { atMost: 1 },
      },
      { name: 'rotations that failed', measured: failures.length, target: { atMost: 0 } },
      { name: 'until an emergency in their middle began', measured: beganAfter, unit: 's', target: { atMost: 1 } },
    ];
  });
}
