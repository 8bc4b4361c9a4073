import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startProgram } from '../../src/app.ts';
import { ConfigProblem } from '../../src/config.ts';
import { freePort } from '../../src/local/free-port.ts';
import { commandBody, knock, told, useEars } from '../support/abuse.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { type Wire, wireTo } from '../support/proxy.ts';
import { redisDatabase } from '../support/redis.ts';

const database = useDatabase();
useEars();
const redisUrl = redisDatabase(12);
let house: House;
let postgres: Wire;
let redis: Wire | undefined;
beforeAll(async () => {
  postgres = await wireTo(database.url, 5432);
  if (redisUrl) redis = await wireTo(redisUrl, 6379);
  house = await openHouse({ databaseUrl: postgres.url, ...(redis ? { redisUrl: redis.url } : {}) });
}, 120_000);
afterAll(async () => {
  postgres.mend();
  redis?.mend();
  await house.stop();
  await postgres.close();
  await redis?.close();
});
afterEach(() => {
  house.slack.control.clearFaults();
  house.aws.control.clearFaults();
});

const pool = () => database.store.pool;
const keyNamed = async (words: string) => (await database.store.read((view) => view.keys.search(words, 2)))[0]!;
const ownerOf = async (words: string) => {
  const key = await keyNamed(words);
  return house.as((await database.store.read((view) => view.people.get(key.ownerId))).slackId);
};
const ready = async () => (await fetch(`http://127.0.0.1:${house.program.port}/readyz`)).status;
const ask = async (who: string, words: string) => {
  const person = house.as(who);
  await person.type(`/keys request ${words}`);
  return person.submit({ use: 'Looking into it', reason: 'The ticket asks for a look at it' });
};
const requestsFor = async (words: string) => {
  const { id } = await keyNamed(words);
  const { rows } = await pool().query<{ status: string }>(
    'select status from access_request where key_id = $1 order by asked_at',
    [id],
  );
  return rows.map((each) => each.status);
};
/** How many messages about this Slack was asked to show, whether or not it took them. */
const posts = (what: string) =>
  house.slack.control.calls('chat.postMessage').filter((each) => each.ok && JSON.stringify(each.args).includes(what));

