import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KnownBlock, View as SlackView } from '@slack/types';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { granted, opened as openedRequest } from '../../src/access/model.ts';
import { shippedRunbooks } from '../../src/adapters/runbooks.ts';
import { helpFor, sayRefusal, sayTrouble } from '../../src/adapters/slack/door.ts';
import { openSlack } from '../../src/app.ts';
import { block, type Message, md, mention, message, typed } from '../../src/blocks.ts';
import type { Answer } from '../../src/doors.ts';
import { phases } from '../../src/incidents/checklist-model.ts';
import { deadlinesOf } from '../../src/incidents/clocks.ts';
import { declared } from '../../src/incidents/model.ts';
import { recorded } from '../../src/inventory/consumer-model.ts';
import { type ApiKey, riskFlags } from '../../src/inventory/model.ts';
import { newId, Refusal, storable } from '../../src/kernel.ts';
import { problemsOfBlocks, problemsOfView } from '../../src/local/slack/limits.ts';
import { opened as openedCase } from '../../src/offboarding/model.ts';
import { type Person, tiers } from '../../src/people/model.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { type FindingKind, findingKinds, found } from '../../src/reviews/model.ts';
import { restrictionKinds } from '../../src/reviews/permissions-model.ts';
import { drafted } from '../../src/rotation/campaigns/model.ts';
import { listed } from '../../src/rotation/deployment/model.ts';
import { started } from '../../src/rotation/moves-model.ts';
import { aKey, aPerson, aTeam } from '../support/company.ts';
import { deskOf, mrkdwnIn } from '../support/desk.ts';
import { usePorts } from '../support/ports.ts';
import { contentOf } from '../support/repository.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, openSlack);

/** What people type to break a message or to forge one, in every length. */
const forgeries = [
  '<!channel>',
  '<!here>',
  '<!subteam^S1>',
  '<@U0VICTIM>',
  '<#C0GENERAL>',
  '<https://evil.example|Approve>',
  '<!date^1^{date}|now>',
  '&lt;!channel&gt;',
];
const nasty: Record<string, (length: number) => string> = {
  forged: (length) =>
    forgeries
      .join(' ')
      .repeat(Math.ceil(length / 100))
      .slice(0, length),
  'three thousand and one characters': (length) => 'w'.repeat(length),
  'right to left': (length) => '\u202eשלום עולם\u202c '.repeat(length).slice(0, length),
  'zero width': (length) => '\u200b\u200d\ufeff\u2060a'.repeat(length).slice(0, length),
  backticks: (length) => '```\n`*_~>'.repeat(length).slice(0, length),
  pictures: (length) => '👩‍👩‍👧‍👦🏴‍☠️'.repeat(length).slice(0, length),
  'lines only': (length) => '\n\n> • 1. - \t'.repeat(length).slice(0, length),
  escapes: (length) => '&&&&<<<<>>>>'.repeat(length).slice(0, length),
};

interface World {
  admin: Person;
  key: ApiKey;
  ids: Record<'key' | 'request' | 'grant' | 'rotation' | 'campaign' | 'incident' | 'case' | 'person' | 'team', string>;
}
const worlds = new Map<string, World>();
const manyGrants = 10_000;
const manyRequests = 60;
const manyKeys = 100;

