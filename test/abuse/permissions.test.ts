import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AccessRequest, type Grant, granted, opened as openedRequest } from '../../src/access/model.ts';
import { slackClients } from '../../src/adapters/slack/clients.ts';
import { type Registry, slackDoor } from '../../src/adapters/slack/door.ts';
import { handler } from '../../src/adapters/slack/handle.ts';
import type { SlackBody } from '../../src/adapters/slack/payload.ts';
import { openSlack } from '../../src/app.ts';
import { hasWords } from '../../src/audit/tell.ts';
import { deadlinesOf } from '../../src/incidents/clocks.ts';
import { declared, type Incident } from '../../src/incidents/model.ts';
import { type Consumer, recorded } from '../../src/inventory/consumer-model.ts';
import { type ApiKey, editionOf } from '../../src/inventory/model.ts';
import { newId } from '../../src/kernel.ts';
import { type Case, opened as openedCase } from '../../src/offboarding/model.ts';
import { type Action, type Person, permissions, tiers, whyNot } from '../../src/people/model.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { type Finding, found } from '../../src/reviews/model.ts';
import { seenBy } from '../../src/reviews/permissions-model.ts';
import { type Campaign, drafted } from '../../src/rotation/campaigns/model.ts';
import { listed } from '../../src/rotation/deployment/model.ts';
import type { Rotation } from '../../src/rotation/model.ts';
import { started } from '../../src/rotation/moves-model.ts';
import { aKey, aPerson } from '../support/company.ts';
import { usePorts } from '../support/ports.ts';
import { type StubSlack, startStubSlack } from '../support/stub-slack.ts';

/** Facts of one attempt, made for it alone. */
interface Stage {
  actor: Person;
  /** Somebody without any part in it, and who asked and holds. */
  bystander: Person;
  key: ApiKey;
  request: AccessRequest;
  grant: Grant;
  consumer: Consumer;
  rotation: Rotation;
  /** Asked for by somebody else; drafted by who acts; running, with a rotation that failed. */
  campaign: Campaign;
  draft: Campaign;
  running: Campaign;
  incident: Incident;
  case: Case;
  finding: Finding;
}

/** Which line of `permissions` guards a handler; `about` says whose key it is judged by. */
interface Guard {
  by: Action;
  about: 'key' | 'nothing';
  value?: (stage: Stage) => string;
  context?: (stage: Stage) => Record<string, string>;
  fields?: (stage: Stage) => Record<string, Record<string, unknown>>;
}
const text = (value: string) => ({ type: 'plain_text_input', value });
const chosen = (value: string) => ({ type: 'static_select', selected_option: { value } });
const several = (...values: string[]) => ({ type: 'checkboxes', selected_options: values.map((value) => ({ value })) });
const user = (person: Person) => ({ type: 'users_select', selected_user: person.slackId });
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
const ofKey = (by: Action): Guard => ({ by, about: 'key', value: ({ key }) => key.id });
const ofRequest = (by: Action): Guard => ({ by, about: 'key', value: ({ request }) => request.id });
const ofRotation = (by: Action): Guard => ({ by, about: 'key', value: ({ rotation }) => rotation.id });
const ofMove = (by: Action): Guard => ({
  by,
  about: 'key',
  value: ({ rotation, consumer }) => `${rotation.id} ${consumer.id}`,
});
const ofCampaign = (by: Action, which: 'campaign' | 'running'): Guard => ({
  by,
  about: 'nothing',
  value: (stage) => stage[which].id,
});
const ofConsumer = (by: Action): Guard => ({ by, about: 'key', value: ({ consumer }) => consumer.id });
const ofIncident = (by: Action): Guard => ({ by, about: 'key', value: ({ incident }) => incident.id });
const incidentForm = (by: Action, fields: Record<string, Record<string, unknown>>): Guard => ({
  by,
  about: 'key',
  context: ({ incident }) => ({ incidentId: incident.id }),
  fields: () => fields,
});
const ofCase = (by: Action): Guard => ({ by, about: 'nothing', value: (stage) => stage.case.id });
const nothing = (by: Action, value = 'home'): Guard => ({ by, about: 'nothing', value: () => value });
const keyFields = ({ actor, key }: Stage) => ({
  service: text('Vendor'),
  environment: chosen(key.environment),
  purpose: text(`What ${key.id.slice(-10)} is for`),
  owner: user(actor),
  storage: chosen('elsewhere'),
  scope: text('Reads invoices'),
  reason: text('It has to be changed now'),
});

