import { beforeAll, describe, expect, test } from 'vitest';
import { slackClients } from '../../src/adapters/slack/clients.ts';
import { slackDoor } from '../../src/adapters/slack/door.ts';
import { handler } from '../../src/adapters/slack/handle.ts';
import { openSlack } from '../../src/app.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { retireKey } from '../../src/inventory/retire.ts';
import { day, type Refusal } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { checkKey } from '../../src/reviews/check-drift.ts';
import {
  guidanceFor,
  narrowing,
  type PermissionReview,
  type Reviewing,
  restrictions,
  restrictionsInWords,
  reviewed,
  reviewsCountFrom,
  rightsFor,
  seenBy,
  whyNotReview,
  whyReview,
} from '../../src/reviews/permissions-model.ts';
import { reviewPermissions } from '../../src/reviews/review-permissions.ts';
import { reviewsInSlack } from '../../src/reviews/slack.ts';
import { quick, useStage } from '../rotation/stage.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { startStubSlack } from '../support/stub-slack.ts';

const stage = useStage(quick);
const desk = deskOf(() => stage.ports, openSlack);
const [dana, other, kim] = [aPerson(), aPerson(), aPerson({ tier: 'contractor' })];
beforeAll(() => given(stage.database.store, { people: [dana, other, kim] }));

async function aStored(facts: Partial<ApiKey> = {}): Promise<ApiKey> {
  const key = aKey(dana, facts);
  await given(stage.database.store, { keys: [key] });
  return key;
}
const read = (key: ApiKey) =>
  stage.database.store.read(async (view) => ({
    key: await view.keys.get(key.id),
    review: await view.permissionReviews.find(key.id),
    findings: await view.findings.ofKey(key.id, 20),
    events: (await view.audit.list({ keyId: key.id, outcome: 'done' }, 50)).rows.map(({ action, facts }) => ({
      action,
      facts,
    })),
  }));
const fine = { scope: 'Embeddings only', needs: 'Embeds questions of customers', excess: null, restrictions: [] };
const tooWide = { ...fine, scope: 'Reads and writes invoices', needs: 'Reads invoices', excess: 'It may write' };
async function look(by: Person, key: ApiKey, said: Omit<Reviewing, 'seen'>) {
  const { key: now, review } = await read(key);
  return reviewPermissions(stage.ports, by.id, key.id, { ...said, seen: seenBy(now, review) });
}
const a = (facts: Partial<PermissionReview> = {}): PermissionReview => ({
  ...{ id: aKey(dana).id, scope: 'Embeddings only', needs: 'Embeds', excess: null, excessSince: null },
  ...{ restrictions: [], reviewedBy: dana.id, reviewedAt: new Date() },
  ...facts,
});
const buttonsIn = (shown: unknown): { action_id: string; value: string }[] => {
  const all: { action_id: string; value: string }[] = [];
  JSON.stringify(shown, (_, value) => {
    if (value?.type === 'button') all.push(value);
    return value;
  });
  return all;
};
const actionsIn = (shown: unknown) => buttonsIn(shown).map((each) => each.action_id);