beforeAll(async () => {
  for (const [name, text] of Object.entries(nasty)) {
    const long = storable(text(3001));
    const admin = aPerson({
      tier: 'administrator',
      name: long,
      iamPrincipal: long,
      hrId: `${name}${storable(text(60))}`,
      timeZone: 'Not/AZone',
    });
    const leaver = aPerson({ name: long, status: 'left' });
    const key = aKey(admin, {
      service: long,
      purpose: `${long}${name}`,
      name: `${long}${name}`,
      scope: long,
      environment: 'production',
      secretId: `${name}/${storable(text(400))}`,
      tags: Array.from({ length: 40 }, (_, i) => `${i}${storable(text(200))}`),
      flags: Object.keys(riskFlags) as ApiKey['flags'],
      riskSet: { risk: 'low', reason: long, by: admin.id },
      lastFour: storable(text(4)),
      blocked: { since: new Date().toISOString(), missing: [long, long] },
      pause: {
        since: new Date().toISOString(),
        until: new Date().toISOString(),
        reason: long,
        by: admin.id,
        endedAt: new Date().toISOString(),
      },
      nextRotationAt: new Date(Date.now() - 86_400_000),
      currentVersion: crypto.randomUUID(),
    });
    const world = await test.ports.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' },
      async (tx) => {
        for (const person of [admin, leaver]) await tx.people.save(person);
        await tx.keys.save(key);
        for (const kind of ['webhook', 'person'] as const) {
          const entry = { name: `${kind} ${long}`, kind, url: null, personId: admin.id };
          const consumer = recorded(
            newId('consumer'),
            key.id,
            { ...entry, url: 'https://a.example.com' },
            admin.id,
            tx.now,
          );
          await tx.consumers.save({ ...consumer, ...(kind === 'webhook' ? { url: long, signedWith: long } : {}) });
        }
        const ask = { keyId: key.id, use: long, hours: 24, reason: long, ticket: long };
        const asker = aPerson({ name: long });
        await tx.people.save(asker);
        const fresh = openedRequest(newId('request'), ask, key, asker, [admin.id], defaultPolicy, tx.now);
        const request = {
          ...fresh,
          decisions: [
            {
              by: admin.id,
              tier: 'administrator' as const,
              at: tx.now.toISOString(),
              verdict: 'approve' as const,
              hours: 24,
              reason: long,
            },
          ],
        };
        await tx.requests.save(request);
        const grant = {
          ...granted(newId('grant'), request, leaver, key, tx.now),
          status: 'failed' as const,
          failure: long,
          endReason: long,
        };
        await tx.grants.save(grant);
        const before = {
          ...openedRequest(newId('request'), ask, key, admin, [], defaultPolicy, tx.now),
          status: 'approved' as const,
        };
        await tx.requests.save(before);
        const mine = { ...granted(newId('grant'), before, admin, key, tx.now), status: 'active' as const };
        await tx.grants.save(mine);
        const why = { cause: 'asked', causeId: null, askedBy: admin.id, reason: long, emergency: true } as const;
        const begun = listed(
          started(newId('rotation'), key, why, null, defaultPolicy, tx.now),
          await tx.consumers.ofKey(key.id),
        );
        const rotation = {
          ...begun,
          step: 'grace' as const,
          newVersion: key.currentVersion,
          deployments: Array.from({ length: 20 }, (_, i) => ({
            ...begun.deployments[i % 2]!,
            name: long,
            trouble: i < 2 ? null : long,
          })),
          extension: { since: tx.now.toISOString(), why: long, escalatedAt: null },
          failure: long,
          oldLastFour: '<!ch',
          newLastFour: '`*_~',
        };
        await tx.rotations.save(rotation);
        const team = aTeam([admin], { name: long, handle: long });
        await tx.teams.save(team);
        await tx.permissionReviews.save({
          ...{ id: key.id, scope: key.scope, needs: long, excess: long, excessSince: tx.now },
          restrictions: restrictionKinds.map((kind) => ({ kind, note: long })),
          ...{ reviewedBy: admin.id, reviewedAt: tx.now },
        });
        for (const kind of Object.keys(findingKinds) as FindingKind[]) {
          const finding = found(newId('finding'), key.id, kind, { sentence: long, facts: { version: long } }, tx.now);
          const repair = {
            by: admin.id,
            askedAt: tx.now.toISOString(),
            at: null,
            outcome: 'refused',
            said: long,
          } as const;
          await tx.findings.save({ ...finding, repair });
        }
        const report = {
          keyId: key.id,
          which: null,
          reach: 'unknown' as const,
          how: 'exposed' as const,
          what: long,
          seen: null,
          again: false,
        };
        const incident = declared(
          newId('incident'),
          report,
          key,
          admin.id,
          deadlinesOf('P0', tx.now, defaultPolicy),
          tx.now,
        );
        await tx.incidents.save({
          ...incident,
          overdue: [...phases],
          timeline: Array.from({ length: 150 }, () => ({
            at: tx.now.toISOString(),
            by: admin.id,
            text: long.slice(0, 1000),
          })),
          ticks: [{ line: 'S8.1-5', verdict: 'done', by: admin.id, at: tx.now.toISOString(), note: long }] as never,
        });
        const cause = { kind: 'asked', by: admin.id } as const;
        const case_ = {
          ...openedCase(newId('case'), leaver, { cause, effectiveAt: tx.now, hold: null }, tx.now),
          status: 'open' as const,
          startedAt: tx.now,
          ownedKeys: [key.id],
          rotateKeys: [key.id],
          ticks: [{ line: 'review', by: admin.id, at: tx.now.toISOString(), note: long }],
        };
        await tx.cases.save(case_);
        const bulk = { service: long, environment: null, cause: 'provider', emergency: true, reason: long } as const;
        const draft = drafted(newId('campaign'), bulk, admin, [key], new Map(), () => null, defaultPolicy, tx.now);
        const asked = { ...draft, status: 'asked' as const, lines: [{ keyId: key.id, why: long, byHand: false }] };
        const campaign = worlds.size % 2 ? asked : { ...draft, status: 'running' as const, begunAt: tx.now };
        await tx.campaigns.save(campaign);
        return {
          admin,
          key,
          ids: {
            key: key.id,
            request: request.id,
            grant: grant.id,
            rotation: rotation.id,
            campaign: campaign.id,
            incident: incident.id,
            case: case_.id,
            person: leaver.id,
            team: team.id,
          },
        };
      },
    );
    worlds.set(name, world);
  }
  // One world has as much as a company can have.
  const { admin, key } = worlds.get('forged')!;
  const holders = Array.from({ length: 20 }, () => aPerson());
  await test.ports.store.change(
    { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' },
    async (tx) => {
      for (const person of holders) await tx.people.save(person);
      for (let i = 0; i < manyRequests; i++) {
        const ask = { keyId: key.id, use: 'x', hours: 4, reason: 'because of many' };
        const other = aKey(admin, { purpose: `Busy ${i}` });
        await tx.keys.save(other);
        await tx.requests.save(
          openedRequest(
            newId('request'),
            { ...ask, keyId: other.id },
            other,
            holders[0]!,
            [admin.id],
            defaultPolicy,
            tx.now,
          ),
        );
      }
      for (let i = 0; i < manyKeys; i++)
        await tx.keys.save(
          aKey(admin, { purpose: `Owned ${i}`, nextRotationAt: new Date(Date.now() - i * 3_600_000) }),
        );
    },
  );
  const { request, grant } = worlds.get('forged')!.ids;
  const copied = (table: string, facts: string) =>
    `insert into ${table} select (jsonb_populate_record(t, jsonb_build_object(${facts}))).*
     from ${table} t, generate_series(1, ${manyGrants}) n where t.id = $1`;
  const person = '($2::text[])[1 + n % 20]';
  const number = "lpad(n::text, 26, '0')";
  const ids = holders.map((each) => each.id);
  await test.database.store.pool.query(
    copied('access_request', `'id', 'req_' || ${number}, 'asked_by', ${person}, 'status', 'approved'`),
    [request, ids],
  );
  await test.database.store.pool.query(
    copied('access_grant', `'id', 'grt_' || ${number}, 'request_id', 'req_' || ${number}, 'person_id', ${person}`),
    [grant, ids],
  );
}, 120_000);

