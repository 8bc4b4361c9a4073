import { type Secret, Secret as Value } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings, TemplateCall } from '../../provider-settings.ts';
import {
  type Answer,
  type Call,
  expected,
  instantAt,
  inWords,
  isFinal,
  listAt,
  type Means,
  segment,
  talkingTo,
  textAt,
} from './call.ts';
import { currentValue } from './current.ts';
import { allPages, listed, provider } from './provider.ts';
import { changedForTokens } from './token.ts';

/** Puts values into the `{places}` of a text; in a path they are encoded. */
const filled = (text: string, values: Record<string, string>, encode: (value: string) => string) =>
  text.replace(/\{(\w+)\}/g, (place, name: string) => (Object.hasOwn(values, name) ? encode(values[name]!) : place));

function filledIn(body: unknown, values: Record<string, string>): unknown {
  if (typeof body === 'string') return filled(body, values, (value) => value);
  if (Array.isArray(body)) return body.map((each) => filledIn(each, values));
  if (typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).map(([name, each]) => [name, filledIn(each, values)]));
}

/** A call as the policy describes it, with its places filled. */
function callFrom(template: TemplateCall, values: Record<string, string>): Call {
  return {
    method: template.method,
    path: filled(template.path, values, segment),
    ...(template.body === undefined ? {} : { body: filledIn(template.body, values) }),
  };
}

function talking(name: string, settings: ProviderSettings<'http'> | ProviderSettings<'http-slots'>, means: Means) {
  const shownBy =
    ({ header, prefix }: typeof settings.auth) =>
    (value: Secret) => ({ ...settings.headers, [header]: prefix + value.reveal() });
  const keysShown = shownBy(settings.test.auth ?? settings.auth);
  const how = { ...settings, turnsDownBy: settings.test.dead };
  const { ask, as } = talkingTo(name, how, means, keysShown);
  const credentials = settings.token
    ? changedForTokens(name, settings.token, ask, means.credentials)
    : means.credentials;
  const { admin, must } = talkingTo(name, how, { ...means, credentials }, shownBy(settings.auth));
  const { test } = settings;
  return {
    admin: (template: TemplateCall, values: Record<string, string> = {}) => admin(callFrom(template, values)),
    must: (doing: string, template: TemplateCall, values: Record<string, string>, statuses: number[]) =>
      must(doing, callFrom(template, values), statuses),
    probe(value: Secret) {
      const call = callFrom(test, {});
      return as(value, test.baseUrl ? { ...call, path: test.baseUrl.replace(/\/+$/, '') + call.path } : call);
    },
    judge({ status }: Answer) {
      if (settings.test.works.includes(status)) return 'works' as const;
      return settings.test.dead.includes(status) ? ('refused' as const) : ('unclear' as const);
    },
  };
}

/** Any provider whose API creates, lists and revokes keys over HTTP, described in policy.yml. */
export function template(name: string, settings: ProviderSettings<'http'>, means: Means): Issuer {
  const talk = talking(name, settings, means);
  const { create, list, revoke } = settings;
  return provider({
    name,
    settings,
    managesKeys: true,
    keyLimit: settings.keyLimit,
    create: (_key, label) => talk.admin(create, { label }),
    made: ({ body }) => ({
      value: textAt(body, create.value),
      providerKeyId: textAt(body, create.id),
      expiresAt: create.expiresAt ? instantAt(body, create.expiresAt) : null,
    }),
    list: () =>
      allPages(name, async (next) => {
        const { next: paging } = list;
        const call = next && paging ? { ...list, path: withQuery(list.path, paging.query, next) } : list;
        const { body } = await talk.must('list keys', call, {}, [200]);
        return {
          rows: listAt(body, list.items).map((each) => listed(each, list.id, list.label)),
          next: paging ? textAt(body, paging.from) : null,
        };
      }),
    // A description can say where an id stands, not how to tell which key a value is.
    identify: async () => null,
    probe: (_key, value) => talk.probe(value),
    judge: talk.judge,
    async revoke(_key, id) {
      await talk.must('revoke a key', revoke, { id }, [200, 202, 204, 404]);
    },
  });
}

const withQuery = (path: string, name: string, value: string) =>
  `${path}${path.includes('?') ? '&' : '?'}${encodeURIComponent(name)}=${encodeURIComponent(value)}`;

/**
 * A provider with a fixed pair of slots, such as Azure's key1 and key2: a new value is made in the slot that is not in
 * use, and the old one dies when its slot is made new. A slot is never made new while it holds a value that stays.
 */
export function slots(name: string, settings: ProviderSettings<'http-slots'>, means: Means): Issuer {
  const talk = talking(name, settings, means);
  const names = Object.keys(settings.slots);
  const held = async () => {
    const { body } = await talk.must('read the slots', settings.read, {}, [200]);
    return new Map(names.map((slot) => [slot, textAt(body, settings.slots[slot]!)]));
  };
  const slotOf = async (value: Secret) =>
    [...(await held())].find(([, holds]) => holds !== null && holds === value.reveal())?.[0] ?? null;
  const both = () => names.map((slot) => ({ providerKeyId: slot, label: null, active: true }));

  const frame = provider({
    name,
    settings,
    managesKeys: true,
    overlap: 'two',
    async list() {
      await held();
      return both();
    },
    identify: (_key, value) => slotOf(value),
    probe: (_key, value) => talk.probe(value),
    judge: talk.judge,
    revoke: async () => {},
  });
  return {
    ...frame,
    can: { ...frame.can, create: true },
    // The slot is always there: a try whose answer was lost is simply made new once more.
    find: async () => [],
    async create(key) {
      const value = await currentValue(means.secrets, key);
      const inUse = value && (await slotOf(value));
      if (!inUse) {
        return {
          refused: `Neither slot at ${name} holds the value that is in use, so none can safely be made new. Store the value of ${names.join(' or ')} first.`,
        };
      }
      const idle = names.find((each) => each !== inUse)!;
      const answer = await talk.admin(settings.regenerate, { slot: idle });
      if (isFinal(answer.status)) return { refused: inWords(name, `make ${idle} new`, answer) };
      expected(name, `make ${idle} new`, answer, [200, 201, 202, 204]);
      const made = textAt(answer.body, settings.slots[idle]!) ?? (await held()).get(idle);
      if (!made) throw new Error(`${name} made ${idle} new and did not show its value`);
      return { value: new Value(made), providerKeyId: idle, expiresAt: null };
    },
    async revoke(_key, { providerKeyId, value: read }) {
      const value = await read?.();
      // What else the slot holds by now is somebody's, perhaps everybody's.
      if (!providerKeyId || !value || (await slotOf(value)) !== providerKeyId) return;
      const doing = `make ${providerKeyId} new`;
      await talk.must(doing, settings.regenerate, { slot: providerKeyId }, [200, 201, 202, 204]);
    },
    async confirmDead(key, { value }) {
      return frame.confirmDead(key, { providerKeyId: null, value });
    },
  };
}