/**
 * Every handler that people can reach, and the permission that guards it. A handler that is missing here fails the test:
 * say which permission guards it.
 */
const guards: Record<'actions' | 'forms' | 'shortcuts', Record<string, Guard>> = {
  actions: {
    'access.request': ofKey('access.request'),
    'access.approve': ofRequest('access.decide'),
    'access.approve-shorter': ofRequest('access.decide'),
    'access.deny': ofRequest('access.decide'),
    'access.end': { by: 'access.end', about: 'key', value: ({ grant }) => grant.id },
    'rotation.evidence': ofRotation('rotation.evidence'),
    'rotation.show': ofRotation('rotation.show'),
    'runbooks.show': ofKey('runbooks.show'),
    'calendar.address': nothing('calendar.subscribe', 'own'),
    'calendar.close': nothing('calendar.subscribe', 'own'),
    'calendar.choose-team': nothing('calendar.subscribe', newId('team')),
    'inventory.add': nothing('inventory.add'),
    'inventory.turn': nothing('inventory.list', '\n'),
    'inventory.mine': nothing('inventory.list'),
    'inventory.show': ofKey('inventory.show'),
    'inventory.change': ofKey('inventory.change'),
    'inventory.hand-over': ofKey('inventory.hand-over'),
    'inventory.set-risk': ofKey('inventory.set-risk'),
    'inventory.retire': ofKey('inventory.retire'),
    'inventory.snooze': ofKey('inventory.snooze'),
    'inventory.schedule': ofKey('inventory.schedule'),
    'inventory.consumers': ofKey('inventory.keep-consumers'),
    'inventory.add-consumer': ofKey('inventory.keep-consumers'),
    'inventory.change-consumer': ofConsumer('inventory.keep-consumers'),
    'inventory.remove-consumer': ofConsumer('inventory.keep-consumers'),
    'access.start': nothing('access.request'),
    'incidents.declare': nothing('incidents.declare'),
    'incidents.tick': ofIncident('incidents.work'),
    'incidents.untick': ofIncident('incidents.work'),
    'incidents.change-severity': { ...ofIncident('incidents.change-severity'), about: 'nothing' },
    'incidents.note': ofIncident('incidents.work'),
    'incidents.claim': ofIncident('incidents.work'),
    'incidents.take-over': ofIncident('incidents.work'),
    'incidents.close': { ...ofIncident('incidents.close'), about: 'nothing' },
    'incidents.timeline': ofIncident('incidents.work'),
    'rotation.start': ofKey('rotation.start'),
    'rotation.confirm-move': ofMove('rotation.confirm-move'),
    'rotation.claim-move': ofMove('rotation.confirm-move'),
    'rotation.retire-now': ofRotation('rotation.retire-now'),
    'rotation.re-enable': ofRotation('rotation.re-enable'),
    'rotation.retry': ofRotation('rotation.retry'),
    'rotation.roll-back': ofRotation('rotation.roll-back'),
    'rotation.page': ofRotation('rotation.page'),
    'rotation.confirm-campaign': ofCampaign('rotation.confirm-campaign', 'campaign'),
    'rotation.refuse-campaign': ofCampaign('rotation.confirm-campaign', 'campaign'),
    'rotation.stop-campaign': ofCampaign('rotation.campaign', 'running'),
    'rotation.retry-campaign': ofCampaign('rotation.campaign', 'running'),
    'rotation.pause': ofKey('rotation.pause'),
    'rotation.resume': ofKey('rotation.resume'),
    'rotation.take': ofRotation('rotation.take'),
    'rotation.hand-back': ofRotation('rotation.hand-back'),
    'rotation.hand-in': ofRotation('rotation.hand-in'),
    'rotation.confirm-deleted': ofRotation('rotation.confirm-deleted'),
    'reviews.repair': { by: 'reviews.repair', about: 'key', value: ({ finding }) => finding.id },
    'reviews.confirm-deleted': { by: 'reviews.repair', about: 'key', value: ({ finding }) => finding.id },
    'reviews.check': ofKey('reviews.check'),
    'reviews.review-permissions': ofKey('reviews.review-permissions'),
    'reviews.list': nothing('reviews.list'),
    'reviews.turn': nothing('reviews.list', '\n'),
    'offboarding.confirm': ofCase('offboarding.open'),
    'offboarding.call-off': ofCase('offboarding.open'),
    'offboarding.close': ofCase('offboarding.close'),
    'offboarding.tick': {
      by: 'offboarding.close',
      about: 'nothing',
      value: (stage) => `${stage.case.id} review`,
    },
    'audit.page': nothing('audit.read', '{}'),
    'work.retry': nothing('work.retry', newId('work')),
  },
  forms: {
    'access.request': {
      by: 'access.request',
      about: 'key',
      fields: ({ key }) => ({
        keyId: { ...chosen(key.id), type: 'external_select' },
        use: text('Reading logs'),
        hours: chosen('1'),
        reason: text('The ticket asks for it'),
      }),
    },
    'access.approve-shorter': {
      by: 'access.decide',
      about: 'key',
      context: ({ request }) => ({ requestId: request.id }),
      fields: () => ({ hours: chosen('1') }),
    },
    'access.deny': {
      by: 'access.decide',
      about: 'key',
      context: ({ request }) => ({ requestId: request.id }),
      fields: () => ({ reason: text('Not needed for this') }),
    },
    'inventory.add': { by: 'inventory.add', about: 'nothing', fields: keyFields },
    'inventory.change': {
      by: 'inventory.change',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id, edition: editionOf(key) }),
      fields: keyFields,
    },
    'inventory.hand-over': {
      by: 'inventory.hand-over',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id }),
      fields: ({ bystander }) => ({ owner: user(bystander) }),
    },
    'inventory.set-risk': {
      by: 'inventory.set-risk',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id }),
      fields: () => ({ risk: chosen('low'), reason: text('It can do next to nothing') }),
    },
    'inventory.retire': {
      by: 'inventory.retire',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id }),
      fields: () => ({ reason: text('Nobody uses it') }),
    },
    'inventory.snooze': {
      by: 'inventory.snooze',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id }),
      fields: () => ({ until: { type: 'datepicker', selected_date: inDays(3) }, reason: text('The vendor is closed') }),
    },
    'inventory.schedule': {
      by: 'inventory.schedule',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id }),
      fields: () => ({
        at: { type: 'datetimepicker', selected_date_time: Math.floor(Date.now() / 1000) + 86_400 },
      }),
    },
    'inventory.add-consumer': {
      by: 'inventory.keep-consumers',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id }),
      fields: () => ({ consumerName: text('The nightly job'), consumerKind: chosen('reads-store') }),
    },
    'inventory.change-consumer': {
      by: 'inventory.keep-consumers',
      about: 'key',
      context: ({ consumer }) => ({ consumerId: consumer.id }),
      fields: () => ({ consumerName: text('The daily job'), consumerKind: chosen('reads-store') }),
    },
    'reviews.review-permissions': {
      by: 'reviews.review-permissions',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id, seen: seenBy(key, null) }),
      fields: () => ({
        scope: text('Reads and writes invoices'),
        needs: text('Reads invoices'),
        hasExcess: { type: 'radio_buttons', selected_option: { value: 'yes' } },
        excess: text('It may write'),
      }),
    },
    'incidents.declare': {
      by: 'incidents.declare',
      about: 'key',
      fields: ({ key }) => ({ leakedKey: chosen(key.id), leakHow: chosen('exposed'), what: text('Seen in a log') }),
    },
    'incidents.tick': incidentForm('incidents.work', { hour: several('S8.1-5'), note: text('Nothing unusual in it') }),
    'incidents.untick': incidentForm('incidents.work', { line: chosen('S8.1-5'), note: text('Not yet right') }),
    'incidents.change-severity': {
      ...incidentForm('incidents.change-severity', {
        severity: chosen('P3'),
        reason: text('It is not that bad after all'),
      }),
      about: 'nothing',
    },
    'incidents.note': incidentForm('incidents.work', { note: text('Somebody called the vendor') }),
    'incidents.close': {
      ...incidentForm('incidents.close', { lesson: text('Nothing was to be learned') }),
      about: 'nothing',
    },
    'rotation.retire-now': {
      by: 'rotation.retire-now',
      about: 'key',
      context: ({ rotation }) => ({ rotationId: rotation.id }),
      fields: () => ({ reason: text('Nobody uses the old one any more') }),
    },
    'rotation.start': {
      by: 'rotation.start',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id }),
      fields: () => ({ reason: text('It is time') }),
    },
    'rotation.drill': {
      by: 'rotation.drill',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id }),
      fields: () => ({}),
    },
    'rotation.pause': {
      by: 'rotation.pause',
      about: 'key',
      context: ({ key }) => ({ keyId: key.id }),
      fields: () => ({ until: { type: 'datepicker', selected_date: inDays(3) }, reason: text('The vendor is closed') }),
    },
    'rotation.plan-campaign': {
      by: 'rotation.campaign',
      about: 'nothing',
      fields: ({ key }) => ({
        bulkService: { ...chosen(key.id), type: 'external_select' },
        environment: chosen(key.environment),
        bulkCause: chosen('audit'),
        reason: text('The auditor asks for it'),
      }),
    },
    'rotation.ask-campaign': {
      by: 'rotation.campaign',
      about: 'nothing',
      context: ({ draft }) => ({ campaignId: draft.id }),
    },
    'offboarding.open': {
      by: 'offboarding.open',
      about: 'nothing',
      context: ({ bystander }) => ({ personId: bystander.id }),
      fields: () => ({}),
    },
    'offboarding.tick': {
      by: 'offboarding.close',
      about: 'nothing',
      context: (stage) => ({ caseId: stage.case.id, line: 'review' }),
      fields: () => ({ note: text('Looked at everything they did') }),
    },
  },
  shortcuts: {
    'incidents.declare': nothing('incidents.declare'),
    'incidents.report-message': nothing('incidents.declare'),
  },
};
/** Commands are judged at the door by what they registered; which permission that has to be. */
const commands: Record<string, Action> = {
  request: 'access.request',
  grants: 'access.list',
  end: 'access.list',
  add: 'inventory.add',
  list: 'inventory.list',
  show: 'inventory.show-held',
  // What may be rotated is judged by the key: see the button.
  rotate: 'inventory.list',
  drill: 'rotation.drill',
  'rotate-all': 'rotation.campaign',
  pause: 'inventory.list',
  resume: 'inventory.list',
  whoami: 'people.whoami',
  tier: 'people.set-tier',
  principal: 'people.set-principal',
  'hr-id': 'people.set-hr-id',
  audit: 'audit.read',
  findings: 'reviews.list',
  offboard: 'offboarding.open',
  incident: 'incidents.declare',
  digest: 'digest.read',
  calendar: 'calendar.subscribe',
};
/** Guarded by who somebody is to the thing, not by the table; each has a test below or in its area. */
const byRelation: Record<string, (stage: Stage) => string> = {
  'access.extend': ({ grant }) => grant.id,
  'access.withdraw': ({ request }) => request.id,
  'rotation.withdraw-campaign': ({ campaign }) => campaign.id,
};
/** Draw a form again with what was typed into it; they read nothing that the person cannot search for, and write nothing. */
const drawing = [
  ...['keyId', 'rotatedKey', 'storage', 'issuer', 'leakedKey', 'leakHow', 'leakReach', 'consumerKind'],
  ...['environment', 'hasExcess', 'restrictedBy'],
];