describe('the rules of a review', () => {
  const now = new Date('2026-06-01T00:00:00Z');
  const key = aKey(dana);

  test('has a key reviewed that never was, whose permissions or value changed since, or whose review is old', () => {
    const at = (days: number) => new Date(now.getTime() - days * day);
    const why = (facts: Partial<ApiKey>, review: PermissionReview | null) =>
      whyReview({ ...key, ...facts }, review, defaultPolicy, now);
    expect(why({}, null)).toBe('never reviewed');
    expect(why({}, a({ reviewedAt: at(179) }))).toBeNull();
    expect(why({}, a({ reviewedAt: at(180) }))).toBe('last reviewed more than 180 days ago');
    expect(why({ scope: 'All' }, a({ reviewedAt: at(1) }))).toBe('changed since its last review');
    const wide = a({ reviewedAt: at(3), excess: 'It may write', excessSince: at(3) });
    expect(why({ lastRotatedAt: at(4) }, wide)).toBeNull();
    expect(why({ lastRotatedAt: at(2) }, wide)).toBe('rotated since its last review');
    expect(why({ lastRotatedAt: at(2) }, a({ reviewedAt: at(3) }))).toBeNull();
  });

  test('keeps since when it is too much over all reviews that say so, and begins anew after one that does not', () => {
    const first = reviewed(key, null, { ...tooWide, seen: '' }, dana.id, now);
    expect(first.excessSince).toEqual(now);
    const later = new Date(now.getTime() + day);
    expect(reviewed(key, first, { ...tooWide, seen: '' }, dana.id, later)).toMatchObject({
      excessSince: now,
      reviewedAt: later,
    });
    const none = reviewed(key, first, { ...fine, seen: '' }, dana.id, later);
    expect(none.excessSince).toBeNull();
    expect(reviewed(key, none, { ...tooWide, seen: '' }, dana.id, later).excessSince).toEqual(later);
  });

  test('refuses a form that is out of date, and a key that is retired', () => {
    const last = a();
    expect(whyNotReview(key, last, { seen: seenBy(key, last) })).toBeNull();
    expect(whyNotReview(key, last, { seen: seenBy(key, null) })?.code).toBe('conflict');
    expect(whyNotReview({ ...key, scope: 'All' }, last, { seen: seenBy(key, last) })?.code).toBe('conflict');
    expect(whyNotReview({ ...key, status: 'retired' }, last, { seen: seenBy(key, last) })?.code).toBe('conflict');
  });

  test('says how each kind of key is made narrower, and after a rotation that somebody has to look again', () => {
    const seenAt = now;
    const by = (facts: Partial<ApiKey>) => narrowing({ ...key, ...facts }, { seenAt });
    expect(by({ issuer: 'person' })).toMatchObject({ by: 'rotation' });
    expect(by({ issuer: 'gitlab' })).toMatchObject({
      by: 'rotation',
      sentence: expect.stringContaining('providers.gitlab') as unknown,
    });
    expect(by({ issuer: 'self-made' }).by).toBe('review');
    expect(narrowing({ ...key, issuer: 'person' }, { seenAt }, true)).toMatchObject({
      by: 'review',
      sentence: expect.stringContaining('being rotated') as unknown,
    });
    expect(by({ storage: 'password-manager', secretId: null, issuer: 'person' }).by).toBe('steps');
    const later = new Date(now.getTime() + 1);
    expect(by({ issuer: 'person', lastRotatedAt: later })).toEqual({
      by: 'review',
      sentence: 'It was rotated since: look what the new one may do, and review it again.',
    });
  });

  test('tells whoever makes a new key which rights it should have: what it needs where the old one has too much', () => {
    expect(rightsFor(key, null)).toEqual({ rights: 'Embeddings only', less: false });
    const held = [
      { kind: 'readOnly', note: null },
      { kind: 'addresses', note: '203.0.113.0/24' },
    ] as const;
    const wide = a({ excess: 'It may write', needs: 'Reads invoices', restrictions: [...held] });
    expect(rightsFor(key, wide)).toEqual({
      rights: 'Reads invoices; read-only; only from certain addresses (203.0.113.0/24)',
      less: true,
    });
    expect(rightsFor({ scope: 'Something else' }, wide)).toEqual({ rights: 'Something else', less: false });
    const all = Object.keys(restrictions).map((kind) => ({ kind: kind as keyof typeof restrictions, note: null }));
    expect(restrictionsInWords({ restrictions: all })).toBe(
      'read-only; only from certain addresses; with a limit; with an end',
    );
  });

  test('has for each environment the procedure’s words, which the company can change or leave out', () => {
    expect(guidanceFor('development', defaultPolicy)).toBe('Development: lower rate limits, test data only.');
    expect(guidanceFor('staging', defaultPolicy)).toBe('Staging: medium limits, safe to reset.');
    expect(guidanceFor('production', defaultPolicy)).toBe('Production: full limits, carefully monitored.');
    const { permissions } = defaultPolicy;
    const guidance = { ...permissions.guidance, staging: 'Ask Sam!', demo: null };
    const policy = { ...defaultPolicy, permissions: { ...permissions, guidance } };
    expect(guidanceFor('staging', policy)).toBe('Staging: Ask Sam!');
    expect(guidanceFor('demo', policy)).toBeNull();
  });
});