describe('Postgres', { timeout: 90_000 }, () => {
  it('away at the start: the program says so and does not start', async () => {
    const gone = new URL(database.url);
    gone.port = String(await freePort());
    const started = startProgram({
      ...house.settings,
      databaseUrl: gone.toString(),
      queueHome: { databaseUrl: gone.toString() },
      port: 0,
    });
    await expect(started).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('away in the middle: a command, a form and a click are told so at once, and everything works when it is back', async () => {
    const dana = house.as('U0DANA');
    await dana.type('/keys request order webhooks staging');
    await dana.modal();
    const before = await requestsFor('order webhooks staging');
    postgres.cut();
    const started = performance.now();
    const answer = await knock(house, 'commands', commandBody('U0DANA', 'whoami'));
    expect(await answer.text()).toContain('cannot reach its database, so nothing was done');
    expect(performance.now() - started).toBeLessThan(2_900);
    const errors = await dana.submit({ use: 'Looking into it', reason: 'The ticket asks for a look at it' });
    expect(Object.values(errors).join()).toContain('cannot reach its database');
    expect(await ready()).toBe(503);

    postgres.mend();
    await until(async () => (await ready()) === 200, 'ready again');
    // What was typed is still in the form.
    expect(await dana.submit({ use: 'Looking into it', reason: 'The ticket asks for a look at it' })).toEqual({});
    await dana.sees('Waiting for');
    expect(await requestsFor('order webhooks staging')).toEqual([...before, 'pending']);
    expect(house.logged.join('\n')).not.toMatch(/TypeError|unhandled/i);
  });

  it('breaking off between two steps of everything that runs: one right outcome', async () => {
    const owner = await ownerOf('order webhooks staging');
    let cuts = 0;
    const breakOff = () =>
      pool()
        .query<{ n: number }>(
          `select count(pg_terminate_backend(pid))::int n from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid() and backend_start < now() - interval '100 ms'`,
        )
        .then(
          ({ rows }) => {
            cuts += rows[0]!.n;
          },
          () => {},
        );
    await owner.press('access.approve');
    void breakOff();
    const breaking = setInterval(() => void breakOff(), 250);
    setTimeout(clearInterval, 4_000, breaking);
    const active = () =>
      house
        .as('U0DANA')
        .dm()
        .some((each) => JSON.stringify(each.blocks).includes('Access active'));
    await until(active, 'the access', 60_000);
    expect(cuts).toBeGreaterThan(5);
    const { id, secretId } = await keyNamed('order webhooks staging');
    const { rows } = await pool().query(
      "select 1 from access_grant where key_id = $1 and status = 'active' and person_id = (select id from person where slack_id = 'U0DANA')",
      [id],
    );
    expect(rows).toHaveLength(1);
    const { ResourcePolicy } = await house.bot.getResourcePolicy({ SecretId: secretId! });
    expect(ResourcePolicy!.match(/role\/people\/dana/g)).toHaveLength(1);
  });
});

describe('a port that somebody else has', () => {
  it('ends the start with an error at once, and leaves nothing running', async () => {
    const taken = house.program.port;
    await expect(startProgram({ ...house.settings, port: taken })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

describe('Slack', { timeout: 90_000 }, () => {
  const nothingPending = () =>
    until(async () => !(await requestsFor('order webhooks staging')).includes('pending'), 'the withdrawal');

  it('away at the start: the program says which setting to look at', async () => {
    const apiUrl = `http://127.0.0.1:${await freePort()}/api/`;
    const started = startProgram({ ...house.settings, slack: { ...house.settings.slack, apiUrl }, port: 0 });
    await expect(started).rejects.toThrow(ConfigProblem);
    await expect(
      startProgram({ ...house.settings, slack: { ...house.settings.slack, apiUrl }, port: 0 }),
    ).rejects.toThrow(/SLACK_API_URL: Slack cannot be reached/);
  });

  it.each([
    ['answers 500', { status: 500, times: 3 }],
    ['asks to wait', { status: 429, retryAfter: 1, times: 3 }],
    ['says ratelimited', { error: 'ratelimited', status: 429, retryAfter: 1, times: 2 }],
    ['has an internal error', { error: 'internal_error', times: 3 }],
  ])('%s to everything that is posted: every card comes in the end, once', async (name, fault) => {
    const reason = `It is needed because Slack ${name}`;
    house.slack.control.fail({ method: 'chat.postMessage', ...fault });
    const nora = house.as('U0NORA');
    await nora.type('/keys request order webhooks staging');
    expect(await nora.submit({ use: 'Looking into it', reason })).toEqual({});
    const owner = await ownerOf('order webhooks staging');
    await owner.sees(reason);
    await nora.sees('Waiting for');
    await until(
      async () => {
        const { rows } = await pool().query(
          "select 1 from work where name = 'slack.card' and status in ('waiting', 'running')",
        );
        return rows.length === 0;
      },
      'no card waits',
      30_000,
    );
    expect(owner.dm().filter((each) => JSON.stringify(each.blocks).includes(reason))).toHaveLength(1);
    await nora.press('access.withdraw');
    await nothingPending();
  });

  it('posts and loses its answer: the copy that is brought up to date says that there may be another', async () => {
    house.slack.control.fail({ method: 'chat.postMessage', loseResponse: true });
    const reason = 'It is needed although an answer was lost';
    const nora = house.as('U0NORA');
    await nora.type('/keys request order webhooks staging');
    expect(await nora.submit({ use: 'Looking into it', reason })).toEqual({});
    await nora.sees('Waiting for');
    await until(() => posts(reason).length + posts('Waiting for').length > 0, 'cards');
    expect(await requestsFor('order webhooks staging')).toContain('pending');
    const { rows } = await pool().query("select 1 from work where name = 'slack.card' and status = 'dead'");
    expect(rows).toEqual([]);
    await nora.press('access.withdraw');
    await nothingPending();
  });

  it('does not open a window: the person is told, and the click is not lost in silence', async () => {
    told.answers.length = 0;
    house.slack.control.fail({ method: 'views.open', status: 503, times: 1 });
    const answer = await knock(house, 'commands', commandBody('U0DANA', 'request stripe'));
    expect(answer.status).toBe(200);
    await until(() => told.answers.some((each) => each.includes('went wrong on our side')), 'what the person is told');
    await pool().query('update inbox set handled_at = now() where handled_at is null');
  });
});

describe('Secrets Manager', { timeout: 120_000 }, () => {
  const down = (times: number) => ({ kind: 'error' as const, name: 'InternalServiceError', status: 500, times });

  it('throttled and down while access is granted: it is said to be on its way, and opens once', async () => {
    house.aws.control.inject(
      { kind: 'throttle', operation: 'PutResourcePolicy', times: 6 },
      { ...down(6), operation: 'GetResourcePolicy' },
    );
    expect(await ask('U0PRIYA', 'order webhooks staging')).toEqual({});
    const { id, secretId } = await keyNamed('order webhooks staging');
    const [request] = await house.program.store.read((view) => view.requests.openFor(id));
    // An older copy of another card may still be there, left by a lost answer.
    await (await ownerOf('order webhooks staging')).press('access.approve', { value: request!.id });
    await house.as('U0PRIYA').sees('Access active');
    const { ResourcePolicy } = await house.bot.getResourcePolicy({ SecretId: secretId! });
    expect(ResourcePolicy!.match(/role\/people\/priya/g)).toHaveLength(1);
  });

  it.each(['GetRandomPassword', 'PutSecretValue', 'GetSecretValue', 'UpdateSecretVersionStage', 'DescribeSecret'])(
    'down at %s in the middle of a rotation, and losing its answers: one new value is current, and the old one dead',
    async (operation) => {
      const key = await keyNamed('order webhooks staging');
      await pool().query('update api_key set last_rotated_at = null where id = $1', [key.id]);
      const before = await house.bot.getSecretValue({ SecretId: key.secretId! });
      house.aws.control.inject({ ...down(5), operation }, { kind: 'lose-response', operation, times: 1 });
      const owner = await ownerOf('order webhooks staging');
      await owner.type('/keys rotate order webhooks staging');
      expect(await owner.submit({ reason: `with ${operation} down` })).toEqual({});
      const rotation = () => database.store.read((view) => view.rotations.ofKey(key.id, 1)).then(([one]) => one!);
      await until(
        async () => (await rotation()).reason === `with ${operation} down` && (await rotation()).status !== 'running',
        'the end',
        60_000,
      );
      expect(await rotation()).toMatchObject({ status: 'done', condition: 'new' });
      const now = await house.bot.getSecretValue({ SecretId: key.secretId! });
      expect(now.SecretString).not.toBe(before.SecretString);
      const { VersionIdsToStages } = await house.bot.describeSecret({ SecretId: key.secretId! });
      expect(
        Object.values(VersionIdsToStages!)
          .flat()
          .filter((each) => each === 'AWSCURRENT'),
      ).toHaveLength(1);
      expect(VersionIdsToStages![before.VersionId!] ?? []).toEqual([]);
      expect(Object.values(VersionIdsToStages!).flat()).not.toContain('AWSPENDING');
    },
  );
});

describe('Redis', { timeout: 90_000 }, () => {
  if (!redisUrl) {
    it.skip('needs TEST_REDIS_URL');
    return;
  }
  it('away in the middle: people are answered, what they asked for is done when it is back, once', async () => {
    redis!.cut();
    const started = performance.now();
    expect((await knock(house, 'commands', commandBody('U0DANA', 'whoami'))).status).toBe(200);
    expect(performance.now() - started).toBeLessThan(2_500);
    const ben = house.as('U0BEN');
    await ben.type('/keys request order webhooks staging');
    const reason = 'It is needed while Redis is away';
    expect(await ben.submit({ use: 'Looking into it', reason })).toEqual({});
    expect(await ready()).toBe(200);
    redis!.mend();
    const owner = await ownerOf('order webhooks staging');
    await until(() => owner.dm().some((each) => JSON.stringify(each.blocks).includes(reason)), 'the card', 60_000);
    expect(owner.dm().filter((each) => JSON.stringify(each.blocks).includes(reason))).toHaveLength(1);
  });
});
