import { whyNotTouch } from '../../inventory/may-model.ts';
import type { ApiKey } from '../../inventory/model.ts';
import { type Actor, type Id, Refusal, refuseIf } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports, Tx } from '../../ports.ts';
import { lookAtOnce } from '../journal.ts';
import type { Deployment, Rotation } from '../model.ts';
import { claimed, confirmed, deploymentOf, hurried, troubled, whyNotConfirm } from './model.ts';

type ConfirmPorts = Pick<Ports, 'store' | 'policy'>;
interface About {
  rotationId: Id<'rotation'>;
  consumerId: Id<'consumer'>;
}

/** Why this person has no say about this consumer: whoever was asked or has taken it on has, and who answers for the key. */
function whyNotSay(person: Person, key: ApiKey, deployment: Deployment | null): Refusal | null {
  const theirs = deployment && [deployment.personId, deployment.claimedBy].includes(person.id);
  return theirs && person.status === 'active' ? null : whyNotTouch(person, 'rotation.confirm-move', key);
}

async function altered(
  { store, policy }: ConfirmPorts,
  actor: Actor,
  action: string,
  about: About,
  fn: (tx: Tx, found: { key: ApiKey; rotation: Rotation; deployment: Deployment | null }) => Promise<Rotation>,
): Promise<Rotation> {
  const { keyId } = await store.read((view) => view.rotations.get(about.rotationId));
  return store.change({ actor, action, subject: about.rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const rotation = await tx.rotations.get(about.rotationId);
    const deployment = deploymentOf(rotation, about.consumerId);
    tx.note({ consumerId: about.consumerId, ...(deployment ? { name: deployment.name } : {}) });
    const next = hurried(await fn(tx, { key, rotation, deployment }), policy, tx.now);
    await tx.rotations.save(next);
    await lookAtOnce(tx, next);
    await tx.cards.touch(next.id);
    await tx.cards.touch(key.id);
    return next;
  });
}

/** Somebody says that a consumer is on the new value: who was asked, who has taken it on, or who answers for the key. */
export function confirmMove(ports: ConfirmPorts, sayer: Pick<Person, 'id'>, about: About): Promise<Rotation> {
  const actor = { kind: 'person', id: sayer.id } as const;
  return altered(ports, actor, 'rotation.confirm-move', about, async (tx, { key, rotation, deployment }) => {
    const person = await tx.people.get(sayer.id);
    refuseIf(whyNotSay(person, key, deployment));
    refuseIf(whyNotConfirm(rotation, deployment));
    return confirmed(rotation, about.consumerId, `${person.name} said so`, person.id, tx.now);
  });
}

/** Somebody takes it on to move a consumer; reminders go to them from now on. */
export function claimMove(ports: ConfirmPorts, claimer: Pick<Person, 'id'>, about: About): Promise<Rotation> {
  const actor = { kind: 'person', id: claimer.id } as const;
  return altered(ports, actor, 'rotation.claim-move', about, async (tx, { key, rotation, deployment }) => {
    const person = await tx.people.get(claimer.id);
    refuseIf(whyNotSay(person, key, deployment));
    refuseIf(whyNotConfirm(rotation, deployment));
    if (deployment!.kind !== 'person') throw new Refusal('conflict', `${deployment!.name} is not moved by a person.`);
    if (deployment!.claimedBy === person.id) throw new Refusal('conflict', 'You have taken this on already.');
    await tx.cards.show('rotation:move', rotation.id, { person: person.id });
    return claimed(rotation, about.consumerId, person.id);
  });
}

/** A consumer's webhook says later how it went. Its signature has been verified; a repetition changes nothing. */
export function hearDeployed(
  ports: ConfirmPorts,
  about: About,
  said: { status: 'deployed' | 'failed'; messageId: string },
): Promise<Rotation> {
  const actor = { kind: 'webhook', id: about.consumerId } as const;
  return altered(ports, actor, 'rotation.hear-deployed', about, async (tx, { rotation, deployment }) => {
    tx.note({ status: said.status, messageId: said.messageId });
    if (deployment?.confirmedAt) return rotation;
    refuseIf(whyNotConfirm(rotation, deployment));
    return said.status === 'deployed'
      ? confirmed(rotation, about.consumerId, 'its webhook said that it is deployed', null, tx.now)
      : troubled(rotation, about.consumerId, 'it said that it could not be deployed');
  });
}
