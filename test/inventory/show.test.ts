import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { applyGrants } from '../../src/access/apply.ts';
import { decideRequest } from '../../src/access/decide.ts';
import { requestAccess } from '../../src/access/request.ts';
import type { Message } from '../../src/blocks.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import { Secret } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, mrkdwnIn, saying } from '../support/desk.ts';
import { usePorts } from '../support/ports.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, inventoryInSlack);
const arn = (name: string) => `arn:aws:iam::123456789012:role/${name}`;
const [dana, olivia, ada, kim, ben] = [
  aPerson({ name: 'Dana', iamPrincipal: arn('dana') }),
  aPerson({ name: 'Olivia' }),
  aPerson({ name: 'Ada', tier: 'administrator' }),
  aPerson({ name: 'Kim', tier: 'contractor' }),
  aPerson({ name: 'Ben' }),
];
const key = aKey(olivia, {
  service: 'OpenAI',
  purpose: 'Support assistant',
  secretId: `company/${randomUUID()}`,
  lastFour: 'x9Qz',
  tags: ['ai'],
  flags: ['writes'],
  risk: 'high',
  lastRotatedAt: new Date(Date.now() - 20 * 86_400_000),
});
const other = aKey(olivia, { service: 'OpenAI', environment: 'production', purpose: 'Support assistant' });
const secret = aKey(olivia, { service: 'Vault', environment: 'production', purpose: 'Unsealing' });

async function give(person: Person, hours = 8) {
  const reason = 'the nightly job needs it';
  const request = await requestAccess(test.ports, person.id, { keyId: key.id, use: 'job', hours, reason });
  const verdict = { requestId: request.id, verdict: 'approve' as const, hours: null, reason: '' };
  await decideRequest(test.ports, olivia.id, verdict);
}
beforeAll(async () => {
  await given(test.ports.store, { people: [dana, olivia, ada, kim, ben], keys: [key, other, secret] });
  await test.ports.secrets.create(key.secretId!, randomUUID(), new Secret('a-value-for-this-test'), 'test');
  await give(dana);
  await give(kim);
  await applyGrants(test.ports, { keyId: key.id });
});

const card = async (person: Person) => desk.type(person, `show ${key.id}`);
const actions = (shown: unknown) => [...JSON.stringify(shown).matchAll(/"action_id":"([\w.-]+)"/g)].map(([, id]) => id);