/** What only Keysteward itself may say: people and channels by id, dates, links into Slack, and those in our own pages. */
const ours =
  /^<(@[UW][A-Z0-9]+|#[CG][A-Z0-9]+|!date\^\d+\^[^|<>]*\|[^<>]*|https:\/\/slack\.com\/archives\/[^|<>]*\|[^<>]*)>$/;
const shipped = new Set(
  shippedRunbooks()
    .names()
    .flatMap((name) => [...contentOf(`docs/runbooks/${name}.md`).matchAll(/\[([^\]]+)\]\((https:[^)]+)\)/g)])
    .map(([, label, url]) => `<${url}|${label!.replace(/\s+/g, ' ')}>`),
);
function forgedIn(texts: string[]): string[] {
  return texts.flatMap((text) =>
    // The one that the policy asks for, at the head of a call of ours.
    (text.replace(/^<!channel> :rotating_light:/, '').match(/<[^>]*>?/g) ?? []).filter(
      (each) => !(ours.test(each) || shipped.has(each)) || /U0VICTIM|evil|!channel|C0GENERAL/.test(each),
    ),
  );
}
function wrongWith(
  shown: Message | SlackView | KnownBlock[] | Answer | null,
  surface: 'message' | 'home' | 'modal' = 'message',
): unknown[] {
  if (shown === null) return [];
  if (Array.isArray(shown)) return [...problemsOfBlocks(shown, surface), ...forgedIn(mrkdwnIn(shown))];
  if ('done' in shown) return [];
  if ('open' in shown) return [...problemsOfView(shown.open), ...forgedIn(mrkdwnIn(shown.open))];
  if ('update' in shown) return [...problemsOfView(shown.update), ...forgedIn(mrkdwnIn(shown.update))];
  if ('replace' in shown) return wrongWith(shown.replace);
  if ('say' in shown)
    return wrongWith(typeof shown.say === 'string' ? message(shown.say, [block.text(shown.say)]) : shown.say);
  if ('type' in shown && shown.type !== undefined && 'title' in shown)
    return [...problemsOfView(shown), ...forgedIn(mrkdwnIn(shown))];
  const said = shown as Message;
  return [
    ...problemsOfBlocks(said.blocks, surface),
    ...forgedIn(mrkdwnIn(said.blocks)),
    // The text beside the blocks is read out and notified, and Slack reads mentions in it too.
    ...forgedIn([said.text]).map((each) => `in the text: ${each}`),
    ...(said.text.trim() === '' || said.text.length > 4_000 ? [`text of ${said.text.length} characters`] : []),
  ];
}

