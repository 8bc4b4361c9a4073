import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { AccessRequest } from '../../src/access/model.ts';
import { setTier } from '../../src/people/set.ts';
import { clickBody, commandBody, knock, refusalsOf, submitBody, typedInto, useEars } from '../support/abuse.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';

const database = useDatabase();
useEars();
let house: House;
let request: AccessRequest;
const pool = () => database.store.pool;
const now = () => database.store.read((view) => view.requests.get(request.id));
const idOf = async (slackId: string) => (await database.store.read((view) => view.people.bySlackId(slackId)))!.id;
const grants = async () =>
  (await pool().query('select 1 from access_grant where request_id = $1', [request.id])).rowCount;
const quiet = () =>
  until(
    async () => (await pool().query('select 1 from inbox where handled_at is null')).rowCount === 0,
    'all is handled',
  );
const press = (who: string, action: string) => knock(house, 'interactive', clickBody(who, action, request.id));
/** The newest refusal, of this person. */
const lastRefused = async () => (await refusalsOf(pool())).at(-1);

beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url, roles: { bot: true, worker: false } });
});
afterAll(() => house.stop());
beforeEach(async () => {
  await pool().query("update access_request set status = 'withdrawn', closed_at = now() where status = 'pending'");
  await pool().query('delete from inbox');
  // Production, with customer data: two people, one of them an administrator.
  const dana = house.as('U0DANA');
  await dana.type('/keys request openai production support assistant');
  expect(await dana.submit({ use: 'Looking into it', reason: 'The ticket asks for it' })).toEqual({});
  request = await until(async () => {
    const [open] = await database.store.read(async (view) => view.requests.openBy(await idOf('U0DANA')));
    return open;
  }, 'the request');
  expect(request).toMatchObject({ needs: 2, needsAdministrator: true });
});

it('the requester approves nothing: not with a forged click, not with a forged form', async () => {
  await press('U0DANA', 'access.approve');
  await knock(
    house,
    'interactive',
    submitBody(
      'U0DANA',
      'access.approve-shorter',
      { hours: { type: 'static_select', selected_option: { value: '1' } } },
      { requestId: request.id },
    ),
  );
  await quiet();
  expect((await now()).decisions).toEqual([]);
  expect(await lastRefused()).toMatchObject({ actor: await idOf('U0DANA'), action: 'access.approve' });
});

it('a contractor and a developer who does not own the key decide nothing', async () => {
  for (const who of ['U0KIM', 'U0BEN']) {
    await press(who, 'access.approve');
    await quiet();
    expect(await lastRefused()).toMatchObject({ actor: await idOf(who), action: 'access.approve' });
  }
  await knock(
    house,
    'interactive',
    submitBody('U0KIM', 'access.deny', { reason: typedInto('because I can') }, { requestId: request.id }),
  );
  await quiet();
  expect(await now()).toMatchObject({ status: 'pending', decisions: [] });
});

it('two clicks of one approver at the same instant count once, and both approvers at the same instant open one grant', async () => {
  await Promise.all([
    press('U0OLIVIA', 'access.approve'),
    press('U0OLIVIA', 'access.approve'),
    press('U0OLIVIA', 'access.approve'),
  ]);
  await quiet();
  expect(await now()).toMatchObject({ status: 'pending', decisions: [{ by: await idOf('U0OLIVIA') }] });
  await Promise.all([press('U0ADA', 'access.approve'), press('U0SAM', 'access.approve')]);
  await quiet();
  expect(await now()).toMatchObject({ status: 'approved' });
  expect((await now()).decisions).toHaveLength(2);
  expect(await grants()).toBe(1);
});

it('approve and deny at the same instant: one of them counts, the other is told', async () => {
  await press('U0OLIVIA', 'access.approve');
  await quiet();
  await Promise.all([
    press('U0ADA', 'access.approve'),
    knock(
      house,
      'interactive',
      submitBody('U0SAM', 'access.deny', { reason: typedInto('Not for this') }, { requestId: request.id }),
    ),
  ]);
  await quiet();
  const after = await now();
  expect(['approved', 'denied']).toContain(after.status);
  expect(after.decisions).toHaveLength(2);
  expect(await grants()).toBe(after.status === 'approved' ? 1 : 0);
});

it('a card that is out of date decides nothing any more: after a denial, after an expiry', async () => {
  await knock(
    house,
    'interactive',
    submitBody('U0ADA', 'access.deny', { reason: typedInto('Not for this') }, { requestId: request.id }),
  );
  await quiet();
  await press('U0OLIVIA', 'access.approve');
  await quiet();
  expect(await now()).toMatchObject({ status: 'denied' });
  expect((await now()).decisions).toHaveLength(1);

  await pool().query(
    "update access_request set status = 'pending', decisions = '[]', expires_at = now() - interval '1 second' where id = $1",
    [request.id],
  );
  await press('U0OLIVIA', 'access.approve');
  await press('U0ADA', 'access.approve');
  await quiet();
  expect((await now()).decisions).toEqual([]);
  expect(await lastRefused()).toMatchObject({ action: 'access.approve' });
  expect(await grants()).toBe(0);
});

it('an administrator who is demoted while the form is open is refused at the submit', async () => {
  await setTier({ store: database.store }, await idOf('U0ADA'), { personId: await idOf('U0SAM'), tier: 'developer' });
  try {
    const answer = await knock(
      house,
      'interactive',
      submitBody('U0SAM', 'access.deny', { reason: typedInto('Still here') }, { requestId: request.id }),
    );
    expect(await answer.text()).toContain('Only administrators');
    expect(await now()).toMatchObject({ status: 'pending', decisions: [] });
    expect(await lastRefused()).toMatchObject({ actor: await idOf('U0SAM'), action: 'access.deny' });
    await knock(house, 'commands', commandBody('U0SAM', 'tier <@U0SAM|sam> administrator'));
    await until(async () => (await lastRefused())?.action === 'people.set-tier', 'the refusal');
  } finally {
    await setTier({ store: database.store }, await idOf('U0ADA'), {
      personId: await idOf('U0SAM'),
      tier: 'administrator',
    });
  }
});
