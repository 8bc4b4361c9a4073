import type { KnownBlock, View as SlackView } from '@slack/types';
import { z } from 'zod';
import { block, form, input, md, option, typed } from '../blocks.ts';
import { idField } from '../doors.ts';
import type { Id, Instant } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Policy } from '../policy.ts';
import { guidanceFor } from '../reviews/permissions-model.ts';
import {
  type ApiKey,
  environments,
  type KeyEntry,
  type RiskFlag,
  riskFlags,
  risks,
  type Storage,
  secretNameFor,
  serviceOf,
  standardRecipe,
  storages,
} from './model.ts';

/** What is typed into the form so far, or what a key says, as the form's fields want it. */
export interface Draft {
  service?: string;
  environment?: string;
  purpose?: string;
  /** A Slack id. */
  owner?: string;
  storage?: string;
  secretId?: string;
  issuer?: string;
  length?: string;
  lastFour?: string;
  scope?: string;
  flags?: string[];
  tags?: string;
  createdOn?: string;
  lastRotatedAt?: string;
  expiresAt?: string;
  reason?: string;
}
const textFields = [
  'service',
  'environment',
  'purpose',
  'owner',
  'storage',
  'secretId',
  'issuer',
  'length',
  'lastFour',
  'scope',
  'tags',
  'createdOn',
  'lastRotatedAt',
  'expiresAt',
  'reason',
] as const satisfies (keyof Draft)[];

/** The form's fields as they are, so that a change of its sections loses nothing. */
export function draftFrom(fields: Record<string, unknown>): Draft {
  const draft: Draft = {};
  for (const name of textFields) {
    const value = fields[name];
    if (typeof value === 'string' && value) draft[name] = value;
  }
  if (Array.isArray(fields.flags)) draft.flags = fields.flags.filter((each) => typeof each === 'string');
  return draft;
}

const isoDate = (at: Instant | null) => at?.toISOString().slice(0, 10);

export function draftOf(key: ApiKey): Draft {
  const dates = {
    createdOn: isoDate(key.createdOn),
    lastRotatedAt: isoDate(key.lastRotatedAt),
    expiresAt: isoDate(key.expiresAt),
  };
  return draftFrom({
    ...key,
    ...dates,
    tags: key.tags.join(', '),
    length: String((key.recipe ?? standardRecipe).length),
  });
}

/** `make` stands beside the places where a value can be: it does not exist yet. */
const places: Record<string, string> = {
  make: 'Nowhere yet: make it for me',
  'secrets-manager': 'Already in AWS Secrets Manager',
  'password-manager': storages['password-manager'],
  'environment-file': storages['environment-file'],
  elsewhere: storages.elsewhere,
};
const lengths = [24, 32, 40, 64, 128];

/** The form for a key, new or changed. Its middle follows from where the value is. */
export function keyModal(
  draft: Draft,
  issuers: string[],
  editing: { keyId: Id<'key'>; edition: string } | null,
  policy: Policy,
): SlackView {
  const environment = environments.find((each) => each === draft.environment);
  const guidance = environment ? guidanceFor(environment, policy) : null;
  const text = (
    name: keyof Draft,
    label: string,
    more: Partial<Extract<Parameters<typeof input>[0], { kind: 'text' }>>,
  ) => input({ kind: 'text', name, label, ...initial(draft[name]), ...more });
  const offered = Object.entries(places).filter(([name]) => name !== 'make' || !editing);
  return form(
    editing ? 'inventory.change' : 'inventory.add',
    editing ? 'Edit a key' : 'Add a key',
    editing ? 'Save' : 'Add',
    [
      text('service', 'Service', { placeholder: 'OpenAI', min: 2, max: 60 }),
      input({
        kind: 'select',
        name: 'environment',
        label: 'Environment',
        live: true,
        options: environments.map((each) => option(each, each)),
        ...(guidance ? { hint: guidance } : {}),
        ...initial(draft.environment),
      }),
      text('purpose', 'Purpose', {
        placeholder: 'Support assistant',
        min: 3,
        max: 100,
        hint: 'Becomes part of its name, as in Stripe API Key - Production - Card payments.',
      }),
      ...(editing ? [] : [input({ kind: 'person', name: 'owner', label: 'Owner', ...initial(draft.owner) })]),
      input({
        kind: 'select',
        name: 'storage',
        label: 'Where is the value?',
        live: true,
        options: offered.map(([name, label]) => option(name, label)),
        ...initial(draft.storage),
      }),
      ...valueFields(draft, issuers),
      text('scope', 'What may it do?', {
        placeholder: 'Embeddings only, 10 USD a day',
        min: 3,
        max: 300,
        hint: 'Permissions, limits, addresses: the least that does the job.',
      }),
      input({
        kind: 'checkboxes',
        name: 'flags',
        label: 'What makes it dangerous?',
        optional: true,
        options: Object.entries(riskFlags).map(([flag, words]) => option(flag, words)),
        ...(draft.flags ? { initial: draft.flags } : {}),
      }),
      text('tags', 'Tags', { optional: true, max: 200, placeholder: 'payments, shop' }),
      ...dateFields(draft),
      ...(editing
        ? [
            text('reason', 'Why?', {
              optional: true,
              max: 500,
              hint: 'Needed when the key becomes less dangerous on paper. Kept in the audit log.',
            }),
          ]
        : []),
    ],
    editing ? { keyId: editing.keyId, edition: editing.edition } : {},
  );
}