/** What each kind of card is about. */
const about: Record<string, keyof World['ids'] | 'none'> = {
  access: 'request',
  inventory: 'key',
  rotation: 'rotation',
  'rotation.paused': 'key',
  'rotation.overdue': 'key',
  'rotation.blocked': 'key',
  campaign: 'campaign',
  reviews: 'key',
  offboarding: 'case',
  incidents: 'incident',
  digest: 'person',
  calendar: 'key',
  work: 'none',
};

describe.each(Object.keys(nasty))('with %s in every text that somebody typed', (name) => {
  const world = () => worlds.get(name)!;

  it('Slack takes every card, for every audience, and nothing forged in it works', async () => {
    const { ids, admin } = world();
    const wrong: unknown[] = [];
    let shown = 0;
    for (const kind of desk.registry.cards.keys()) {
      const area = kind.split('.')[0]!;
      const what = about[kind] ?? about[area];
      expect(what).toBeDefined();
      const variants = [
        '',
        ':owner',
        ':approved',
        ':denied',
        ':expired',
        ':24',
        ':made',
        ':hour',
        ':move',
        ':waiting',
        ':re-enabled-7',
      ];
      for (const variant of variants) {
        for (const subject of [ids[what as keyof World['ids']] ?? 'nothing', ...(variant ? [] : ['nothing'])]) {
          for (const audience of [{ person: admin.id }, { channel: 'C0SECURITY' }]) {
            const card = await desk.card(`${kind}${variant}`, subject, audience).catch((error: unknown) => {
              // Asked about another kind of thing.
              if (error instanceof Refusal || subject !== ids[what as keyof World['ids']]) return null;
              throw error;
            });
            if (card) shown++;
            for (const each of wrongWith(card)) wrong.push({ kind, variant, each });
          }
        }
      }
    }
    expect(wrong.slice(0, 20)).toEqual([]);
    expect(shown).toBeGreaterThan(10);
  });

  it('Slack takes App Home and what every command answers, and nothing forged in it works', async () => {
    const { admin, key } = world();
    const wrong: unknown[] = [];
    for (const each of wrongWith(await desk.home(admin), 'home')) wrong.push({ home: true, each });
    const words = [
      '',
      key.id,
      'x',
      nasty[name]!(300),
      `${nasty[name]!(2500)} prod`,
      `<@${admin.slackId}|x> ${nasty[name]!(100)}`,
    ];
    for (const verb of desk.registry.commands.keys()) {
      for (const text of words) {
        const answer = await desk.type(admin, `${verb} ${storable(text)}`).catch((error: unknown): Answer => {
          if (error instanceof Refusal) return { say: sayRefusal(error.sentence) };
          throw new Error(`${verb} ${text.slice(0, 40)}: ${String(error)}`);
        });
        for (const each of wrongWith(answer)) wrong.push({ verb, text: text.slice(0, 30), each });
      }
    }
    expect(wrong.slice(0, 20)).toEqual([]);
  });

  it('Slack takes every form that a button opens, and nothing forged in it works', async () => {
    const { admin, ids } = world();
    const wrong: unknown[] = [];
    const fields = Object.fromEntries(
      [
        ...['service', 'purpose', 'scope', 'tags', 'secretId', 'reason', 'what', 'which', 'use', 'ticket', 'needs'],
        ...['excess', ...restrictionKinds.map((kind) => `${kind}Note`)],
      ].map((field) => [field, storable(nasty[name]!(3001))]),
    );
    const chosen = { leakedKey: ids.key, hasExcess: 'yes', restrictedBy: restrictionKinds };
    for (const action of desk.registry.actions.keys()) {
      // These do something; what they show follows by card.
      if (
        /\.(end|withdraw|approve|retry|roll-back|confirm|call-off|close|claim|take-over|(confirm|refuse|withdraw|stop|retry)-campaign)$/.test(
          action,
        ) &&
        action !== 'incidents.close'
      )
        continue;
      for (const value of [...Object.values(ids), `${ids.case} review`, 'make', 'elsewhere']) {
        const answer = await desk
          .press(admin, action, value, { fields: { ...fields, ...chosen }, context: { keyId: ids.key, seen: 'x' } })
          .catch((error: unknown): Answer => {
            if (error instanceof Refusal) return { say: sayRefusal(error.sentence) };
            throw new Error(`${action}: ${String(error)}`);
          });
        for (const each of wrongWith(answer)) wrong.push({ action, each });
      }
    }
    expect(wrong.slice(0, 20)).toEqual([]);
  });
});

