import { type Id, type Instant, Refusal } from '../kernel.ts';
import { type Person, whyNotPrincipal } from '../people/model.ts';
import type { Policy } from '../policy.ts';
import type { ApiKey } from './model.ts';

/** How whoever uses a key comes to its new value (SOP 5.3, step 4). */
export const consumerKinds = {
  'reads-store': 'Reads Secrets Manager itself',
  webhook: 'Is told by a signed webhook',
  person: 'A person moves it',
} as const;
export type ConsumerKind = keyof typeof consumerKinds;

/** A system or a person that uses a key, and has to move when its value is replaced. */
export interface Consumer {
  id: Id<'consumer'>;
  keyId: Id<'key'>;
  name: string;
  kind: ConsumerKind;
  /** Where a webhook is sent to. */
  url: string | null;
  /** Who says that it is on the new value. */
  personId: Id<'person'> | null;
  /** The IAM user or role that it reads the store as, by which its reads are known; null where nobody has said. */
  readsAs: string | null;
  /** The secret in Secrets Manager that its webhooks are signed with; null until it is made. */
  signedWith: string | null;
  addedBy: Id<'person'>;
  addedAt: Instant;
  removedAt: Instant | null;
}

/** What somebody enters about a consumer. */
export type ConsumerEntry = Pick<Consumer, 'name' | 'kind' | 'url' | 'personId'> & Partial<Pick<Consumer, 'readsAs'>>;

/** More than these nobody keeps an eye on, and one message cannot show them. */
export const mostConsumers = 20;

/** Why this cannot be recorded, or null. `others` are the key's consumers beside it, `person` is the one named. */
export function whyNotRecord(
  key: ApiKey,
  entry: ConsumerEntry,
  others: Consumer[],
  person: Person | null,
  policy: Policy,
): Refusal | null {
  if (key.status !== 'active') return new Refusal('conflict', `${key.name} is retired, so nobody uses it.`);
  if (others.length >= mostConsumers) {
    return new Refusal('conflict', `At most ${mostConsumers} consumers of a key are recorded. Name what they share.`);
  }
  if (others.some((each) => each.name.toLowerCase() === entry.name.toLowerCase())) {
    return new Refusal('conflict', `"${entry.name}" is recorded for this key already.`, 'consumerName');
  }
  if (entry.kind === 'reads-store' && entry.readsAs) {
    const why = whyNotPrincipal(entry.readsAs);
    return why && new Refusal(why.code, why.sentence, 'readsAs');
  }
  if (entry.kind === 'webhook') return whyNotTell(entry.url ?? '', policy.consumers.privateHosts);
  if (entry.kind === 'person') {
    if (!person) return new Refusal('invalid', 'Choose who moves it to the new value.', 'mover');
    if (person.status !== 'active') {
      return new Refusal('invalid', `${person.name} is no longer active here. Choose somebody else.`, 'mover');
    }
  }
  return null;
}

/**
 * Why nothing can be sent to this address, whatever its name leads to, or null. Only names, and only TLS, except for hosts
 * that the policy names: an address inside the network would let whoever edits a key talk to what only we can reach.
 */
export function whyNotTell(address: string, privateHosts: string[]): Refusal | null {
  const no = (sentence: string) => new Refusal('invalid', sentence, 'url');
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return no('Give an address such as https://deploy.example.com/hooks/keysteward.');
  }
  if (url.username || url.password) return no('Leave out the user and the password: the signature proves who sends.');
  if (url.search || url.hash) {
    return no('Leave out what follows ? or #: people see this address, and the signature proves who sends.');
  }
  const named = privateHosts.includes(url.hostname);
  if (url.protocol !== 'https:' && !(named && url.protocol === 'http:')) return no('It has to begin with https://.');
  if (named) return null;
  if (/^\[|^[\d.]+$/.test(url.hostname)) return no('Give a host by its name, not by its number.');
  if (
    !url.hostname.includes('.') ||
    /\.(localhost|local|internal|intranet|lan|home|corp|localdomain)\.?$/.test(url.hostname)
  ) {
    return no(
      `${url.hostname} is inside a network. If Keysteward may send there, name it under consumers.privateHosts in policy.yml.`,
    );
  }
  return null;
}

/** What is kept of an entry: only what its kind needs. */
function kept({ name, kind, url, personId, readsAs = null }: ConsumerEntry): Required<ConsumerEntry> {
  return {
    name,
    kind,
    url: kind === 'webhook' ? new URL(url ?? '').href : null,
    personId: kind === 'person' ? personId : null,
    readsAs: kind === 'reads-store' ? readsAs : null,
  };
}

export function recorded(
  id: Id<'consumer'>,
  keyId: Id<'key'>,
  entry: ConsumerEntry,
  by: Id<'person'>,
  now: Instant,
): Consumer {
  return { id, keyId, ...kept(entry), signedWith: null, addedBy: by, addedAt: now, removedAt: null };
}
export const changed = (consumer: Consumer, entry: ConsumerEntry): Consumer => ({ ...consumer, ...kept(entry) });
export const removed = (consumer: Consumer, now: Instant): Consumer => ({ ...consumer, removedAt: now });

/** Whether the secret that its webhooks are signed with is still to be made. */
export const isUnsigned = (consumer: Consumer) =>
  consumer.kind === 'webhook' && consumer.signedWith === null && consumer.removedAt === null;

/** Where that secret lies; the receiver reads it there. */
export const signingSecretOf = ({ id }: Pick<Consumer, 'id'>) => `keysteward/consumers/${id}`;