describe('a review', () => {
  test('is kept with who and when, changes what the key may do, and is in the log with all that was said', async () => {
    const key = await aStored();
    const said = { ...fine, scope: 'Embeddings of one model', restrictions: [{ kind: 'rate', note: '10 USD a day' }] };
    await look(dana, key, said as typeof fine);
    const { key: now, review, findings, events } = await read(key);
    expect(now.scope).toBe('Embeddings of one model');
    expect(review).toMatchObject({ ...said, excessSince: null, reviewedBy: dana.id });
    expect(Math.abs(review!.reviewedAt.getTime() - Date.now())).toBeLessThan(60_000);
    expect(findings).toEqual([]);
    expect(events[0]).toMatchObject({
      action: 'reviews.review-permissions',
      facts: {
        needs: fine.needs,
        excess: null,
        restrictions: said.restrictions,
        scope: { from: 'Embeddings only', to: 'Embeddings of one model' },
      },
    });
  });

  test('that finds too much opens one finding, keeps it while it stays so, and closes it once it is not', async () => {
    const key = await aStored();
    await look(dana, key, tooWide);
    const [opened] = (await read(key)).findings;
    expect(opened).toMatchObject({
      kind: 'over-permissioned',
      sentence: 'It may do more than it needs. Too much: It may write. It needs: Reads invoices.',
      closedAt: null,
    });
    await look(stage.admin, key, { ...tooWide, excess: 'It may write and delete' });
    const again = (await read(key)).findings;
    expect(again).toHaveLength(1);
    expect(again[0]).toMatchObject({ id: opened!.id, foundAt: opened!.foundAt, closedAt: null });
    expect(again[0]!.sentence).toContain('It may write and delete.');
    await look(dana, key, fine);
    const { findings, events } = await read(key);
    expect(findings).toHaveLength(1);
    expect(findings[0]!.closedAt).not.toBeNull();
    const named = events.map((each) => each.action);
    expect(named.filter((each) => each === 'reviews.find')).toHaveLength(1);
    expect(named.filter((each) => each === 'reviews.close')).toHaveLength(1);
  });

  test('sent twice at once is kept once, with one finding', async () => {
    const key = await aStored();
    const ask = { ...tooWide, seen: seenBy(key, null) };
    const tries = await Promise.allSettled([1, 2, 3].map(() => reviewPermissions(stage.ports, dana.id, key.id, ask)));
    expect(tries.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
    for (const each of tries) if (each.status === 'rejected') expect((each.reason as Refusal).code).toBe('conflict');
    const { findings, events } = await read(key);
    expect(findings).toHaveLength(1);
    expect(events.filter((each) => each.action === 'reviews.review-permissions')).toHaveLength(1);
  });

  test('is for its owner and administrators; contractors do not even learn that the key exists', async () => {
    const key = await aStored();
    await expect(look(other, key, fine)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(look(kim, key, fine)).rejects.toMatchObject({ code: 'not_found' });
    await expect(desk.press(other, 'reviews.review-permissions', key.id)).rejects.toMatchObject({
      code: 'not_allowed',
    });
    await expect(
      desk.press(kim, 'hasExcess', 'yes', { context: { keyId: key.id, seen: seenBy(key, null) } }),
    ).rejects.toMatchObject({ code: 'not_found' });
    expect((await read(key)).review).toBeNull();
    await look(stage.admin, key, fine);
    expect((await read(key)).review?.reviewedBy).toBe(stage.admin.id);
  });

  test('by somebody else is told to the owner in one message, their own is not', async () => {
    const cardsOf = (key: ApiKey) => stage.database.store.read((view) => view.cards.of('reviews.findings', key.id));
    const [own, others] = [await aStored(), await aStored({ issuer: 'person', recipe: null })];
    await look(dana, own, tooWide);
    expect(await cardsOf(own)).toEqual([]);
    await look(stage.admin, others, tooWide);
    await look(stage.admin, others, { ...tooWide, excess: 'Everything but reading' });
    expect(await cardsOf(others)).toMatchObject([{ personId: dana.id }]);
    const card = await desk.card('reviews.findings', others.id, { person: dana.id });
    const said = saying(card);
    expect(said).toContain('may do more than it needs');
    expect(said).toContain('Rotate it to a narrower one');
    expect(said).toContain('you own this key');
    expect(actionsIn(card)).toEqual(['rotation.start', 'reviews.review-permissions', 'inventory.show']);
    await look(dana, others, fine);
    expect(saying(await desk.card('reviews.findings', others.id, { person: dana.id }))).toContain('is in order again');
  });

  test('is left alone by the daily comparison, which neither closes nor doubles what it found', async () => {
    const { key } = await stage.key();
    await reviewPermissions(stage.ports, stage.owner.id, key.id, { ...tooWide, seen: seenBy(key, null) });
    const before = (await read(key)).findings;
    await checkKey(stage.ports, { keyId: key.id });
    // Something else is wrong as well: that is opened and closed beside it.
    const { VersionId } = await stage.bot.putSecretValue({ SecretId: key.secretId!, SecretString: 'by somebody' });
    await checkKey(stage.ports, { keyId: key.id });
    const open = (await read(key)).findings.filter((each) => each.closedAt === null);
    expect(open.map((each) => each.kind).sort()).toEqual(['other-current', 'over-permissioned']);
    expect(VersionId).toBeTruthy();
    expect((await read(key)).findings.find((each) => each.kind === 'over-permissioned')).toEqual(before[0]);
  });

  test('of a key that is retired matters no more', async () => {
    const key = await aStored();
    await look(dana, key, tooWide);
    await retireKey(stage.ports, dana.id, { keyId: key.id, reason: 'not used any more' });
    expect((await read(key)).findings.map((each) => each.closedAt === null)).toEqual([false]);
    await expect(look(dana, key, fine)).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('keys that have to be reviewed', () => {
  test('are those of the rule, whether one is asked or all are listed and counted', async () => {
    const owner = aPerson();
    await given(stage.database.store, { people: [owner] });
    const made = Object.fromEntries(
      ['never', 'fresh', 'old', 'changed', 'rotated', 'wide'].map((purpose) => [purpose, aKey(owner, { purpose })]),
    ) as Record<string, ApiKey>;
    await given(stage.database.store, { keys: Object.values(made) });
    for (const each of Object.values(made)) {
      if (each.purpose === 'never') continue;
      const said = ['rotated', 'wide'].includes(each.purpose) ? tooWide : fine;
      await look(owner, each, { ...said, scope: each.scope });
    }
    const { pool } = stage.database.store;
    await pool.query(`update permission_review set reviewed_at = now() - interval '181 days' where id = $1`, [
      made.old!.id,
    ]);
    await pool.query(`update api_key set scope = 'All of it' where id = $1`, [made.changed!.id]);
    await pool.query(`update api_key set last_rotated_at = now() + interval '1 second' where id = $1`, [
      made.rotated!.id,
    ]);
    await stage.database.store.read(async (view) => {
      const reviewedBefore = reviewsCountFrom(stage.ports.policy, view.now);
      const { rows } = await view.keys.list({ ownerId: owner.id, reviewedBefore }, 50);
      const bySql = rows.map((each) => each.purpose).sort();
      expect(bySql).toEqual(['changed', 'never', 'old', 'rotated']);
      expect(await view.keys.count({ ownerId: owner.id, reviewedBefore })).toBe(4);
      expect(await view.keys.count({ ownerId: owner.id, overPermissioned: true })).toBe(2);
      const byRule: string[] = [];
      for (const { id } of Object.values(made)) {
        const [key, review] = [await view.keys.get(id), await view.permissionReviews.find(id)];
        if (whyReview(key, review, stage.ports.policy, view.now)) byRule.push(key.purpose);
      }
      expect(byRule.sort()).toEqual(bySql);
      expect((await view.permissionReviews.many([made.old!.id, made.never!.id])).map((each) => each.id)).toEqual([
        made.old!.id,
      ]);
      expect(await view.permissionReviews.many([])).toEqual([]);
    });
  });
});

describe('the form', () => {
  const send = (by: Person, key: ApiKey, more: Record<string, unknown>, seen = seenBy(key, null)) =>
    desk.send(by, 'reviews.review-permissions', {
      ...{ keyId: key.id, seen, scope: 'Reads and writes invoices', needs: 'Reads invoices', hasExcess: 'no' },
      ...more,
    });

  test('begins with what is known, says what is expected of its environment, and warns of full access', async () => {
    const key = await aStored({ environment: 'production', flags: ['fullAccount'] });
    const said = saying(await desk.press(dana, 'reviews.review-permissions', key.id));
    expect(said).toContain('Production: full limits, carefully monitored.');
    expect(said).toContain('has full account access');
    expect(said).toContain('Embeddings only');
    for (const { label, asks } of Object.values(restrictions)) {
      expect(said).toContain(label);
      expect(said).toContain(asks);
    }
    for (const later of ['What is too much?', 'From which addresses?']) expect(said).not.toContain(later);
  });

  test('asks on for what is ticked and chosen, with what was typed kept', async () => {
    const key = await aStored();
    const context = { keyId: key.id, seen: seenBy(key, null) };
    const fields = {
      ...{ scope: 'All of it', needs: 'Reading only', hasExcess: 'yes', excess: 'Writing' },
      ...{ restrictedBy: ['addresses', 'ends'], addressesNote: '203.0.113.0/24' },
    };
    for (const field of ['hasExcess', 'restrictedBy']) {
      const answer = await desk.press(dana, field, 'yes', { fields, context });
      expect(answer).toMatchObject({ update: { private_metadata: JSON.stringify(context) } });
      const said = saying(answer);
      for (const kept of ['All of it', 'Reading only', 'Writing', '203.0.113.0/24']) expect(said).toContain(kept);
      for (const asked of ['What is too much?', 'From which addresses?', 'Ends when?']) expect(said).toContain(asked);
      for (const not of ['Which limits?', 'by which role']) expect(said).not.toContain(not);
    }
  });

  test('says under each field what is missing, and what was typed stays there', async () => {
    const slack = await startStubSlack();
    try {
      const made = slackDoor();
      reviewsInSlack(made.door, stage.ports);
      const handle = handler({
        registry: made.registry,
        store: stage.ports.store,
        clients: slackClients('xoxb-test', slack.apiUrl),
        teamId: 'T1',
        personOf: async () => dana,
        meet: async () => {},
        teamChanged: async () => {},
        commandName: '/keys',
        log: () => {},
      });
      const key = await aStored();
      const values = {
        scope: { type: 'plain_text_input', value: 'Everything' },
        needs: { type: 'plain_text_input', value: '  ' },
        hasExcess: { type: 'radio_buttons', selected_option: { value: 'yes' } },
        excess: { type: 'plain_text_input', value: null },
      };
      const answers: unknown[] = [];
      const sent = (more: Record<string, unknown>) =>
        handle(
          {
            ...{ type: 'view_submission', user: { id: dana.slackId, team_id: 'T1' }, team: { id: 'T1' } },
            ...{ trigger_id: `t.${answers.length}` },
            view: {
              ...{ id: 'V1', type: 'modal', callback_id: 'reviews.review-permissions' },
              private_metadata: JSON.stringify({ keyId: key.id, seen: seenBy(key, null) }),
              state: {
                values: Object.fromEntries(
                  Object.entries({ ...values, ...more }).map(([name, value]) => [name, { [name]: value }]),
                ),
              },
            },
          },
          async (answer) => void answers.push(answer),
        );
      await sent({});
      expect(answers.at(-1)).toMatchObject({
        response_action: 'errors',
        errors: { needs: 'Say what it needs to do, in a few words.' },
      });
      await sent({ needs: { type: 'plain_text_input', value: 'Reading' } });
      expect(answers.at(-1)).toMatchObject({ response_action: 'errors', errors: { excess: 'Say what is too much.' } });
      expect((await read(key)).review).toBeNull();
      await sent({
        needs: { type: 'plain_text_input', value: 'Reading' },
        excess: { type: 'plain_text_input', value: 'Writing' },
      });
      expect(answers.at(-1)).toMatchObject({ response_action: 'update' });
      expect((await read(key)).findings).toHaveLength(1);
    } finally {
      await slack.close();
    }
  });

  test('keeps nothing of what was not asked any more: a note without its tick, too much after a no', async () => {
    const key = await aStored();
    await send(dana, key, {
      ...{ excess: 'Writing', restrictedBy: ['rate', 'nonsense'], rateNote: ' 10 USD a day ', addressesNote: 'x' },
    });
    expect((await read(key)).review).toMatchObject({
      excess: null,
      restrictions: [{ kind: 'rate', note: '10 USD a day' }],
    });
  });

  test('answers with what comes next, and with what the inventory says otherwise', async () => {
    const key = await aStored({ flags: ['writes', 'fullAccount'], issuer: 'person', recipe: null });
    const done = await send(dana, key, { restrictedBy: ['readOnly', 'ends'] });
    const said = saying(done);
    expect(said).toContain('and no more');
    expect(said).toContain('still says “May write or change things”');
    expect(said).toContain('still says “Full account access');
    expect(said).toContain('Enter the day on which it ends');
    expect(actionsIn(done)).toEqual(['inventory.show']);
    const { key: now, review } = await read(key);
    const wide = await send(dana, key, { hasExcess: 'yes', excess: 'It may write' }, seenBy(now, review));
    expect(saying(wide)).toContain('Rotate it to a narrower one');
    expect(actionsIn(wide)).toEqual(['rotation.start', 'inventory.show']);
  });
});

describe('guidance for an environment (SOP 4.3)', () => {
  const words = { development: 'lower rate limits, test data only.', staging: 'medium limits, safe to reset.' };

  test('is shown as soon as the environment of a new key is known, and follows it', async () => {
    const opened = await desk.type(dana, 'add stripe dev');
    expect(saying(opened)).toContain(`Development: ${words.development}`);
    expect(saying(await desk.type(dana, 'add stripe'))).not.toMatch(/full limits|medium limits|lower rate/);
    const fields = { service: 'Stripe', environment: 'staging', scope: 'Charges' };
    const changed = saying(await desk.press(dana, 'environment', 'staging', { fields }));
    expect(changed).toContain(`Staging: ${words.staging}`);
    expect(changed).toContain('Charges');
    expect(changed).not.toContain(words.development);
  });

  test('is shown where a key is asked for, and on the steps for a person', async () => {
    const key = await aStored({ environment: 'development', issuer: 'person', recipe: null });
    expect(saying(await desk.type(other, `request ${key.id}`))).toContain(`Development: ${words.development}`);
    expect(saying(await desk.press(dana, 'runbooks.show', key.id))).toContain(`Development: ${words.development}`);
  });
});

describe('a key that a person makes', () => {
  test('is to be made with only what it needs, by the form, the card, the page and the steps of its rotation', async () => {
    const { key } = await stage.key({ issuer: 'person', recipe: null, environment: 'production' });
    const held: Reviewing['restrictions'] = [{ kind: 'addresses', note: '203.0.113.0/24' }];
    const cardOf = async () => {
      const rotation = (await stage.database.store.read((view) => view.rotations.ofKey(key.id, 1)))[0]!;
      return saying(await desk.card('rotation:person', rotation.id, { person: stage.owner.id }));
    };
    await desk.send(stage.owner, 'rotation.start', { keyId: key.id, reason: 'it is time' });
    await stage.work();
    expect(await cardOf()).toContain('make a new key with the same rights: Embeddings only.');
    expect(await cardOf()).toContain('Production: full limits, carefully monitored.');
    await look(stage.owner, key, { ...tooWide, restrictions: held });
    const wanted = 'Reads invoices; only from certain addresses (203.0.113.0/24)';
    expect(await cardOf()).toContain(`*fewer rights than the old one*, only what it needs: ${wanted}.`);
    expect(saying(await desk.press(stage.owner, 'runbooks.show', key.id))).toContain(wanted);
    const other = (await stage.key({ issuer: 'person', recipe: null })).key;
    await look(stage.owner, other, { ...tooWide, restrictions: held });
    const form = saying(await desk.press(stage.owner, 'rotation.start', other.id));
    expect(form).toContain('It may do more than it needs: It may write');
    expect(form).toContain(`The new one needs only: ${wanted}`);
  });
});

describe('keys whose permissions matter', () => {
  test('are found by two words of the list, shown with what they need, and counted in one line of the digest', async () => {
    const owner = aPerson();
    await given(stage.database.store, { people: [owner] });
    const [calm, wide, never] = ['Calm', 'Wide', 'Never'].map((purpose) =>
      aKey(owner, { purpose, service: 'Listed' }),
    ) as [ApiKey, ApiKey, ApiKey];
    await given(stage.database.store, { keys: [calm, wide, never] });
    const digest = async () => saying(await desk.card('digest.owner', owner.id, { person: owner.id }));
    expect(await digest()).toContain('3 of 3 not reviewed within 180 days');
    await look(owner, calm, { ...fine, scope: calm.scope });
    await look(owner, wide, tooWide);
    const said = await digest();
    expect(said).toContain('1 may do more than needed');
    expect(said).toContain('1 of 3 not reviewed within 180 days');
    expect(said.match(/What your keys may do/g)).toHaveLength(1);
    const unreviewed = saying(await desk.type(owner, 'list mine unreviewed'));
    expect(unreviewed).toContain('- Never');
    expect(unreviewed).not.toContain('- Calm');
    const tooMuch = saying(await desk.type(owner, 'list over-permissioned mine'));
    expect(tooMuch).toContain('- Wide');
    expect(tooMuch).toContain('Needs: Reads invoices; over-permissioned since');
    expect(tooMuch).not.toContain('- Calm');
    const home = saying(await desk.home(owner));
    expect(home.match(/over-permissioned since/g)).toHaveLength(1);
    await look(owner, never, { ...fine, scope: never.scope });
    await look(owner, wide, fine);
    expect(await digest()).not.toContain('What your keys may do');
    expect(saying(await desk.home(owner))).not.toContain('over-permissioned');
  });
});

describe('what is known of a key’s permissions', () => {
  test('is on its card: what it needs, how it is restricted, since when it is too much; else that nobody has looked', async () => {
    const key = await aStored();
    const card = async (by = dana) => saying(await desk.type(by, `show ${key.id}`));
    expect(await card()).toContain('Never reviewed');
    expect(await card(other)).not.toContain('Never reviewed');
    await look(dana, key, { ...tooWide, restrictions: [{ kind: 'addresses', note: '203.0.113.0/24' }] });
    const said = await card();
    for (const each of [
      'Reads invoices',
      'over-permissioned since',
      'Restricted: only from certain addresses (203.0.113.0/24)',
      `by <@${dana.slackId}>`,
      'Too much: It may write.',
    ])
      expect(said).toContain(each);
    expect(said).not.toContain('Never reviewed');
    expect(actionsIn(await desk.type(dana, `show ${key.id}`))).toContain('reviews.review-permissions');
    expect(actionsIn(await desk.type(other, `show ${key.id}`))).not.toContain('reviews.review-permissions');
  });

  test('is in the list of findings with the way to a narrower key, and after that to the next review', async () => {
    const owner = aPerson();
    await given(stage.database.store, { people: [owner] });
    const key = aKey(owner, { issuer: 'person', recipe: null });
    await given(stage.database.store, { keys: [key] });
    await look(owner, key, tooWide);
    const list = () => desk.type(owner, 'findings');
    expect(actionsIn(await list())).toContain('rotation.start');
    await stage.database.store.pool.query(
      `update api_key set last_rotated_at = now() + interval '1 second' where id = $1`,
      [key.id],
    );
    expect(saying(await list())).toContain('It was rotated since');
    expect(actionsIn(await list())).toContain('reviews.review-permissions');
    expect(actionsIn(await list())).not.toContain('rotation.start');
  });
});
