import { closedLoop, openLoop } from './load.mjs';
import { boltFor, onStage, postgresFor, roleFor, slackThatSaysYes } from './stage.mjs';
import { median, percentile } from './verdict.mjs';

const connections = 32;

/** Verified, stored and acknowledged ÷ bare Bolt, in pairs that take turns. */
export async function acknowledging({ quick, say }) {
  return onStage(async (stage) => {
    const slack = await slackThatSaysYes(stage);
    const postgres = await postgresFor(stage);
    const ours = await roleFor(stage, 'bot', { databaseUrl: postgres.url, apiUrl: slack.apiUrl });
    const bolt = await boltFor(stage);
    const ms = quick ? 700 : 2_000;
    const load = (server) => closedLoop({ port: server.port, connections, ms, responseUrl: slack.responseUrl });
    // What is acknowledged still has to be handled; the control must not share the machine with that.
    const handled = async () => {
      const open = 'select count(*)::int as n from inbox where handled_at is null';
      const started = performance.now();
      while ((await postgres.pool.query(open)).rows[0].n > 0) {
        if (performance.now() - started > 60_000)
          throw new Error('what was acknowledged is not handled after a minute');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return performance.now() - started;
    };
    // Until both have been compiled: a fresh process takes several times as long for its first thousands.
    for (const server of [bolt, ours])
      for (let done = 0, i = 0; done < 6_000 && i < 8; i++) done += (await load(server)).latencies.length;
    await handled();
    const pairs = [];
    for (let i = 0; i < (quick ? 3 : 11); i++) {
      const control = await load(bolt);
      const stored = await postgres.pool.query('select count(*)::int as n from inbox');
      const started = performance.now();
      const measured = await load(ours);
      const drainMs = await handled();
      const now = await postgres.pool.query('select count(*)::int as n from inbox');
      const count = now.rows[0].n - stored.rows[0].n;
      if (count !== measured.latencies.length)
        throw new Error(`${measured.latencies.length} commands were acknowledged and ${count} stored`);
      const whole = count / ((performance.now() - started) / 1000);
      pairs.push({ control, measured, whole, drainMs });
      say(
        `pair ${i + 1}: ${Math.round(measured.perSecond)}/s against ${Math.round(control.perSecond)}/s, p99 ${percentile(measured.latencies, 0.99).toFixed(1)} against ${percentile(control.latencies, 0.99).toFixed(1)} ms, handled ${Math.round(drainMs)} ms later`,
      );
    }
    const of = (pick) => median(pairs.map(pick));
    const p99 = (side) => (pair) => percentile(pair[side].latencies, 0.99);
    const errors = pairs.reduce((sum, pair) => sum + pair.measured.errors + pair.control.errors, 0);
    return [
      {
        name: 'slash command acknowledged, 32 connections',
        measured: of((pair) => pair.measured.perSecond),
        control: of((pair) => pair.control.perSecond),
        ratio: of((pair) => pair.measured.perSecond / pair.control.perSecond),
        unit: '/s',
        target: { atLeast: 0.65 },
      },
      {
        name: '… its p99',
        measured: of(p99('measured')),
        control: of(p99('control')),
        ratio: of((pair) => p99('measured')(pair) / p99('control')(pair)),
        unit: 'ms',
        target: { atMost: 2 },
      },
      { name: '… errors', measured: errors, target: { atMost: 0 } },
      {
        name: '… acknowledged and handled to the end',
        measured: of((pair) => pair.whole),
        control: of((pair) => pair.control.perSecond),
        ratio: of((pair) => pair.whole / pair.control.perSecond),
        unit: '/s',
      },
    ];
  });
}

/** 200 a second whatever the answers do, with the queue in Postgres and with a Redis that is not there. */
export async function inTime({ quick, say }) {
  return onStage(async (stage) => {
    const slack = await slackThatSaysYes(stage);
    const postgres = await postgresFor(stage);
    const lines = [];
    for (const [name, redisUrl] of [
      ['', undefined],
      [', Redis down', 'redis://127.0.0.1:9'],
    ]) {
      const around = { databaseUrl: postgres.url, apiUrl: slack.apiUrl, redisUrl };
      const [worker, ours] = await Promise.all([roleFor(stage, 'worker', around), roleFor(stage, 'bot', around)]);
      const load = (ms) => openLoop({ port: ours.port, perSecond: 200, ms, responseUrl: slack.responseUrl });
      await load(500);
      const { latencies, errors } = await load(quick ? 2_500 : 15_000);
      say(
        `200/s${name}: p50 ${percentile(latencies, 0.5).toFixed(1)}, p99 ${percentile(latencies, 0.99).toFixed(1)} ms`,
      );
      lines.push(
        {
          name: `slowest acknowledgement at 200/s${name}`,
          measured: percentile(latencies, 1),
          unit: 'ms',
          target: { atMost: 2_500 },
        },
        { name: '… errors', measured: errors, target: { atMost: 0 } },
      );
      // Killed, because a worker that is asked to stop waits some seconds for a Redis that is not there.
      await Promise.all([ours.kill(), worker.kill()]);
    }
    return lines;
  });
}
