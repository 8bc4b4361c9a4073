import { after, failpoint, type Id, Later } from '../../kernel.ts';
import type { HookAnswer, Ports, Tx } from '../../ports.ts';
import { lookAtOnce } from '../journal.ts';
import type { Rotation } from '../model.ts';
import {
  confirmed,
  deploymentOf,
  hurried,
  isStale,
  messageTo,
  nextTryInMs,
  reachedThem,
  tried,
  troubled,
} from './model.ts';

type TellPorts = Pick<Ports, 'store' | 'secrets' | 'hooks' | 'policy'>;
interface About {
  rotationId: Id<'rotation'>;
  consumerId: Id<'consumer'>;
}

/**
 * Sends one webhook to one consumer, and again after a while when it is not answered, for three days. The id of the message
 * is the same in each repetition, so a receiver can leave out what it has done already. Job `rotation.tell`.
 */
export async function tellConsumer(ports: TellPorts, about: About): Promise<void> {
  const { store, secrets, hooks } = ports;
  const seen = await store.read(async (view) => {
    const rotation = await view.rotations.get(about.rotationId);
    const key = await view.keys.get(rotation.keyId);
    return { rotation, key, consumer: await view.consumers.get(about.consumerId), now: view.now };
  });
  const { key, consumer, now } = seen;
  if (!isOpen(seen.rotation, about, key.currentVersion) || consumer.removedAt || !consumer.url) return;
  if (!consumer.signedWith) throw new Later('its signing secret is still being made', 5_000);
  const signing = await secrets.read(consumer.signedWith, { stage: 'AWSCURRENT' });
  const { signedWith, url } = consumer;
  if (!signing)
    return outcome(ports, about, { trouble: `the secret ${signedWith} that signs it is gone`, status: null });

  const rotation = await intent(ports, about);
  if (!rotation) return;
  failpoint('rotation.tell:begun');
  const { id, body } = messageTo(deploymentOf(rotation, about.consumerId)!, rotation, key.secretId ?? '', now);
  failpoint('rotation.tell:before');
  const answer = await hooks.post(url, signing.value, { id, at: now, body });
  failpoint('rotation.tell:after');
  await outcome(ports, about, answer);
  failpoint('rotation.tell:journaled');
}

function isOpen(rotation: Rotation, { consumerId }: About, currentVersion: string | null): boolean {
  const deployment = deploymentOf(rotation, consumerId);
  const asked = deployment?.kind === 'webhook' && deployment.confirmedAt === null && deployment.toldAt === null;
  return asked && !isStale(rotation, deployment, currentVersion);
}

async function change<T>(
  { store }: TellPorts,
  about: About,
  action: 'rotation.tell' | 'rotation.told',
  fn: (tx: Tx, rotation: Rotation) => Promise<T>,
): Promise<T | null> {
  const { keyId } = await store.read((view) => view.rotations.get(about.rotationId));
  const actor = { kind: 'job', id: 'rotation.tell' } as const;
  return store.change({ actor, action, subject: about.rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const rotation = await tx.rotations.get(about.rotationId);
    tx.note({ consumerId: about.consumerId });
    return isOpen(rotation, about, key.currentVersion) ? fn(tx, rotation) : null;
  });
}

/** Written down before anything is sent. */
const intent = (ports: TellPorts, about: About) =>
  change(ports, about, 'rotation.tell', async (tx, rotation) => {
    const next = tried(rotation, about.consumerId);
    const { tries, round } = deploymentOf(next, about.consumerId)!;
    await tx.rotations.save(next);
    tx.note({ message: tries, round });
    return next;
  });

const outcome = (ports: TellPorts, about: About, answer: HookAnswer) =>
  change(ports, about, 'rotation.told', async (tx, rotation) => {
    const before = deploymentOf(rotation, about.consumerId)!;
    const wait = 'said' in answer && answer.said !== 'failed' ? null : nextTryInMs(before.tries);
    const next = hurried(answered(rotation, about.consumerId, answer, wait === null, tx.now), ports.policy, tx.now);
    await tx.rotations.save(next);
    tx.note({ answer: 'said' in answer ? answer.said : answer.trouble, status: answer.status });
    if (wait !== null) {
      await tx.jobs.add('rotation.tell', about, {
        once: `${about.rotationId}-${about.consumerId}-${before.round}`,
        at: after(tx.now, wait),
      });
    }
    await lookAtOnce(tx, next);
    await tx.cards.touch(next.id);
  }).then(() => undefined);

function answered(rotation: Rotation, id: Id<'consumer'>, answer: HookAnswer, last: boolean, now: Date): Rotation {
  if ('trouble' in answer) {
    const { tries } = deploymentOf(rotation, id)!;
    const gaveUp = last && tries > 1 ? `, after ${tries} messages over three days` : '';
    return troubled(rotation, id, `${answer.trouble}${gaveUp}`);
  }
  switch (answer.said) {
    case 'deployed':
      return confirmed(rotation, id, `its webhook answered that it is deployed (HTTP ${answer.status})`, null, now);
    case 'accepted':
      return reachedThem(rotation, id, now);
    case 'failed':
      return troubled(rotation, id, 'its webhook answered that it could not be deployed');
    case 'gone':
      return troubled(rotation, id, 'its webhook answered that it is gone for good (HTTP 410)');
  }
}