describe('the card of a key', () => {
  it('says everything about it to a developer: whose, where, what for, who has access until when, risk and why, its history', async () => {
    const said = saying(await card(dana));
    for (const each of [
      olivia.slackId,
      'Support assistant',
      'Embeddings only',
      'AWS Secrets Manager',
      key.secretId!,
      '…x9Qz',
      'high: May write or change things',
      dana.slackId,
      kim.slackId,
      'recorded, no technical access',
      'asked for access',
      'approved a request',
      'gave access',
      'Tags: ai',
      key.id,
    ]) {
      expect(said).toContain(each);
    }
    expect(said.match(/<!date\^/g)!.length).toBeGreaterThan(5);
  });

  it('offers each person exactly what they may do', async () => {
    const unique = async (person: Person) => [...new Set(actions(await card(person)))];
    // Dana may end her own access, and nobody else's.
    expect(actions(await card(dana)).filter((each) => each === 'access.end')).toHaveLength(1);
    expect(await unique(ben)).toEqual(['access.request']);
    expect(await unique(olivia)).toEqual([
      'access.end',
      'access.request',
      'rotation.start',
      'inventory.schedule',
      'inventory.snooze',
      'rotation.pause',
      'inventory.change',
      'reviews.review-permissions',
      'inventory.consumers',
      'inventory.hand-over',
      'inventory.retire',
    ]);
    expect(await unique(ada)).toEqual([
      'access.end',
      'access.request',
      'rotation.start',
      'inventory.schedule',
      'inventory.snooze',
      'rotation.pause',
      'inventory.change',
      'reviews.review-permissions',
      'inventory.consumers',
      'inventory.hand-over',
      'inventory.set-risk',
      'inventory.retire',
    ]);
    // SOP 6.1: developers do not end production keys, not even their own.
    expect(actions(await desk.type(olivia, `show ${other.id}`))).not.toContain('inventory.retire');
  });

  it('shows a contractor only what they hold: nothing of others, no history', async () => {
    const said = saying(await card(kim));
    expect(said).toContain('Embeddings only');
    expect(said).toContain(kim.slackId);
    expect(said).not.toContain(dana.slackId);
    expect(said).not.toContain('History');
    expect(saying(await desk.type(kim, 'show openai'))).toContain(key.id);
  });

  it('does not let a contractor learn that any other key exists', async () => {
    const missing = await desk.type(kim, `show key_${'0'.repeat(26)}`).catch((error: unknown) => error);
    for (const ask of [
      () => desk.type(kim, `show ${secret.id}`),
      () => desk.press(kim, 'inventory.show', secret.id),
      () => desk.press(kim, 'inventory.change', secret.id),
      () => desk.press(kim, 'inventory.hand-over', secret.id),
      () => desk.press(kim, 'inventory.set-risk', secret.id),
      () => desk.press(kim, 'inventory.retire', secret.id),
    ]) {
      await expect(ask()).rejects.toMatchObject({ sentence: (missing as { sentence: string }).sentence });
    }
    const nothing = (words: string) => desk.type(kim, `show ${words}`).then(saying, (error: Error) => error.message);
    expect(await nothing('vault')).toBe((await nothing('nonsense')).replace('nonsense', 'vault'));
    const { rows } = await test.ports.store.read((view) =>
      view.audit.list({ personId: kim.id, outcome: 'refused' }, 20),
    );
    expect(rows.filter((each) => each.keyId === secret.id)).toHaveLength(6);
  });

  it('still shows a contractor what they once held', async () => {
    const past = aPerson({ tier: 'contractor' });
    await given(test.ports.store, { people: [past] });
    await give(past);
    await test.database.store.pool.query(`update access_grant set status = 'ended' where person_id = $1`, [past.id]);
    const said = saying(await card(past));
    expect(said).toContain('Nobody.');
  });

  it('cannot be forged by what somebody typed', async () => {
    const evil = aKey(olivia, {
      service: '<!channel> *Evil*',
      purpose: '<https://evil.example|Approve here> `x`',
      scope: '*bold* <@U0ADA> @here\n> quoted',
      tags: ['<!here>', '_under_'],
      secretId: 'a`<!channel> *x*',
    });
    await given(test.ports.store, { keys: [evil] });
    const shown = [await desk.type(olivia, `show ${evil.id}`), await desk.type(olivia, 'list evil')];
    const all = mrkdwnIn(shown).join('\n');
    expect(all).toContain('&lt;!channel&gt;');
    for (const forged of ['<!channel>', '<!here>', '<https://', '<@U0ADA>', ' *Evil*', ' *bold*']) {
      expect(all).not.toContain(forged);
    }
  });

  it('lists the matches when there are several, and refuses when there are none', async () => {
    const several = await desk.type(ben, 'show support assistant');
    expect(actions(several)).toEqual(['inventory.show', 'inventory.show']);
    expect(saying(await desk.type(ben, 'show support prod'))).toContain(other.id);
    await expect(desk.type(ben, 'show nothing like it')).rejects.toMatchObject({ code: 'not_found' });
    await expect(desk.type(ben, 'show')).rejects.toMatchObject({ code: 'invalid' });
  });

  it('says how a running or failed rotation stands', async () => {
    const { rows } = await test.database.store.pool.query<{ id: string }>(
      `insert into rotation (id, key_id, cause, emergency, status, step, condition, attempt, last_attempt, fence, tried, cleanup, record, started_at, touched_at)
       values ('rot_' || repeat('1', 26), $1, 'asked', false, 'running', 'test', 'old', 1, 3, 2, '[]', '[]', '[]', now(), now()) returning id`,
      [key.id],
    );
    expect(saying(await card(olivia))).toContain('Rotating');
    expect(actions(await card(olivia))).not.toContain('rotation.start');
    await test.database.store.pool.query(
      `update rotation set status = 'failed', failure = 'The secret is gone', ended_at = now() where id = $1`,
      [rows[0]!.id],
    );
    expect(saying(await card(olivia))).toContain('The secret is gone');
  });

  it('keeps within one message when very many hold the key', async () => {
    const holders = Array.from({ length: 60 }, () => aPerson());
    await given(test.ports.store, { people: holders });
    for (const holder of holders) await give(holder);
    const shown = (await card(olivia)) as { say: Message };
    expect(shown.say.blocks.length).toBeLessThanOrEqual(50);
    expect(saying(shown)).toContain('and 54 more');
    expect(actions(shown)).toContain('inventory.hand-over');
  });
});

describe('App Home', () => {
  it('shows owners their keys, what is due first, at most five, and others nothing', async () => {
    const owner = aPerson();
    const keys = Array.from({ length: 7 }, (_, i) =>
      aKey(owner, {
        purpose: `Mine ${i}`,
        nextRotationAt: new Date(Date.now() + (7 - i) * 86_400_000 - 10 * 86_400_000 * (i === 6 ? 1 : 0)),
      }),
    );
    await given(test.ports.store, { people: [owner], keys });
    const home = await desk.home(owner);
    const names = [...saying(home).matchAll(/Show OpenAI API Key - Staging - Mine (\d)/g)].map(([, n]) => n);
    expect(names).toEqual(['6', '5', '4', '3', '2']);
    expect(saying(home)).toContain('overdue');
    expect(actions(home)).toEqual(expect.arrayContaining(['inventory.mine', 'inventory.add']));
    expect(await desk.home(ben)).toEqual([]);
    expect(await desk.home(kim)).toEqual([]);
  });
});