it('a refusal shows what to type as code, and nothing that it quotes forges anything', () => {
  expect(sayRefusal('Run `/keys audit` again, <!here>.').blocks).toEqual([
    block.text(md`:no_entry_sign: Run \`/keys audit\` again, ${typed('<!here>')}.`),
  ]);
  // A lone one belongs to what was typed.
  expect(sayRefusal('"`" is no tier.').blocks).toEqual([block.text(md`:no_entry_sign: ${typed('"`" is no tier.')}`)]);
  for (const quoted of forgeries) {
    const { blocks } = sayRefusal(`"\`${quoted}\`" is not known. Say \`mine\`.`);
    expect([...problemsOfBlocks(blocks, 'message'), ...forgedIn(mrkdwnIn(blocks))]).toEqual([]);
  }
});

describe('with nothing at all', () => {
  it.each(tiers)('a new %s sees a Home and answers that Slack takes', async (tier) => {
    const person = aPerson({ tier });
    await test.ports.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' },
      (tx) => tx.people.save(person),
    );
    expect(wrongWith(await desk.home(person), 'home')).toEqual([]);
    for (const verb of desk.registry.commands.keys()) {
      const answer = await desk.type(person, verb).catch((error: unknown): Answer => {
        if (error instanceof Refusal) return { say: sayRefusal(error.sentence) };
        throw error;
      });
      expect([verb, wrongWith(answer)]).toEqual([verb, []]);
    }
    expect(wrongWith(helpFor(desk.registry, person, '/keys'))).toEqual([]);
    expect(wrongWith(sayTrouble('12345678'))).toEqual([]);
  });
});

describe('what builds messages', () => {
  it('shows any text literally, within its length, whatever it holds', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 400 }),
      fc
        .array(fc.constantFrom(...forgeries, '`', '*', '_', '~', '>', '\n', '&', '<', '|', '\u202e', '\ud800'))
        .map((all) => all.join('')),
    );
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 3_500 }), (text, max) => {
        const shown = md`before ${typed(text, max)} ${mention(text)} after`;
        expect(forgedIn([shown])).toEqual([]);
        expect(shown.isWellFormed()).toBe(true);
        expect(
          problemsOfBlocks(message(text, [block.text(shown), block.header(text || 'x')]).blocks, 'message'),
        ).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('every card that is shown somewhere in the program has something that draws it', () => {
    const folder = fileURLToPath(new URL('../../src', import.meta.url));
    const shown = new Set<string>();
    for (const file of fs
      .readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((each) => each.endsWith('.ts'))) {
      const code = fs.readFileSync(path.join(folder, file), 'utf8');
      for (const [, kind] of code.matchAll(/cards\.show\(\s*[`']([a-z][a-z.-]+)/g)) shown.add(kind!);
    }
    expect(shown.size).toBeGreaterThan(8);
    expect([...shown].filter((kind) => !desk.registry.cards.has(kind))).toEqual([]);
  });
});