const initial = (value: string | string[] | undefined) =>
  typeof value === 'string' && value ? { initial: value } : {};

function lengthField(draft: Draft): KnownBlock {
  return input({
    kind: 'select',
    name: 'length',
    label: 'Length of a value',
    options: lengths.map((each) => option(String(each), `${each} letters and digits`)),
    initial: draft.length ?? String(standardRecipe.length),
  });
}

function valueFields(draft: Draft, issuers: string[]): KnownBlock[] {
  const secretId = (label: string, optional: boolean, hint: string) =>
    input({
      kind: 'text',
      name: 'secretId',
      label,
      max: 512,
      optional,
      hint,
      placeholder: 'production/openai/support-assistant',
      ...initial(draft.secretId),
    });
  const lastFour = (hint: string) =>
    input({
      kind: 'text',
      name: 'lastFour',
      label: 'Last four characters',
      optional: true,
      max: 4,
      hint,
      ...initial(draft.lastFour),
    });
  if (!draft.storage) return [];
  if (draft.storage === 'make') {
    return [
      block.small(
        md`For secrets of our own: signing secrets, webhook secrets, passwords between our systems. Keysteward makes the value and stores it in Secrets Manager; nobody sees it. Who needs it asks for access.`,
      ),
      secretId('Name in Secrets Manager', true, 'Left empty, it follows from the service, environment and purpose.'),
      lengthField(draft),
    ];
  }
  if (draft.storage === 'secrets-manager') {
    const makers = [
      option('person', 'A person, at the service'),
      ...issuers.map((each) =>
        option(each, each === 'self-made' ? 'Keysteward, as a random value' : `${each} (connected)`),
      ),
    ];
    return [
      secretId('Name or ARN in Secrets Manager', false, 'Keysteward looks whether it is there.'),
      lastFour('Never more than four. They show that this is the right secret, and yours to add.'),
      input({
        kind: 'select',
        name: 'issuer',
        label: 'Who makes new values?',
        live: true,
        options: makers,
        initial: draft.issuer ?? 'person',
      }),
      ...(draft.issuer === 'self-made' ? [lengthField(draft)] : []),
    ];
  }
  return [
    lastFour('Never more than four: they tell values apart.'),
    block.small(
      md`Keysteward can grant and rotate only what is in Secrets Manager. Move it there when you can; this entry can be edited then.`,
    ),
  ];
}

function dateFields(draft: Draft): KnownBlock[] {
  if (draft.storage === 'make') return [];
  const date = (name: 'createdOn' | 'lastRotatedAt' | 'expiresAt', label: string, hint?: string) =>
    input({ kind: 'date', name, label, optional: true, ...initial(draft[name]), ...(hint ? { hint } : {}) });
  return [
    date('createdOn', 'Made on'),
    date('lastRotatedAt', 'Last rotated on', 'Empty for never. The next rotation counts from here.'),
    date('expiresAt', 'Ends on', 'When the service ends it, if it does.'),
  ];
}

const words = (sentence: string, min: number, max: number) =>
  z.string({ error: sentence }).trim().min(min, sentence).max(max);
const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'Choose a day.')
  .nullish();
const squeezed = (text: string) => text.replace(/\s+/g, ' ').trim();

export const EntryForm = z.object({
  keyId: idField('key').optional(),
  edition: z.string().optional(),
  service: words('Name the service, for example OpenAI.', 2, 60).transform(serviceOf),
  environment: z.enum(environments, { error: 'Choose an environment.' }),
  purpose: words('Say what it is for, in at least three characters.', 3, 100).transform(squeezed),
  owner: z.string().nullish(),
  storage: z.enum(Object.keys(places) as ['make', ...Storage[]], { error: 'Say where the value is.' }),
  secretId: z.string().trim().max(512).nullish(),
  issuer: z.string().nullish(),
  length: z.coerce.number().int().min(16).max(256).nullish(),
  lastFour: z
    .string()
    .trim()
    .regex(/^(\S{4})?$/, 'Exactly the last four characters, or nothing.')
    .nullish(),
  scope: words('Say what it may do.', 3, 300).transform(squeezed),
  flags: z
    .array(z.string())
    .nullish()
    .transform((chosen) => (Object.keys(riskFlags) as RiskFlag[]).filter((flag) => chosen?.includes(flag))),
  tags: z
    .string()
    .nullish()
    .transform((text) => tagsIn(text ?? ''))
    .refine((tags) => tags.length <= 10 && tags.every((tag) => tag.length <= 40), 'At most ten short tags.'),
  createdOn: day,
  lastRotatedAt: day,
  expiresAt: day,
  reason: z.string().nullish(),
});
export type EntryForm = z.infer<typeof EntryForm>;