const test = usePorts();
let slack: StubSlack;
let registry: Registry;
let handle: ReturnType<typeof handler>;
beforeAll(async () => {
  slack = await startStubSlack();
  const made = slackDoor();
  openSlack(made.door, test.ports);
  registry = made.registry;
  handle = handler({
    registry,
    store: test.ports.store,
    clients: slackClients('xoxb-test', slack.apiUrl),
    teamId: 'T1',
    personOf: async (slackId) => (await test.ports.store.read((view) => view.people.bySlackId(slackId)))!,
    meet: async () => {},
    teamChanged: async () => {},
    commandName: '/keys',
    log: () => {},
  });
});
afterAll(() => slack.close());

let number = 0;
async function stageFor(
  tier: Person['tier'],
  relation: 'owner' | 'other',
  environment: ApiKey['environment'],
): Promise<Stage> {
  const actor = aPerson({ tier });
  const [bystander, owner, leaver] = [aPerson(), aPerson(), aPerson()];
  const campaigner = aPerson({ tier: 'administrator' });
  const key = aKey(relation === 'owner' ? actor : owner, {
    environment,
    purpose: `Attempt ${++number}`,
    currentVersion: crypto.randomUUID(),
  });
  const ask = { keyId: key.id, use: 'Local debugging', hours: 4, reason: 'A ticket asks for it' };
  return test.ports.store.change(
    { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' },
    async (tx) => {
      for (const person of [actor, bystander, owner, leaver, campaigner]) await tx.people.save(person);
      await tx.keys.save(key);
      const request = openedRequest(newId('request'), ask, key, bystander, [owner.id], defaultPolicy, tx.now);
      await tx.requests.save(request);
      const before = openedRequest(newId('request'), ask, key, leaver, [owner.id], defaultPolicy, tx.now);
      await tx.requests.save({ ...before, status: 'approved' });
      const grant: Grant = { ...granted(newId('grant'), before, leaver, key, tx.now), status: 'active' };
      await tx.grants.save(grant);
      const entry = { name: 'Checkout', kind: 'person', url: null, personId: bystander.id } as const;
      const consumer = recorded(newId('consumer'), key.id, entry, owner.id, tx.now);
      await tx.consumers.save(consumer);
      const why = { cause: 'asked', causeId: null, askedBy: owner.id, reason: 'time', emergency: false } as const;
      const rotation = listed(started(newId('rotation'), key, why, null, defaultPolicy, tx.now), [consumer]);
      await tx.rotations.save({ ...rotation, status: 'failed', failure: 'It did not work.', endedAt: tx.now });
      const report = { keyId: key.id, which: null, reach: 'unknown', how: 'exposed', what: '', seen: null } as const;
      const deadlines = deadlinesOf('P1', tx.now, defaultPolicy);
      const incident = declared(newId('incident'), { ...report, again: false }, key, bystander.id, deadlines, tx.now);
      await tx.incidents.save(incident);
      const cause = { kind: 'asked', by: owner.id } as const;
      const case_ = openedCase(newId('case'), leaver, { cause, effectiveAt: tx.now, hold: null }, tx.now);
      await tx.cases.save(case_);
      const bulk = { service: key.service, environment: key.environment, cause: 'audit', emergency: true } as const;
      const draftBy = (by: Person) => {
        const made = drafted(
          newId('campaign'),
          { ...bulk, reason: 'x' },
          by,
          [key],
          new Map(),
          () => null,
          defaultPolicy,
          tx.now,
        );
        return { ...made, lines: [{ keyId: key.id, why: null, byHand: false }] };
      };
      const draft = draftBy(actor);
      const campaign: Campaign = { ...draftBy(campaigner), status: 'asked' };
      const running: Campaign = { ...draftBy(campaigner), status: 'running', emergency: false, begunAt: tx.now };
      for (const each of [draft, campaign, running]) await tx.campaigns.save(each);
      const campaigns = { draft, campaign, running };
      const wrong = { sentence: 'Another version is current.', facts: { version: crypto.randomUUID() } };
      const finding = found(newId('finding'), key.id, 'other-current', wrong, tx.now);
      await tx.findings.save(finding);
      return {
        actor,
        bystander,
        key,
        request,
        grant,
        consumer,
        rotation,
        incident,
        case: case_,
        finding,
        ...campaigns,
      } satisfies Stage;
    },
  );
}

/** Everything that this attempt could have changed, and how much there is of each kind. */
async function factsAround(stage: Stage): Promise<string> {
  const { actor, bystander, key, request, grant, consumer, rotation, incident, campaign, draft, running } = stage;
  const things = [stage.case, stage.finding, campaign, draft, running];
  const ids = [actor, bystander, key, request, grant, consumer, rotation, incident, ...things].map((each) => each.id);
  const tables = [
    'person',
    'api_key',
    'access_request',
    'access_grant',
    'consumer',
    'rotation',
    'hand_in',
    'rotation_campaign',
    'incident',
    'offboarding_case',
    'finding',
    'permission_review',
  ];
  const parts = tables.map(
    (table) =>
      `select '${table}' as t, (select string_agg(x::text, E'\\n' order by x.id) from ${table} x where x.id = any($1)) as v, (select count(*) from ${table}) as n`,
  );
  const { rows } = await test.database.store.pool.query<{ t: string; v: string | null; n: string }>(
    `${parts.join(' union all ')} union all select 'work', null, count(*) from work union all select 'card', null, count(*) from card order by 1`,
    [ids],
  );
  return JSON.stringify(rows, null, 1);
}
async function refusalsBy(person: Person): Promise<{ action: string; code: string }[]> {
  const { rows } = await test.database.store.pool.query<{ action: string; code: string }>(
    `select action, convert_from(canonical, 'UTF8')::jsonb #>> '{facts,code}' as code from audit_event where actor_id = $1 and outcome = 'refused'`,
    [person.id],
  );
  return rows;
}

let triggers = 0;
const bodyBy = (person: Person, body: Partial<SlackBody>): SlackBody => ({
  user: { id: person.slackId, team_id: 'T1' },
  team: { id: 'T1' },
  trigger_id: `t.${++triggers}`,
  ...body,
});
const clicked = (person: Person, actionId: string, value: string) =>
  handle(
    bodyBy(person, { type: 'block_actions', actions: [{ type: 'button', action_id: actionId, value }] }),
    async () => {},
  );
const sent = (person: Person, callbackId: string, guard: Guard, stage: Stage) =>
  handle(
    bodyBy(person, {
      type: 'view_submission',
      view: {
        id: 'V1',
        type: 'modal',
        callback_id: callbackId,
        private_metadata: JSON.stringify(guard.context?.(stage) ?? {}),
        state: {
          values: Object.fromEntries(
            Object.entries(guard.fields?.(stage) ?? {}).map(([name, value]) => [name, { [name]: value }]),
          ),
        },
      },
    }),
    async () => {},
  );

const situations = tiers.flatMap((tier) =>
  (['owner', 'other'] as const).flatMap((relation) =>
    (['production', 'staging'] as const).map((environment) => ({ tier, relation, environment })),
  ),
);
const attempts: [string, Guard, (stage: Stage) => Promise<void>][] = [
  ...Object.entries(guards.actions).map(([name, guard]): (typeof attempts)[number] => [
    `the button ${name}`,
    guard,
    (stage) => clicked(stage.actor, name, guard.value!(stage)),
  ]),
  ...Object.entries(guards.forms).map(([name, guard]): (typeof attempts)[number] => [
    `the form ${name}`,
    guard,
    (stage) => sent(stage.actor, name, guard, stage),
  ]),
];

describe('the table of permissions holds in Slack', () => {
  it('every handler that people can reach says in this file which permission guards it', () => {
    const named = [...Object.keys(guards.actions), ...Object.keys(byRelation), ...drawing];
    expect([...registry.actions.keys()].sort()).toEqual(named.sort());
    expect([...registry.forms.keys()].sort()).toEqual(Object.keys(guards.forms).sort());
    expect([...registry.shortcuts.keys()].sort()).toEqual(Object.keys(guards.shortcuts).sort());
    const registered = Object.fromEntries([...registry.commands].map(([verb, { action }]) => [verb, action]));
    expect(registered).toEqual(commands);
  });

  it.each(attempts)(
    '%s: whoever may not is refused, on record, with nothing changed; whoever may is not',
    async (_name, guard, attempt) => {
      const wrong: unknown[] = [];
      for (const situation of situations) {
        const stage = await stageFor(situation.tier, situation.relation, situation.environment);
        const may = whyNot(stage.actor, guard.by, guard.about === 'key' ? stage.key : undefined) === null;
        const before = may ? '' : await factsAround(stage);
        await attempt(stage).catch((error: unknown) => wrong.push({ ...situation, threw: String(error) }));
        const refused = await refusalsBy(stage.actor);
        const forbidden = refused.filter(({ code }) => code === 'not_allowed' || code === 'not_found');
        if (may && forbidden.length > 0) wrong.push({ ...situation, refusedAlthoughMay: forbidden });
        if (!may && refused.length !== 1) wrong.push({ ...situation, onRecord: refused });
        if (!may && before !== (await factsAround(stage))) wrong.push({ ...situation, changed: true });
      }
      expect(wrong).toEqual([]);
    },
  );

  it('a command beyond the tier is refused at the door and on record', async () => {
    const wrong: unknown[] = [];
    for (const [verb, action] of Object.entries(commands)) {
      for (const tier of tiers) {
        const stage = await stageFor(tier, 'other', 'staging');
        if (!whyNot(stage.actor, action)) continue;
        const before = await factsAround(stage);
        const body = {
          command: '/keys',
          text: `${verb} <@${stage.actor.slackId}> administrator`,
          user_id: stage.actor.slackId,
          team_id: 'T1',
        };
        await handle({ ...body, trigger_id: `t.${++triggers}` }, async () => {});
        if ((await refusalsBy(stage.actor)).length !== 1) wrong.push({ verb, tier, notOnRecord: true });
        if (before !== (await factsAround(stage))) wrong.push({ verb, tier, changed: true });
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each(Object.keys(byRelation))('%s is for the one whose it is, whatever the tier', async (actionId) => {
    for (const situation of situations) {
      const stage = await stageFor(situation.tier, situation.relation, situation.environment);
      const before = await factsAround(stage);
      await clicked(stage.actor, actionId, byRelation[actionId]!(stage));
      expect(await refusalsBy(stage.actor)).toMatchObject([{ code: 'not_allowed' }]);
      expect(await factsAround(stage)).toBe(before);
    }
  });

  it('whoever has left may press and send nothing at all', async () => {
    const wrong: unknown[] = [];
    for (const [name, , attempt] of attempts) {
      const stage = await stageFor('administrator', 'owner', 'staging');
      await test.ports.store.change(
        { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' },
        (tx) => tx.people.save({ ...stage.actor, status: 'left' }),
      );
      const before = await factsAround(stage);
      await attempt(stage);
      const { rows } = await test.database.store.pool.query(
        "select 1 from audit_event where actor_id = $1 and outcome = 'refused'",
        [stage.actor.slackId],
      );
      if (rows.length !== 1) wrong.push({ name, onRecord: rows.length });
      if (before !== (await factsAround(stage))) wrong.push({ name, changed: true });
    }
    expect(wrong).toEqual([]);
  });

  it('a refusal of whatever people can press, send and choose can be read in the log, in words', () => {
    const { actions, forms, shortcuts } = registry;
    const names = [...actions.keys(), ...forms.keys(), ...shortcuts.keys()].filter((each) => !drawing.includes(each));
    expect(names.filter((each) => !hasWords(each))).toEqual([]);
  });

  it('every permission guards something, or is checked deeper inside', () => {
    const used = new Set([
      ...Object.values(commands),
      ...Object.values(guards).flatMap((each) => Object.values(each).map(({ by }) => by)),
    ]);
    const deeper: Action[] = [
      'help.read',
      'access.withdraw',
      'incidents.skip',
      'rotation.start-for-cause',
      'digest.summarise',
      'calendar.subscribe-team',
      'calendar.subscribe-any-team',
      'calendar.subscribe-company',
      'reviews.list-all',
    ];
    expect((Object.keys(permissions) as Action[]).filter((each) => !used.has(each) && !deeper.includes(each))).toEqual(
      [],
    );
  });
});

describe('a forged id', () => {
  const kinds = ['key', 'request', 'grant', 'rotation', 'campaign', 'incident', 'case'] as const;
  const odd = [
    '',
    'home',
    '__proto__',
    'key_',
    'req_00000000000000000000000000',
    "'; drop table person; --",
    '\u0000',
    'x'.repeat(3_000),
  ];

  it('of another kind or of nothing is refused by every button and form, with nothing changed', async () => {
    const stage = await stageFor('administrator', 'owner', 'staging');
    const wrong: unknown[] = [];
    const values = [
      ...kinds.map((kind) => [kind, stage[kind].id] as const),
      ...odd.map((each) => ['odd', each] as const),
    ];
    for (const [name, guard] of Object.entries(guards.actions)) {
      if (
        guard.about === 'nothing' &&
        !['offboarding.', 'incidents.', 'rotation.'].some((each) => name.startsWith(each))
      )
        continue;
      const own = guard.value!(stage).split(' ')[0]!;
      for (const [kind, value] of values) {
        if (value === own) continue;
        const before = await factsAround(stage);
        await clicked(stage.actor, name, value).catch((error: unknown) =>
          wrong.push({ name, kind, value: value.slice(0, 40), threw: String(error).slice(0, 200) }),
        );
        if (before !== (await factsAround(stage))) wrong.push({ name, kind, value: value.slice(0, 40), changed: true });
      }
    }
    for (const [name, guard] of Object.entries(guards.forms)) {
      const own = Object.keys(guard.context?.(stage) ?? {});
      for (const field of own) {
        for (const [kind, value] of values) {
          if (value === guard.context!(stage)[field]) continue;
          const forged: Guard = { ...guard, context: (at) => ({ ...guard.context!(at), [field]: value }) };
          const before = await factsAround(stage);
          await sent(stage.actor, name, forged, stage).catch((error: unknown) =>
            wrong.push({ name, field, kind, value: value.slice(0, 40), threw: String(error).slice(0, 200) }),
          );
          if (before !== (await factsAround(stage))) wrong.push({ name, field, kind, changed: true });
        }
      }
    }
    expect(wrong).toEqual([]);
  }, 120_000);

  it('of somebody else’s thing is judged by that thing: an owner does nothing to the key of another owner', async () => {
    const mine = await stageFor('developer', 'owner', 'staging');
    const theirs = await stageFor('developer', 'other', 'staging');
    const before = await factsAround(theirs);
    for (const [name, guard] of Object.entries(guards.actions)) {
      if (guard.about !== 'key' || whyNot(mine.actor, guard.by, theirs.key) === null) continue;
      const recorded = (await refusalsBy(mine.actor)).length;
      await clicked(mine.actor, name, guard.value!(theirs));
      expect([name, (await refusalsBy(mine.actor)).length]).toEqual([name, recorded + 1]);
    }
    for (const [name, guard] of Object.entries(guards.forms)) {
      if (guard.about !== 'key' || whyNot(mine.actor, guard.by, theirs.key) === null) continue;
      await sent(mine.actor, name, guard, { ...theirs, actor: mine.actor });
    }
    expect(await factsAround(theirs)).toBe(before);
  });
});
