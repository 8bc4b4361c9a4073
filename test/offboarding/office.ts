import { beforeAll } from 'vitest';
import { applyGrants } from '../../src/access/apply.ts';
import { decideRequest } from '../../src/access/decide.ts';
import { requestAccess } from '../../src/access/request.ts';
import { standardWebhooks } from '../../src/adapters/webhooks/standard.ts';
import type { WebhookAsk } from '../../src/doors.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import type { JobName } from '../../src/jobs.ts';
import { newId, Secret } from '../../src/kernel.ts';
import { factsOf } from '../../src/offboarding/facts.ts';
import { offboardingOverHttp } from '../../src/offboarding/http.ts';
import { linesOf } from '../../src/offboarding/model.ts';
import { offboardingInSlack } from '../../src/offboarding/slack.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy, type Policy } from '../../src/policy.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { type Desk, deskOf } from '../support/desk.ts';
import { workOff } from '../support/jobs.ts';
import { type TestPorts, usePorts } from '../support/ports.ts';

export const secret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
export const olderSecret = 'whsec_YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODk=';
export const quick: Policy = {
  ...defaultPolicy,
  rotation: { ...defaultPolicy.rotation, graceMinutes: 0, settleSeconds: 1, minMinutesBetween: 1 },
};

export interface Office extends TestPorts {
  desk: Desk;
  admin: Person;
  owner: Person;
  /** What the HR webhook answers. */
  post(ask: WebhookAsk, secrets?: string[]): Promise<{ status: number; body: Record<string, unknown> }>;
  /** A message of the HR system, signed as it should be. */
  signed(body: unknown, more?: { id?: string; at?: Date; secret?: string }): WebhookAsk;
  /** A key in the inventory whose secret exists. */
  key(facts?: Partial<ApiKey>): Promise<ApiKey>;
  /** Somebody holds an active grant of the key. */
  grant(person: Person, key: ApiKey): Promise<void>;
  /** Runs what is due until nothing is. Cards, and names in `but`, stay waiting. */
  work(but?: JobName[]): Promise<void>;
  lines(caseId: string): Promise<Record<string, string>>;
}

/** A company with the HR webhook open, an administrator and an owner. Everything is real but pager and Slack. */
export function useOffice(policy: Policy = quick): Office {
  const office = usePorts(policy) as Office;
  office.desk = deskOf(() => office.ports, offboardingInSlack);
  beforeAll(async () => {
    office.admin = aPerson({ tier: 'administrator', name: 'Ada' });
    office.owner = aPerson({ name: 'Olu' });
    await given(office.ports.store, { people: [office.admin, office.owner] });
  });

  office.post = (ask, secrets = [secret]) => {
    const opened = new Map<string, (ask: WebhookAsk) => ReturnType<Office['post']>>();
    const door = {
      webhook: (name: string, run: (ask: WebhookAsk) => ReturnType<Office['post']>) => void opened.set(name, run),
    };
    offboardingOverHttp(door, office.ports, standardWebhooks(secrets));
    return opened.get('hr')!(ask);
  };
  office.signed = (body, { id = newId('work'), at = new Date(), secret: by = secret } = {}) => {
    const rawBody = typeof body === 'string' ? body : JSON.stringify(body);
    return { rawBody, headers: standardWebhooks([by]).sign(id, at, rawBody) };
  };
  office.key = async (facts = {}) => {
    const key = aKey(office.owner, facts);
    await given(office.ports.store, { keys: [key] });
    if (key.secretId) {
      await office.ports.secrets.create(key.secretId, newId('work').padEnd(32, '0'), new Secret('first'), key.name);
    }
    return key;
  };
  office.grant = async (person, key) => {
    const ask = { keyId: key.id, use: 'nightly job', hours: 8, reason: 'the nightly job needs it' };
    const request = await requestAccess(office.ports, person.id, ask);
    for (const decider of [office.owner, office.admin].slice(0, request.needs)) {
      const verdict = { requestId: request.id, verdict: 'approve', hours: null, reason: '' } as const;
      await decideRequest(office.ports, decider.id, verdict);
    }
    await applyGrants(office.ports, { keyId: key.id });
  };
  office.work = async (but = []) => {
    const only = (name: JobName) => name !== 'slack.card' && !but.includes(name);
    // A case is looked at again after two seconds.
    await workOff(office.database, office.ports, { only, aheadMs: 3_000 });
  };
  office.lines = (caseId) =>
    office.ports.store.read(async (view) => {
      const each = await view.cases.get(caseId);
      const lines = linesOf(each, await factsOf(view, office.ports, each), view.now);
      return Object.fromEntries(lines.map(({ id, state }) => [id, state]));
    });
  return office;
}

export const left = (hrId: string, more: { slackUserId?: string; effectiveAt?: string } = {}) => ({
  person: { hrId, ...(more.slackUserId ? { slackUserId: more.slackUserId } : {}) },
  event: 'left',
  effectiveAt: more.effectiveAt ?? new Date().toISOString(),
});
