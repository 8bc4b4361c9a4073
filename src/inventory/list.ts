import { byId, day, type Instant, Refusal } from '../kernel.ts';
import type { Policy } from '../policy.ts';
import type { KeyFilter, KeyPage, Ports } from '../ports.ts';
import { type PermissionReview, reviewsCountFrom } from '../reviews/permissions-model.ts';
import { environmentOf, environments, inFull, risks } from './model.ts';

/** What somebody wants to see of the inventory. */
export interface ListAsk {
  service?: string;
  environment?: KeyFilter['environment'];
  risk?: KeyFilter['risk'];
  /** As it was typed; `me` is who asks. */
  owner?: string;
  /** As it was typed: `@payments`, a user group that Slack has resolved, or a name. */
  team?: string;
  /** Due within so many days; 0 for what is overdue. */
  dueDays?: number;
  status?: KeyFilter['status'];
  /** What nobody has reviewed for the policy's time. */
  unreviewed?: boolean;
  overPermissioned?: boolean;
  words: string[];
}

const one = <T extends string>(what: string, all: readonly T[], value: string): T => {
  const found = all.find((each) => each === value.toLowerCase());
  if (found) return found;
  throw new Refusal('invalid', `There is no ${what} "${value.slice(0, 60)}". Choose one of ${all.join(', ')}.`);
};

const filters: Record<string, (ask: ListAsk, value: string) => void> = {
  service: (ask, value) => {
    ask.service = value;
  },
  env: (ask, value) => filters.environment!(ask, value),
  environment: (ask, value) => {
    ask.environment = environmentOf(value) ?? one('environment', environments, value);
  },
  risk: (ask, value) => {
    ask.risk = one('risk', risks, value);
  },
  owner: (ask, value) => {
    ask.owner = value;
  },
  team: (ask, value) => {
    ask.team = value;
  },
  due: (ask, value) => {
    const days = Number(/^(\d{1,4})d?$/i.exec(value)?.[1]);
    if (!Number.isInteger(days)) throw new Refusal('invalid', 'Say within how many days, for example due:14d.');
    ask.dueDays = days;
  },
};
const named = <T>(table: Record<string, T>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

const words: Record<string, (ask: ListAsk, policy: Policy) => void> = {
  mine: (ask) => {
    ask.owner = 'me';
  },
  due: (ask, policy) => {
    ask.dueDays = policy.digest.aheadDays;
  },
  overdue: (ask) => {
    ask.dueDays = 0;
  },
  retired: (ask) => {
    ask.status = 'retired';
  },
  unreviewed: (ask) => {
    ask.unreviewed = true;
  },
  'over-permissioned': (ask) => {
    ask.overPermissioned = true;
  },
};

/** `environment:prod due:14d owner:me stripe`, read. `"two words"` after a colon are one value; so is `owner: @x`. @throws Refusal for what it cannot read */
export function listAsk(text: string, policy: Policy): ListAsk {
  if (text.length > 300) throw new Refusal('invalid', 'That is too long for a filter. Use fewer words.');
  const ask: ListAsk = { words: [] };
  for (const [piece] of text.matchAll(/[a-z]+:\s*(?:"[^"]*"|[^\s"]\S*)|\S+/gi)) {
    const [, name = '', value = ''] = /^([a-z]+):\s*"?([^"]*)"?$/i.exec(piece) ?? [];
    const filter = named(filters, name.toLowerCase());
    const word = named(words, piece.toLowerCase());
    if (filter && value) filter(ask, value);
    else if (word) word(ask, policy);
    else if (/^(@|<!subteam\^)\S/.test(piece)) ask.team = piece;
    else if (filter) throw new Refusal('invalid', `Say what after "${name.slice(0, 30)}:", as in service:stripe.`);
    else if (name) {
      const all = Object.keys(filters)
        .filter((each) => each !== 'env')
        .join(', ');
      throw new Refusal('invalid', `There is no filter "${name.slice(0, 30)}:". There are ${all}.`);
    } else ask.words.push(inFull(piece));
  }
  return ask;
}

/** One page of the inventory. `whose` is whom the ask's owner and team mean. */
export function listKeys(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  ask: ListAsk,
  whose: Pick<KeyFilter, 'ownerId' | 'teamId'>,
  at: string | null,
  pageSize = 10,
): Promise<KeyPage & { reviews: Map<string, PermissionReview>; now: Instant }> {
  return store.read(async (view) => {
    const filter: KeyFilter = {
      ...(ask.service ? { service: ask.service } : {}),
      ...(ask.environment ? { environment: ask.environment } : {}),
      ...(ask.risk ? { risk: ask.risk } : {}),
      ...(ask.status ? { status: ask.status } : {}),
      ...whose,
      ...(ask.dueDays === undefined ? {} : { dueBefore: new Date(view.now.getTime() + ask.dueDays * day) }),
      ...(ask.unreviewed ? { reviewedBefore: reviewsCountFrom(policy, view.now) } : {}),
      ...(ask.overPermissioned ? { overPermissioned: true } : {}),
      ...(ask.words.length > 0 ? { words: ask.words.join(' ') } : {}),
    };
    const page = await view.keys.list(filter, pageSize, at);
    const reviews = byId(await view.permissionReviews.many(page.rows.map((key) => key.id)));
    return { ...page, reviews, now: view.now };
  });
}
