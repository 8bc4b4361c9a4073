import { Refusal } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { isSameSecret } from '../policy.ts';
import type { Change, Ports, SecretDescription } from '../ports.ts';

const nameForm = /^[\w/+=.@-]{1,512}$/;
const arnForm = /^arn:aws[a-z-]*:secretsmanager:[a-z\d-]+:\d{12}:secret:([\w/+=.@-]{1,512})$/;

export interface FoundSecret {
  /** The one form in which this secret is known here, whether its name or its ARN was given. */
  secretId: string;
  versionId: string;
  lastFour: string | null;
  fingerprint: string | null;
  /** AWS rotates it by itself. */
  rotationEnabled: boolean;
}

/**
 * The secret that somebody brings into the inventory, as Secrets Manager has it now. Who is no administrator shows that
 * they know the value, by its last four characters: else anybody could become the owner of any secret of the company,
 * and approve access to it.
 * @throws Refusal under `secretId` or `lastFour`
 */
export async function findSecret(
  { secrets, fingerprints }: Pick<Ports, 'secrets' | 'fingerprints'>,
  finder: Pick<Person, 'tier'>,
  given: { secretId: string; lastFour: string | null },
): Promise<FoundSecret> {
  const asked = given.secretId.trim();
  refuseName(asked, arnForm.test(asked));
  refuseOurs(fingerprints, asked);
  const found = await secrets.describe(asked).catch(denied);
  if (!found) {
    throw new Refusal('invalid', `Secrets Manager has no secret called ${asked}. Check the name.`, 'secretId');
  }
  if (found.deletedAt) {
    throw new Refusal('invalid', 'This secret is scheduled for deletion. Restore it there first.', 'secretId');
  }
  const current = await secrets.read(asked, { stage: 'AWSCURRENT' }).catch(denied);
  if (!current) {
    throw new Refusal('invalid', 'This secret has no current value yet. Store one there first.', 'secretId');
  }
  if (given.lastFour && current.lastFour && given.lastFour !== current.lastFour) {
    throw new Refusal('invalid', 'The current value ends differently. Is this the right secret?', 'lastFour');
  }
  if (finder.tier !== 'administrator') {
    if (!current.lastFour) {
      const why = 'This value is a document or very short, so its end cannot show that you know it.';
      throw new Refusal('not_allowed', `${why} An administrator has to add it.`, undefined, ['administrators']);
    }
    if (!given.lastFour) {
      const why = 'Give the last four characters of the current value: they show that it is yours to add.';
      throw new Refusal('invalid', why, 'lastFour');
    }
  }
  return {
    secretId: await canonicalName(secrets, asked, found),
    versionId: current.versionId,
    lastFour: current.lastFour,
    fingerprint: await fingerprints.of(current.value),
    rotationEnabled: found.rotationEnabled,
  };
}

/** A name that a new secret can have: nothing is called so, not even something that waits for its deletion. */
export async function refuseTaken(
  { secrets, fingerprints }: Pick<Ports, 'secrets' | 'fingerprints'>,
  secretId: string,
): Promise<void> {
  refuseName(secretId, false);
  refuseOurs(fingerprints, secretId);
  if (/-[A-Za-z\d]{6}$/.test(secretId)) {
    const why = 'AWS cannot tell a name that ends with a dash and six characters from an ARN. Change its end.';
    throw new Refusal('invalid', why, 'secretId');
  }
  const found = await secrets.describe(secretId).catch(denied);
  if (!found) return;
  const why = found.deletedAt
    ? 'A secret with this name is scheduled for deletion. Choose another name.'
    : 'Secrets Manager already has a secret with this name. Choose another name, or say that the value is there already.';
  throw new Refusal('conflict', why, 'secretId');
}

/** Runs checks that look at the world before a change, and records a refusal as the change itself would. */
export async function recorded<T>(store: Ports['store'], change: Change, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof Refusal) await store.refused(change, error);
    throw error;
  }
}

function refuseName(secretId: string, isArn: boolean): void {
  if (isArn || nameForm.test(secretId)) return;
  const why = 'A name in Secrets Manager has letters, digits and /_+=.@- only, e.g. production/stripe/payments.';
  throw new Refusal('invalid', why, 'secretId');
}

/** Whoever had that key could tell by a fingerprint whether a value that they guess is somebody's. */
function refuseOurs({ keptIn }: Ports['fingerprints'], secretId: string): void {
  if (!isSameSecret(secretId, keptIn)) return;
  throw new Refusal('not_allowed', "This secret is Keysteward's own, and nobody's to be granted.", 'secretId');
}

/** One secret is one key, by whatever name: an ARN becomes the name that leads to the same secret. */
async function canonicalName(
  secrets: Ports['secrets'],
  asked: string,
  { arn }: Pick<SecretDescription, 'arn'>,
): Promise<string> {
  if (!asked.startsWith('arn:')) return asked;
  const name = arnForm.exec(arn)?.[1]?.replace(/-[A-Za-z\d]{6}$/, '');
  const same = name ? await secrets.describe(name).catch(() => null) : null;
  // Another account's secret has no name here, only its whole ARN.
  return name && same?.arn === arn ? name : arn || asked;
}

function denied(error: unknown): never {
  if (error instanceof Error && error.name === 'AccessDeniedException') {
    const why = "AWS does not let Keysteward see this secret. Check the name, and the policy of Keysteward's role.";
    throw new Refusal('invalid', why, 'secretId');
  }
  throw error;
}
