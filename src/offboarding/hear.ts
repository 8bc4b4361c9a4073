import { type Actor, type Id, Refusal, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Tx } from '../ports.ts';
import type { OffboardingPorts } from './facts.ts';
import { type HrMessage, whyNotEffectiveAt } from './model.ts';
import { leaves } from './open.ts';

export const hrSystem: Actor = { kind: 'webhook', id: 'hr' };
export type Heard = 'accepted' | 'duplicate' | 'unknown' | 'contradiction';

/**
 * The HR system says that somebody leaves. What it said is kept with what came of it, once per message id, also when
 * nobody can be found for it. People are found by their HR id or Slack id, never by name or address.
 */
export async function hearLeaver(
  ports: OffboardingPorts,
  said: Pick<HrMessage, 'id' | 'hrId' | 'slackUserId' | 'effectiveAt'>,
): Promise<{ heard: Heard; caseId: Id<'case'> | null }> {
  const change = { actor: hrSystem, action: 'offboarding.hear', subject: said.id };
  const result = await ports.store.change(change, async (tx) => {
    refuseIf(whyNotEffectiveAt(said.effectiveAt, tx.now));
    const message: HrMessage = { ...said, receivedAt: tx.now, outcome: 'heard', caseId: null };
    const settle = async (heard: Exclude<Heard, 'duplicate'>, caseId: Id<'case'> | null = null) => {
      await tx.cases.settle({ ...message, outcome: heard === 'accepted' ? 'case' : heard, caseId });
      tx.note({ hrId: said.hrId, slackUserId: said.slackUserId, effectiveAt: said.effectiveAt, heard });
      if (heard !== 'accepted') {
        await tx.cards.show('offboarding.unmatched', said.id, { channel: ports.policy.channels.security });
      }
      return { heard, caseId };
    };
    if (!(await tx.cases.hear(message))) {
      const before = await tx.cases.message(said.id);
      tx.note({ heard: 'duplicate', caseId: before?.caseId ?? null });
      return { heard: 'duplicate' as const, caseId: before?.caseId ?? null };
    }
    const person = await whoIsMeant(tx, said);
    if (person === 'contradiction' || person === 'unknown') return settle(person);
    const cause = { kind: 'hr', messageId: said.id } as const;
    const each = await leaves(tx, ports, person, { cause, effectiveAt: said.effectiveAt });
    return settle('accepted', each.id);
  });
  if (result.heard === 'contradiction') {
    // The fact was kept so that people can look; what was asked for was refused, and that is on record too.
    await ports.store.refused(
      { ...change, action: 'offboarding.open' },
      new Refusal('conflict', 'The HR id and the Slack id belong to different people, so nothing was done.'),
    );
  }
  return result;
}

/** The one person, locked. An HR id that comes with the Slack id of somebody who has none yet is learned. */
async function whoIsMeant(
  tx: Tx,
  { hrId, slackUserId }: Pick<HrMessage, 'hrId' | 'slackUserId'>,
): Promise<Person | 'unknown' | 'contradiction'> {
  const byHr = await tx.people.byHrId(hrId);
  const bySlack = slackUserId ? await tx.people.bySlackId(slackUserId) : null;
  if (byHr) {
    if (slackUserId && byHr.slackId !== slackUserId) return 'contradiction';
    const person = await tx.people.get(byHr.id);
    return person.hrId === hrId ? person : 'unknown';
  }
  if (!bySlack) return 'unknown';
  const person = await tx.people.get(bySlack.id);
  if (person.hrId !== null && person.hrId !== hrId) return 'contradiction';
  const known: Person = { ...person, hrId };
  await tx.people.save(known);
  tx.record('people.learn-hr-id', person.id, { hrId });
  return known;
}

/** An HR id became known: what the HR system had said of it and nobody could place is taken up. Job `offboarding.recall`. */
export function recallLeaver(ports: OffboardingPorts, { personId }: { personId: Id<'person'> }): Promise<void> {
  const actor = { kind: 'job', id: 'offboarding.recall' } as const;
  return ports.store.change({ actor, action: 'offboarding.recall', subject: personId }, async (tx) => {
    const person = await tx.people.get(personId);
    const messages = person.hrId ? await tx.cases.unknown(person.hrId) : [];
    const fits = messages.filter((each) => !each.slackUserId || each.slackUserId === person.slackId);
    tx.note({ hrId: person.hrId, messages: fits.map((each) => each.id) });
    const [newest] = fits;
    if (!newest) return;
    const cause = { kind: 'hr', messageId: newest.id } as const;
    const each = await leaves(tx, ports, person, { cause, effectiveAt: newest.effectiveAt });
    for (const message of fits) {
      await tx.cases.settle({ ...message, outcome: 'case', caseId: each.id });
      await tx.cards.touch(message.id);
    }
  });
}