const tagsIn = (text: string) => [
  ...new Set(
    text
      .split(/[,\n]/)
      .map((tag) => squeezed(tag).toLowerCase())
      .filter(Boolean),
  ),
];

/** What was entered, as a key's facts. A date that was not touched keeps its time of day; one that was is that day from Hawaii to New Zealand. */
export function entryOf(entry: EntryForm, ownerId: Id<'person'>, before: ApiKey | null): KeyEntry {
  const make = entry.storage === 'make';
  const stored = make || entry.storage === 'secrets-manager';
  const at = (name: 'createdOn' | 'lastRotatedAt' | 'expiresAt') => {
    const typedDay = entry[name];
    if (!typedDay) return null;
    return before && isoDate(before[name]) === typedDay ? before[name] : new Date(`${typedDay}T10:00:00Z`);
  };
  const issuer = make ? 'self-made' : stored ? (entry.issuer ?? 'person') : 'person';
  return {
    service: entry.service,
    environment: entry.environment,
    purpose: entry.purpose,
    ownerId,
    storage: entry.storage === 'make' ? 'secrets-manager' : entry.storage,
    secretId: stored ? entry.secretId || (make ? secretNameFor(entry) : null) : null,
    lastFour: entry.lastFour || null,
    scope: entry.scope,
    flags: entry.flags,
    tags: entry.tags,
    createdOn: at('createdOn'),
    lastRotatedAt: at('lastRotatedAt'),
    expiresAt: at('expiresAt'),
    issuer,
    recipe: issuer === 'self-made' ? recipeFor(entry.length ?? null, before) : null,
  };
}

function recipeFor(length: number | null, before: ApiKey | null) {
  const recipe = before?.recipe ?? standardRecipe;
  return { ...recipe, length: length ?? recipe.length };
}

/** Who answers for it from now on. */
export function handOverModal(key: ApiKey): SlackView {
  return form(
    'inventory.hand-over',
    'Hand over a key',
    'Hand over',
    [
      block.text(
        md`*${typed(key.name, 200)}*\nThe new owner decides who gets access and is reminded of its rotation. Both of you are told.`,
      ),
      input({ kind: 'person', name: 'owner', label: 'New owner' }),
    ],
    { keyId: key.id },
  );
}
export const HandOverForm = z.object({
  keyId: idField('key'),
  owner: z.string({ error: 'Choose somebody.' }),
});

export function setRiskModal(key: ApiKey, computed: { risk: string; reasons: string[] }): SlackView {
  return form(
    'inventory.set-risk',
    'Set the risk',
    'Set',
    [
      block.text(
        md`*${typed(key.name, 200)}*\nThe facts say *${typed(computed.risk)}*: ${typed(computed.reasons.join('; '), 400)}.`,
      ),
      input({
        kind: 'radio',
        name: 'risk',
        label: 'Risk',
        options: risks.map((each) => option(each, each)),
        initial: key.risk,
      }),
      input({
        kind: 'text',
        name: 'reason',
        label: 'Why?',
        multiline: true,
        optional: true,
        max: 500,
        hint: 'Needed to go below what the facts say. Kept in the audit log.',
      }),
    ],
    { keyId: key.id },
  );
}
export const SetRiskForm = z.object({
  keyId: idField('key'),
  risk: z.enum(risks, { error: 'Choose one.' }),
  reason: z
    .string()
    .nullish()
    .transform((text) => text?.trim() ?? ''),
});

export function retireModal(key: ApiKey, viewer: Person): SlackView {
  return form(
    'inventory.retire',
    'Retire a key',
    'Retire',
    [
      block.text(
        md`*${typed(key.name, 200)}*\nNobody can be given access to it any more, and nobody is reminded of it. Keysteward does not end the value itself: ${viewer.id === key.ownerId ? md`end it` : md`have it ended`} at the service and delete the secret.`,
      ),
      input({ kind: 'text', name: 'reason', label: 'Why?', max: 500, hint: 'Kept in the audit log.' }),
    ],
    { keyId: key.id },
  );
}
export const RetireForm = z.object({
  keyId: idField('key'),
  reason: words('Say why, in a few words.', 3, 500),
});
