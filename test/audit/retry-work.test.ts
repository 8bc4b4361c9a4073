import { beforeAll, describe, expect, it } from 'vitest';
import { workLedger } from '../../src/adapters/postgres/work.ts';
import { tellOfDeadWork } from '../../src/app.ts';
import { auditInTerminal } from '../../src/audit/cli.ts';
import { retryWork } from '../../src/audit/retry-work.ts';
import { auditInSlack } from '../../src/audit/slack.ts';
import type { CliDoor } from '../../src/doors.ts';
import type { JobName } from '../../src/jobs.ts';
import { newId } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import { aPerson, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';
import { deskOf } from '../support/desk.ts';

const database = useDatabase();
const ports = () => ({ store: database.store, policy: defaultPolicy }) as unknown as Ports;
const desk = deskOf(ports, auditInSlack);
const ledger = () => workLedger(database.store.pool, defaultPolicy);
let [admin, dev] = [] as Person[] as [Person, Person];
beforeAll(async () => {
  [admin, dev] = [aPerson({ tier: 'administrator' }), aPerson()];
  await given(database.store, { people: [admin, dev] });
});

/** A job that has failed for good, with the card that says so. */
async function givenUp(onceKey: string | null = null): Promise<ReturnType<typeof newId<'work'>>> {
  const id = newId('work');
  await database.store.pool.query(
    "insert into work (id, name, payload, lane, once_key, run_at, created_at) values ($1, 'people.sync', '{}', 'normal', $2, now(), now())",
    [id, onceKey],
  );
  await ledger().fail((await ledger().claim(id, 60_000))!, 'the\n\u001b[31mworld ended', null);
  await tell(id);
  return id;
}
const tell = (id: string) =>
  database.store.change(
    { actor: { kind: 'job', id: 'people.sync' }, action: 'work.given-up', subject: id },
    async (tx) => {
      tx.note({ job: 'people.sync', about: {}, failures: 1, error: 'the world ended' });
      await tx.cards.show('work.given-up', id, { channel: 'C0SECURITY' });
    },
  );
const found = async (id: string) =>
  (
    await database.store.pool.query<{ status: string; failures: number }>(
      'select status, failures from work where id = $1',
      [id],
    )
  ).rows[0];
const cardOf = async (id: string) => JSON.stringify(await desk.card('work.given-up', id, { channel: 'C0SECURITY' }));
const trailOf = async (id: string) =>
  (await database.store.read((view) => view.audit.list({ subject: id }, 10))).rows.map(
    ({ actor, action, outcome }) => `${actor.kind} ${action} ${outcome}`,
  );

async function run(command: string, ...args: string[]): Promise<{ code: number; lines: string[] }> {
  const commands = new Map<string, Parameters<CliDoor['command']>[2]>();
  auditInTerminal({ command: (path, _spec, each) => void commands.set(path, each) }, (use) => use(ports()));
  const lines: string[] = [];
  return { code: await commands.get(command)!(args, (line) => lines.push(line)), lines };
}

describe('a job that was given up', () => {
  it('has a card in the security channel, but a step of a rotation, which fails with it, is told of by the card of the rotation', async () => {
    const shown = async (name: JobName) => {
      const id = newId('work');
      await tellOfDeadWork(
        ports(),
        { id, name, payload: { rotationId: newId('rotation'), fence: 2 }, failures: 11 },
        'no',
      );
      const { rows } = await database.store.pool.query(
        "select 1 from card where kind = 'work.given-up' and subject = $1",
        [id],
      );
      expect(await trailOf(id)).toEqual(['job work.given-up done']);
      return rows.length;
    };
    expect([await shown('access.apply'), await shown('rotation.step'), await shown('rotation.step-now')]).toEqual([
      1, 0, 0,
    ]);
  });

  it('is tried again by an administrator at its card, which then says who did so instead of offering it', async () => {
    const id = await givenUp();
    expect(await cardOf(id)).toContain('Try again');
    expect(await desk.press(admin, 'work.retry', id)).toEqual({ done: true });
    expect(await found(id)).toEqual({ status: 'waiting', failures: 0 });
    expect(await cardOf(id)).toMatch(new RegExp(`Tried again .*<@${admin.slackId}>`));
    expect(await cardOf(id)).not.toContain('"Try again"');
    expect(await trailOf(id)).toEqual(['person work.retry done', 'job work.given-up done']);

    const work = (await ledger().claim(id, 60_000))!;
    await ledger().fail(work, 'again', null);
    await tell(id);
    expect(await cardOf(id)).toContain('"Try again"');
  });

  it('is not tried again by anybody else, nor twice, nor when it is none', async () => {
    const id = await givenUp();
    await expect(desk.press(dev, 'work.retry', id)).rejects.toMatchObject({ code: 'not_allowed' });
    expect((await found(id))?.status).toBe('dead');
    const operator = { kind: 'operator', id: 'test' } as const;
    const twice = await Promise.allSettled([retryWork(ports(), operator, id), retryWork(ports(), operator, id)]);
    expect(twice.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(retryWork(ports(), operator, newId('work'))).rejects.toMatchObject({ code: 'conflict' });
    await expect(retryWork(ports(), operator, 'key_1')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is tried again although the same has been asked for meanwhile', async () => {
    const id = await givenUp('schedule');
    await database.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.add', subject: 'test' },
      (tx) => tx.jobs.add('people.sync', {}, { once: 'schedule' }),
    );
    await retryWork(ports(), { kind: 'operator', id: 'test' }, id);
    expect(await ledger().claim(id, 60_000)).toMatchObject({ id, failures: 0, crashes: 0 });
  });
});

describe('keysteward jobs', () => {
  it('lists what was given up, one line each, and tries one or all of it again, on record', async () => {
    await database.store.pool.query("delete from work where status = 'dead'");
    expect(await run('jobs dead')).toEqual({ code: 0, lines: ['Nothing is given up.'] });
    const [first, second] = [await givenUp(), await givenUp()];
    const { lines } = await run('jobs dead');
    expect(lines).toHaveLength(2);
    expect(lines.map((each) => each.split(' ')[0])).toEqual(expect.arrayContaining([first, second]));
    expect(lines[0]).toMatch(/people\.sync \{\} failures: 1, the last: the \[31mworld ended$/);
    expect(await run('jobs retry', first)).toMatchObject({ code: 0 });
    expect(await run('jobs retry', first)).toMatchObject({ code: 1, lines: [expect.stringContaining('not given up')] });
    expect(await run('jobs retry', '--all')).toEqual({ code: 0, lines: [`${second}  people.sync is tried again.`] });
    expect(await trailOf(second)).toEqual(['operator work.retry done', 'job work.given-up done']);
    for (const id of [first, second]) expect((await found(id))?.status).toBe('waiting');
    for (const wrong of [[], ['--al'], [first, second]]) expect((await run('jobs retry', ...wrong)).code).toBe(2);
  });
});
