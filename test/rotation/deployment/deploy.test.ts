import { randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { consumerHooks } from '../../../src/adapters/webhooks/hooks.ts';
import type { WebhookAsk } from '../../../src/doors.ts';
import { type Consumer, recorded } from '../../../src/inventory/consumer-model.ts';
import { makeSigningSecret } from '../../../src/inventory/make-signing-secret.ts';
import type { ApiKey } from '../../../src/inventory/model.ts';
import { addConsumer } from '../../../src/inventory/record-consumer.ts';
import { removeConsumer } from '../../../src/inventory/remove-consumer.ts';
import { day, hour, minute, newId } from '../../../src/kernel.ts';
import type { Ports } from '../../../src/ports.ts';
import { claimMove, confirmMove } from '../../../src/rotation/deployment/confirm.ts';
import { deploymentOverHttp } from '../../../src/rotation/deployment/http.ts';
import { deploymentOf } from '../../../src/rotation/deployment/model.ts';
import { retireNow } from '../../../src/rotation/deployment/retire-now.ts';
import { startDrill } from '../../../src/rotation/drills/start.ts';
import type { Rotation } from '../../../src/rotation/model.ts';
import { retryRotation } from '../../../src/rotation/retry.ts';
import { rollBackRotation } from '../../../src/rotation/roll-back.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { aPerson, given } from '../../support/company.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { quick, useStage } from '../stage.ts';

const policy = { ...quick, consumers: { privateHosts: ['127.0.0.1'] } };
const stage = useStage(policy);
const [dana, ben, kim] = [
  aPerson({ name: 'Dana' }),
  aPerson({ name: 'Ben' }),
  aPerson({ name: 'Kim', tier: 'contractor' }),
];
const desk = deskOf(() => stage.ports, rotationInSlack);
beforeAll(() => given(stage.database.store, { people: [dana, ben, kim] }));

/** Somebody's deployment system, which answers as it is told to. */
interface Receiver {
  url: string;
  got: { headers: IncomingHttpHeaders; body: string }[];
  answer: { status: number; body?: string; headers?: Record<string, string> };
}
const servers: Server[] = [];
async function aReceiver(): Promise<Receiver> {
  const receiver: Receiver = { url: '', got: [], answer: { status: 200 } };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      receiver.got.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
      response.writeHead(receiver.answer.status, receiver.answer.headers).end(receiver.answer.body ?? '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keysteward`;
  return receiver;
}
afterAll(() => {
  for (const server of servers) server.close();
});

async function consumerOf(key: ApiKey, facts: Partial<Consumer>): Promise<Consumer> {
  const entry = {
    name: `consumer ${randomUUID().slice(0, 6)}`,
    kind: 'reads-store',
    url: null,
    personId: null,
    ...facts,
  };
  const made = await addConsumer(stage.ports, stage.owner.id, key.id, entry as never);
  if (made.kind === 'webhook') await makeSigningSecret(stage.ports, { consumerId: made.id });
  return stage.database.store.read((view) => view.consumers.get(made.id));
}
const signingOf = async (consumer: Consumer) =>
  (await stage.bot.getSecretValue({ SecretId: consumer.signedWith! })).SecretString!;
async function begin(key: ApiKey, emergency = false, ports: Ports = stage.ports): Promise<Rotation['id']> {
  const { id } = await startRotation(ports, stage.owner, { keyId: key.id, reason: 'A test', emergency });
  await stage.work({ ports });
  return id;
}
/** Everything that happened to it lies so much further back. */
async function age(id: Rotation['id'], ms: number): Promise<void> {
  const back = (iso: string | null) => (iso ? new Date(Date.parse(iso) - ms).toISOString() : null);
  const change = { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: id } as const;
  await stage.database.store.change(change, async (tx) => {
    const rotation = await tx.rotations.get(id);
    await tx.rotations.save({
      ...rotation,
      record: rotation.record.map((each) => ({
        ...each,
        startedAt: back(each.startedAt)!,
        endedAt: back(each.endedAt),
      })),
      extension: rotation.extension && { ...rotation.extension, since: back(rotation.extension.since)! },
    });
  });
  await stage.skipTime(id);
}
const about = (rotationId: Rotation['id'], consumer: Consumer) => ({ rotationId, consumerId: consumer.id });
const cardsOf = async (kind: string, id: string) => {
  const found = await stage.database.store.read((view) => view.cards.of(kind, id));
  return found.map((each) => each.personId ?? each.channel);
};
const rotationCard = async (id: string, kind = 'rotation', person = stage.owner) =>
  saying(await desk.card(kind, id, { person: person.id }));

describe('a drill', () => {
  test('tells by webhook that it is one, and that nothing has leaked', async () => {
    const { key } = await stage.key({ environment: 'sandbox', risk: 'low' });
    const hook = await aReceiver();
    await consumerOf(key, { name: 'billing', kind: 'webhook', url: hook.url });
    const { id } = await startDrill(stage.ports, stage.admin, key.id);
    await stage.work();
    expect(hook.got.map(({ body }) => JSON.parse(body))).toMatchObject([
      { type: 'key.rotated', data: { rotationId: id, emergency: true, compromised: false, drill: true } },
    ]);
    expect(await stage.rotation(id)).toMatchObject({ status: 'done' });
  });
});

describe('the old value lives on', () => {
  test('until everybody who is recorded is on the new one; each says so in their own way, and the log has who', async () => {
    const { key, version: old } = await stage.key();
    const hook = await aReceiver();
    const reader = await consumerOf(key, { name: 'checkout' });
    const told = await consumerOf(key, { name: 'billing', kind: 'webhook', url: hook.url });
    const sheet = await consumerOf(key, { name: 'the sheet', kind: 'person', personId: dana.id });
    const id = await begin(key);

    const waiting = await stage.rotation(id);
    expect(waiting).toMatchObject({ status: 'running', step: 'grace', condition: 'both' });
    expect(waiting.extension!.why).toContain('billing: was told and has not said that it is deployed');
    expect((await stage.stages(key))[old]).toEqual(['AWSPREVIOUS']);
    expect(await cardsOf('rotation:move', id)).toEqual([dana.id]);
    expect(await rotationCard(id)).toMatch(
      /The old value lives on.*the sheet: nobody has said that it is on the new value/s,
    );

    // A 2xx alone says that it has arrived; what it says later, signed, is what counts.
    expect(hook.got).toHaveLength(1);
    const [message] = hook.got;
    new Webhook(await signingOf(told)).verify(message!.body, message!.headers as Record<string, string>);
    expect(JSON.parse(message!.body)).toMatchObject({
      type: 'key.rotated',
      data: {
        rotationId: id,
        consumerId: told.id,
        secretId: key.secretId,
        versionId: waiting.newVersion,
        drill: false,
      },
    });
    expect(message!.body).not.toContain((await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString!);
    expect(await later(told, { rotationId: id, consumerId: told.id, status: 'deployed' })).toMatchObject({
      status: 200,
    });

    await expect(confirmMove(stage.ports, ben, about(id, sheet))).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(confirmMove(stage.ports, kim, about(id, sheet))).rejects.toMatchObject({ code: 'not_found' });
    await desk.press(dana, 'rotation.confirm-move:0', `${id} ${sheet.id}`);
    await expect(confirmMove(stage.ports, dana, about(id, sheet))).rejects.toMatchObject({ code: 'conflict' });
    await stage.work();
    // The reader's cache has not run out.
    expect(await stage.rotation(id)).toMatchObject({
      step: 'grace',
      extension: { why: expect.stringContaining('checkout') },
    });

    await age(id, 61 * minute);
    await stage.work();
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new', extension: null, forced: null });
    expect(await stage.stages(key)).toEqual({ [done.newVersion!]: ['AWSCURRENT'] });
    expect(deploymentOf(done, reader.id)!.evidence).toContain('that it has fetched the new value was not seen');
    expect(deploymentOf(done, sheet.id)).toMatchObject({ confirmedBy: dana.id, evidence: 'Dana said so' });
    expect(done.record.find((each) => each.step === 'grace')!.evidence).toBe('all 3 consumers are on the new value');
    const actions = (await stage.trail(id)).map((each) => `${each.action} ${each.outcome}`);
    for (const each of [
      'rotation.deploy done',
      'rotation.tell done',
      'rotation.told done',
      'rotation.extend done',
      'rotation.hear-deployed done',
      'rotation.confirm-move done',
      'rotation.confirm-move refused',
    ]) {
      expect(actions).toContain(each);
    }
  });

  test('but not a moment less than its grace, however quickly everybody is on the new one', async () => {
    const ports = { ...stage.ports, policy: { ...policy, rotation: { ...policy.rotation, graceMinutes: 60 } } };
    const { key } = await stage.key();
    const hook = await aReceiver();
    hook.answer = { status: 200, body: '{"status":"deployed"}' };
    const consumer = await consumerOf(key, { kind: 'webhook', url: hook.url });
    const id = await begin(key, false, ports);
    const waiting = await stage.rotation(id);
    expect(waiting).toMatchObject({ status: 'running', step: 'grace', extension: null });
    expect(deploymentOf(waiting, consumer.id)!.evidence).toContain('answered that it is deployed');
    expect(waiting.continuesAt!.getTime()).toBeGreaterThan(Date.now() + 59 * minute);
    await age(id, 61 * minute);
    await stage.work({ ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
  });

  test('is known to nobody where nobody is recorded: it goes after its grace, and the card says so', async () => {
    const ports = { ...stage.ports, policy: { ...policy, rotation: { ...policy.rotation, graceMinutes: 60 } } };
    const { key } = await stage.key();
    const id = await begin(key, false, ports);
    expect(await rotationCard(id)).toContain('Nobody is recorded who uses this key, so nobody was asked');
    await age(id, 61 * minute);
    await stage.work({ ports });
    const done = await stage.rotation(id);
    expect(done.status).toBe('done');
    expect(done.record.find((each) => each.step === 'grace')!.evidence).toContain('nobody is recorded who uses it');
  });

  test('also when an older program has begun the rotation, which knew of no consumers: as that one would have done', async () => {
    const ports = { ...stage.ports, policy: { ...policy, rotation: { ...policy.rotation, graceMinutes: 60 } } };
    const { key } = await stage.key();
    await consumerOf(key, { kind: 'person', personId: dana.id });
    const id = await begin(key, false, ports);
    // As the older program has left it: without the step, and without the columns that came with it.
    await stage.database.store.pool.query(
      `update rotation set deployments = default, extension = default, forced = default,
         record = (select jsonb_agg(each) from jsonb_array_elements(record) each where each ->> 'step' <> 'deploy') where id = $1`,
      [id],
    );
    await age(id, 61 * minute);
    await stage.work({ ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new', deployments: [] });
  });

  test('for somebody who was recorded since, and no longer for somebody who was removed', async () => {
    const { key } = await stage.key();
    const first = await consumerOf(key, { name: 'first', kind: 'person', personId: dana.id });
    const id = await begin(key);
    const second = await consumerOf(key, { name: 'second', kind: 'person', personId: ben.id });
    await removeConsumer(stage.ports, stage.owner.id, first.id);
    await stage.skipTime(id);
    await stage.work();
    const waiting = await stage.rotation(id);
    expect(waiting.deployments.map((each) => each.name)).toEqual(['second']);
    expect((await cardsOf('rotation:move', id)).sort()).toEqual([dana.id, ben.id].sort());
    await confirmMove(stage.ports, ben, about(id, second));
    await stage.work();
    expect((await stage.rotation(id)).status).toBe('done');
  });

  test('and in time its owner and the security channel hear of it, then it stops and asks; Retry waits on, Retire now does not', async () => {
    const { key } = await stage.key();
    await consumerOf(key, { name: 'the sheet', kind: 'person', personId: dana.id });
    const id = await begin(key);
    expect(await cardsOf('rotation:waiting', id)).toEqual([]);
    await age(id, 3 * day);
    await stage.work();
    expect((await cardsOf('rotation:waiting', id)).sort()).toEqual([stage.owner.id, 'security'].sort());
    const said = await rotationCard(id, 'rotation:waiting');
    expect(said).toMatch(/still works.*the sheet: nobody has said that it is on the new value/s);
    await age(id, 11 * day);
    await stage.work();
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', step: 'grace', condition: 'both' });
    expect(failed.failure).toContain('After 14 days it is still not known that the old value can go');
    await retryRotation(stage.ports, stage.owner, id);
    await stage.work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'running', step: 'grace' });

    await expect(retireNow(stage.ports, dana, { rotationId: id, reason: 'because I say so' })).rejects.toMatchObject({
      code: 'not_allowed',
    });
    expect(saying(await desk.press(stage.owner, 'rotation.retire-now', id))).toContain(
      'the sheet: nobody has said that it is on the new value',
    );
    await desk.send(stage.owner, 'rotation.retire-now', {
      rotationId: id,
      reason: 'Dana is away, the sheet is not used',
    });
    await stage.work();
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new', forced: { by: stage.owner.id } });
    expect(await rotationCard(id)).toContain('had it retired: Dana is away, the sheet is not used');
    const trail = await stage.trail(id);
    expect(trail.find((each) => each.action === 'rotation.retire-now' && each.outcome === 'done')!.facts).toMatchObject(
      {
        reason: 'Dana is away, the sheet is not used',
        unconfirmed: [expect.stringMatching(/^con_/)],
      },
    );
  });
});

/** What a consumer's own system sends by itself, through the door. */
async function later(consumer: Consumer, body: unknown, { secret }: { secret?: string } = {}) {
  const heard: ((ask: WebhookAsk) => Promise<{ status: number; body: Record<string, unknown> }>)[] = [];
  deploymentOverHttp({ webhook: (_name, run) => void heard.push(run) }, stage.ports);
  const rawBody = JSON.stringify(body);
  const id = `msg_${randomUUID()}`;
  const at = new Date();
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret ?? (await signingOf(consumer))).sign(id, at, rawBody),
  };
  return heard[0]!({ headers, rawBody });
}

describe('a webhook', () => {
  test('that does not answer is sent again for three days, the same message each time, and then named as what is lacking', async () => {
    const { key } = await stage.key();
    const hook = await aReceiver();
    hook.answer = { status: 503 };
    const consumer = await consumerOf(key, { name: 'billing', kind: 'webhook', url: hook.url });
    const id = await begin(key);
    const due = async () => {
      const { rows } = await stage.database.store.pool.query<{ run_at: Date }>(
        `select run_at from work where name = 'rotation.tell' and status = 'waiting' and payload ->> 'rotationId' = $1`,
        [id],
      );
      return rows[0]?.run_at ?? null;
    };
    const waits: number[] = [];
    for (let at = await due(); at && waits.length < 20; at = await due()) {
      waits.push((at.getTime() - Date.now()) / minute);
      await stage.database.store.pool.query(
        `update work set run_at = now() where name = 'rotation.tell' and status = 'waiting'`,
      );
      await stage.work();
    }
    expect(hook.got).toHaveLength(10);
    expect(waits.map((each) => Math.round(each))).toEqual([0, 5, 30, 120, 300, 600, 840, 1200, 1440]);
    expect(new Set(hook.got.map((each) => each.headers['webhook-id'])).size).toBe(1);
    const told = deploymentOf(await stage.rotation(id), consumer.id)!;
    expect(told).toMatchObject({ tries: 10, toldAt: null, confirmedAt: null });
    expect(told.trouble).toBe('it answered HTTP 503, after 10 messages over three days');
    expect(await rotationCard(id)).toContain('it answered HTTP 503, after 10 messages over three days');
    await rollBackRotation(stage.ports, stage.owner, id);
  });

  test.each([
    [{ status: 200, body: '{"status":"failed"}' }, /could not be deployed/],
    [{ status: 410 }, /gone for good/],
    [{ status: 302, headers: { location: 'http://169.254.169.254/' } }, /HTTP 302/],
    [{ status: 200, body: `{"status":"deployed"}${' '.repeat(20_000)}` }, /could not be reached/],
  ])('that answers %o confirms nothing, and what it said is shown', async (answer, trouble) => {
    const { key } = await stage.key();
    const hook = await aReceiver();
    hook.answer = answer;
    const consumer = await consumerOf(key, { kind: 'webhook', url: hook.url });
    const id = await begin(key);
    expect(deploymentOf(await stage.rotation(id), consumer.id)).toMatchObject({
      confirmedAt: null,
      trouble: expect.stringMatching(trouble),
    });
    await rollBackRotation(stage.ports, stage.owner, id);
    await stage.skipTime(id);
    await stage.work();
  });

  test('is told when the old value is handed out again, also when it was on the new one', async () => {
    const { key } = await stage.key();
    const hook = await aReceiver();
    hook.answer = { status: 200, body: '{"status":"deployed"}' };
    await consumerOf(key, { kind: 'webhook', url: hook.url });
    const sheet = await consumerOf(key, { name: 'the sheet', kind: 'person', personId: dana.id });
    const id = await begin(key);
    await rollBackRotation(stage.ports, stage.owner, id);
    await stage.skipTime(id);
    await stage.work();
    const back = await stage.rotation(id);
    expect(back).toMatchObject({ status: 'rolled-back', condition: 'old' });
    expect(hook.got.map((each) => JSON.parse(each.body) as object)).toMatchObject([
      { type: 'key.rotated', data: { versionId: back.tried.at(-1) } },
      { type: 'key.restored', data: { versionId: back.oldVersion } },
    ]);
    expect(await rotationCard(id, 'rotation:move', dana)).toContain('the old value is handed out again');
    await expect(confirmMove(stage.ports, dana, about(id, sheet))).rejects.toMatchObject({ code: 'conflict' });
  });

  test('cannot be spoken for by another consumer, by nobody, or about what is over', async () => {
    const { key } = await stage.key();
    const hook = await aReceiver();
    const [one, other] = [
      await consumerOf(key, { kind: 'webhook', url: hook.url }),
      await consumerOf(key, { kind: 'webhook', url: hook.url }),
    ];
    const id = await begin(key);
    const body = { rotationId: id, consumerId: one.id, status: 'deployed' };
    expect(await later(other, body)).toMatchObject({ status: 401 });
    expect(await later(one, body, { secret: `whsec_${Buffer.alloc(32).toString('base64')}` })).toMatchObject({
      status: 401,
    });
    expect(await later(one, { ...body, consumerId: newId('consumer') })).toMatchObject({ status: 401 });
    expect(await later(one, { ...body, status: 'perhaps' })).toMatchObject({ status: 400 });
    expect(await later(one, { ...body, more: 1 })).toMatchObject({ status: 400 });
    expect(await later(one, { ...body, rotationId: newId('rotation') })).toMatchObject({ status: 404 });
    expect((await stage.rotation(id)).deployments.every((each) => each.confirmedAt === null)).toBe(true);
    expect(await later(one, { ...body, status: 'failed' })).toMatchObject({ status: 200 });
    expect(deploymentOf(await stage.rotation(id), one.id)!.trouble).toContain('could not be deployed');
    expect(await later(one, body)).toMatchObject({ status: 200 });
    expect(await later(one, body)).toMatchObject({ status: 200 });
    await startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'leaked', emergency: true });
    expect(await later(other, { ...body, consumerId: other.id })).toMatchObject({ status: 409 });
    await stage.work();
  });
});

describe('in an emergency', () => {
  test('everybody is told before the old value dies, nobody is waited for, and who does not answer is told on afterwards', async () => {
    const { key } = await stage.key();
    const hook = await aReceiver();
    hook.answer = { status: 500 };
    const consumer = await consumerOf(key, { kind: 'webhook', url: hook.url });
    await consumerOf(key, { name: 'the sheet', kind: 'person', personId: dana.id });
    const id = await begin(key, true);
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new' });
    const steps = done.record.map((each) => each.step);
    expect(steps.indexOf('deploy')).toBeLessThan(steps.indexOf('retire'));
    const { rows } = await stage.database.store.pool.query<{ lane: string }>(
      `select lane from work where name = 'rotation.tell' and payload ->> 'rotationId' = $1 order by created_at limit 1`,
      [id],
    );
    expect(rows[0]!.lane).toBe('urgent');
    expect(await rotationCard(id, 'rotation:move', dana)).toMatch(/may be known to others/);
    hook.answer = { status: 200, body: '{"status":"deployed"}' };
    await stage.database.store.pool.query(
      `update work set run_at = now() where name = 'rotation.tell' and status = 'waiting'`,
    );
    await stage.work();
    expect(deploymentOf(await stage.rotation(id), consumer.id)!.confirmedAt).not.toBeNull();
  });
});

describe('a person who moves something', () => {
  test('is reminded in a new message until it is done; whoever has taken it on is reminded instead', async () => {
    const { key } = await stage.key();
    const sheet = await consumerOf(key, { name: 'the sheet', kind: 'person', personId: dana.id });
    const id = await begin(key);
    const card = await rotationCard(id, 'rotation:move', dana);
    expect(card).toMatch(/You are recorded as the one who moves/);
    expect(card).toMatch(/after 3 days/);
    await claimMove(stage.ports, stage.owner, about(id, sheet));
    await expect(claimMove(stage.ports, ben, about(id, sheet))).rejects.toMatchObject({ code: 'not_allowed' });
    await stage.skipTime(id);
    await stage.work();
    const cards = await stage.database.store.read((view) => view.cards.of('rotation:move', id));
    expect(cards.map((each) => each.personId).sort()).toEqual([dana.id, stage.owner.id].sort());
    const { rows } = await stage.database.store.pool.query<{ person_id: string; anew: boolean }>(
      `select person_id, anew from card where kind = 'rotation:move' and subject = $1`,
      [id],
    );
    expect(rows.find((each) => each.anew)?.person_id).toBe(stage.owner.id);
    await confirmMove(stage.ports, stage.owner, about(id, sheet));
    await stage.work();
    expect((await stage.rotation(id)).status).toBe('done');
  });

  test('who has left is not waited for in vain: the owner is asked', async () => {
    const gone = aPerson({ name: 'Gone' });
    await given(stage.database.store, { people: [gone] });
    const { key } = await stage.key();
    const sheet = await consumerOf(key, { name: 'the sheet', kind: 'person', personId: gone.id });
    await given(stage.database.store, { people: [{ ...gone, status: 'left' }] });
    const id = await begin(key);
    expect(await cardsOf('rotation:move', id)).toEqual([stage.owner.id]);
    expect(await rotationCard(id, 'rotation:move')).toContain('On the new key: the sheet');
    await confirmMove(stage.ports, stage.owner, about(id, sheet));
    await stage.work();
    expect((await stage.rotation(id)).status).toBe('done');
  });
});

describe('a webhook goes', () => {
  const secret = consumerHooks().freshSecret();
  const message = { id: 'msg_1', at: new Date(), body: '{}' };
  type Lookup = NonNullable<Parameters<typeof consumerHooks>[1]>;
  const leadingTo = (...addresses: string[]): Lookup =>
    ((_name: string, _options: unknown, done: (error: null, found: unknown) => void) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      )) as never;

  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    'fd00::1',
    'fe80::1',
    'ff02::1',
  ])('nowhere when its name leads to %s, alone or beside a public address', async (address) => {
    for (const all of [[address], ['93.184.216.34', address]]) {
      const answer = await consumerHooks([], leadingTo(...all)).post('https://hooks.example.com/x', secret, message);
      expect(answer).toEqual({
        trouble: 'it could not be reached (hooks.example.com leads to an address that is not public)',
        status: null,
      });
    }
  });

  test('nowhere by a number or over plain HTTP, unless the policy names that host; a redirect is not followed', async () => {
    const hook = await aReceiver();
    const hooks = consumerHooks();
    for (const url of [
      hook.url,
      hook.url.replace('127.0.0.1', '2130706433'),
      hook.url.replace('127.0.0.1', 'localhost'),
    ]) {
      expect(await hooks.post(url, secret, message)).toMatchObject({ trouble: expect.any(String), status: null });
    }
    expect(hook.got).toEqual([]);
    const other = await aReceiver();
    hook.answer = { status: 307, headers: { location: other.url } };
    expect(await consumerHooks(['127.0.0.1']).post(hook.url, secret, message)).toEqual({
      trouble: 'it answered HTTP 307',
      status: 307,
    });
    expect([hook.got.length, other.got.length]).toEqual([1, 0]);
  });

  test('to the address that was looked at: the name is looked up once for each message', async () => {
    const hook = await aReceiver();
    const { port } = new URL(hook.url);
    let lookups = 0;
    const lookup: Lookup = ((_name: string, _options: unknown, done: (error: null, found: unknown) => void) => {
      lookups++;
      done(null, [{ address: '127.0.0.1', family: 4 }]);
    }) as never;
    const hooks = consumerHooks(['deploy.internal'], lookup);
    const answer = await hooks.post(`http://deploy.internal:${port}/x`, secret, message);
    expect(answer).toEqual({ said: 'accepted', status: 200 });
    expect([lookups, hook.got.length]).toEqual([1, 1]);
  });
});

test('a consumer that was recorded by hand has the form that a form gives it', () => {
  const entry = { name: 'x', kind: 'webhook', url: 'https://A.example.com', personId: dana.id } as const;
  expect(recorded(newId('consumer'), newId('key'), entry, dana.id, new Date(hour))).toMatchObject({
    url: 'https://a.example.com/',
    personId: null,
  });
});
