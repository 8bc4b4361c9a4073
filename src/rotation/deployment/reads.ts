import type { Consumer } from '../../inventory/consumer-model.ts';
import type { Run } from '../journal.ts';
import { listed } from './model.ts';
import { accountOf, type ReadsSeen, readFrom, unread } from './reads-model.ts';

/** What is written down of who has read the secret since the switch; null where nobody's reads have to be looked for. */
export async function readsSeen({ ports, rotation, secretId }: Run, consumers: Consumer[]): Promise<ReadsSeen | null> {
  const from = readFrom(rotation);
  if (!ports.readers || !from || unread(listed(rotation, consumers)).length === 0) return null;
  // Whoever reads names the secret as they like; only by its ARN is it told from others.
  const secret = await ports.secrets.describe(secretId);
  if (!secret) return null;
  const { name, lateMs } = ports.readers;
  return { said: name, lateMs, account: accountOf(secret.arn), ...(await ports.readers.of(secret.arn, from)) };
}
