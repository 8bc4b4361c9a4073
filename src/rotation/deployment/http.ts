import { z } from 'zod';
import { type HttpDoor, idField, saidIn } from '../../doors.ts';
import { Refusal } from '../../kernel.ts';
import type { Ports } from '../../ports.ts';
import { hearDeployed } from './confirm.ts';

const Body = z.strictObject({
  rotationId: idField('rotation', 'expected the rotationId that you were sent'),
  consumerId: idField('consumer', 'expected the consumerId that you were sent'),
  status: z.enum(['deployed', 'failed'], 'expected "deployed" or "failed"'),
});

/**
 * `POST /webhooks/deployed`: a consumer's own system says that it is on the new value. It signs with the secret that its
 * messages are signed with; nothing in it is believed before that, and it can speak for itself alone.
 */
export function deploymentOverHttp(
  door: Pick<HttpDoor, 'webhook'>,
  ports: Pick<Ports, 'store' | 'secrets' | 'hooks' | 'policy'>,
): void {
  const { store, secrets, hooks } = ports;
  door.webhook('deployed', async ({ headers, rawBody }) => {
    const refuse = async (status: number, refusal: Refusal, subject = 'deployed') => {
      const actor = { kind: 'webhook', id: 'deployed' } as const;
      await store.refused({ actor, action: 'rotation.hear-deployed', subject }, refusal);
      return { status, body: { error: refusal.sentence } };
    };
    const said = saidIn(rawBody, Body);
    if (said instanceof Refusal) return refuse(400, said);
    const { rotationId, consumerId, status } = said;
    const unbelieved = new Refusal('not_allowed', 'The signature was not accepted.');
    const consumer = await store.read((view) => view.consumers.find(consumerId));
    const signedWith = consumer?.removedAt === null ? consumer.signedWith : null;
    const signing = signedWith ? await secrets.read(signedWith, { stage: 'AWSCURRENT' }) : null;
    const verified = signing ? hooks.verify(signing.value, headers, rawBody) : null;
    if (!verified || 'refused' in verified) return refuse(401, unbelieved, consumerId);
    try {
      await hearDeployed(ports, { rotationId, consumerId }, { status, messageId: verified.id });
      return { status: 200, body: { message: 'Thank you. It is on the card of the rotation.' } };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { status: error.code === 'not_found' ? 404 : 409, body: { error: error.sentence } };
    }
  });
}
