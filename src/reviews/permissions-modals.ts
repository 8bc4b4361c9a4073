import type { KnownBlock, View as SlackView } from '@slack/types';
import { z } from 'zod';
import { block, form, input, md, option, typed, when } from '../blocks.ts';
import { idField } from '../doors.ts';
import type { ApiKey } from '../inventory/model.ts';
import type { Policy } from '../policy.ts';
import {
  guidanceFor,
  type PermissionReview,
  type Restriction,
  type Reviewing,
  restrictionKinds,
  restrictions,
} from './permissions-model.ts';

/** What is said so far, as the form's fields want it. */
export interface ReviewDraft {
  scope: string | undefined;
  needs: string | undefined;
  hasExcess?: string | undefined;
  excess: string | undefined;
  restrictedBy: string[];
  notes: Partial<Record<Restriction, string | undefined>>;
}
const noteOf = (kind: Restriction) => `${kind}Note` as const;

/** The form's fields as they are, so that a change of its sections loses nothing. */
export function draftFrom(fields: Record<string, unknown>): ReviewDraft {
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : undefined);
  const restrictedBy = Array.isArray(fields.restrictedBy)
    ? fields.restrictedBy.filter((each) => typeof each === 'string')
    : [];
  return {
    scope: text('scope'),
    needs: text('needs'),
    hasExcess: text('hasExcess'),
    excess: text('excess'),
    restrictedBy,
    notes: Object.fromEntries(restrictionKinds.map((kind) => [kind, text(noteOf(kind))])),
  };
}

/** What the last review said. Whether it is too much now is for whoever looks to say. */
export function draftOf(key: ApiKey, last: PermissionReview | null): ReviewDraft {
  const held = last?.restrictions ?? [];
  const ends = key.expiresAt ? ['ends'] : [];
  return {
    scope: key.scope,
    needs: last?.needs,
    excess: last?.excess ?? undefined,
    restrictedBy: [...held.map(({ kind }) => kind), ...ends],
    notes: Object.fromEntries(held.map(({ kind, note }) => [kind, note ?? undefined])),
  };
}

const initial = (value: string | undefined) => (value ? { initial: value } : {});

/** What a key may do, what it needs, what of it is too much, and how it is held to the least. */
export function reviewModal(
  key: ApiKey,
  last: PermissionReview | null,
  draft: ReviewDraft,
  policy: Policy,
  seen: string,
): SlackView {
  const guidance = guidanceFor(key.environment, policy);
  return form(
    'reviews.review-permissions',
    'Review permissions',
    'Save',
    [
      block.text(md`*${typed(key.name, 200)}*`),
      ...(guidance ? [block.small(md`${typed(guidance, 300)}`)] : []),
      ...warnings(key, last),
      input({
        kind: 'text',
        name: 'scope',
        label: 'What may it do?',
        max: 300,
        hint: `As it stands at ${key.service} now.`,
        ...initial(draft.scope),
      }),
      input({
        kind: 'text',
        name: 'needs',
        label: 'What does it need to do?',
        multiline: true,
        max: 500,
        placeholder: 'Read invoices of the shop, a few times an hour',
        hint: 'What it is used for, and no more.',
        ...initial(draft.needs),
      }),
      input({
        kind: 'radio',
        name: 'hasExcess',
        label: 'May it do more than it needs?',
        live: true,
        options: [option('no', 'No, it has what it needs'), option('yes', 'Yes, some of it is too much')],
        ...initial(draft.hasExcess),
      }),
      ...(draft.hasExcess === 'yes' ? [excessField(draft)] : []),
      input({
        kind: 'checkboxes',
        name: 'restrictedBy',
        label: `How is it restricted at ${key.service}?`,
        optional: true,
        live: true,
        options: restrictionKinds.map((kind) => option(kind, restrictions[kind].label, restrictions[kind].asks)),
        initial: draft.restrictedBy,
      }),
      ...restrictionKinds.filter((kind) => draft.restrictedBy.includes(kind)).map((kind) => noteField(kind, draft)),
    ],
    { keyId: key.id, seen },
  );
}

function warnings(key: ApiKey, last: PermissionReview | null): KnownBlock[] {
  const { excessSince } = last ?? {};
  return [
    ...(key.flags.includes('fullAccount')
      ? [
          block.text(
            md`:warning: The inventory says that it has full account access. A key for this service alone, with the permissions that it needs, takes its place wherever ${typed(key.service, 60)} offers one.`,
          ),
        ]
      : []),
    ...(excessSince
      ? [block.text(md`:warning: By its last review it has been over-permissioned since ${when(excessSince, 'date')}.`)]
      : []),
  ];
}

const excessField = (draft: ReviewDraft): KnownBlock =>
  input({
    kind: 'text',
    name: 'excess',
    label: 'What is too much?',
    max: 300,
    placeholder: 'It may write and delete',
    hint: 'Stays open as a finding of the key until a later review says that nothing is too much.',
    ...initial(draft.excess),
  });

const noteField = (kind: Restriction, draft: ReviewDraft): KnownBlock =>
  input({
    kind: 'text',
    name: noteOf(kind),
    label: restrictions[kind].note,
    optional: true,
    max: 150,
    placeholder: restrictions[kind].example,
    ...initial(draft.notes[kind]),
  });

const words = (sentence: string, max: number) =>
  z
    .string({ error: sentence })
    .trim()
    .min(3, sentence)
    .max(max)
    .transform((text) => text.replace(/\s+/g, ' '));
const note = z.string().trim().max(150).nullish();

export const ReviewForm = z
  .object({
    keyId: idField('key'),
    seen: z.string(),
    scope: words('Say what it may do.', 300),
    needs: words('Say what it needs to do, in a few words.', 500),
    hasExcess: z.enum(['no', 'yes'], { error: 'Choose one.' }),
    excess: z.string().trim().max(300).nullish(),
    restrictedBy: z.array(z.string()).nullish(),
    ...(Object.fromEntries(restrictionKinds.map((kind) => [noteOf(kind), note])) as Record<
      ReturnType<typeof noteOf>,
      typeof note
    >),
  })
  .superRefine(({ hasExcess, excess }, context) => {
    if (hasExcess === 'yes' && (excess ?? '').length < 3)
      context.addIssue({ code: 'custom', path: ['excess'], message: 'Say what is too much.' });
  });

/** What was said, with nothing of what was not asked any more. */
export function reviewingOf(form: z.infer<typeof ReviewForm>): Reviewing {
  return {
    seen: form.seen,
    scope: form.scope,
    needs: form.needs,
    excess: form.hasExcess === 'yes' ? form.excess!.replace(/\s+/g, ' ') : null,
    restrictions: restrictionKinds
      .filter((kind) => form.restrictedBy?.includes(kind))
      .map((kind) => ({ kind, note: form[noteOf(kind)] || null })),
  };
}
