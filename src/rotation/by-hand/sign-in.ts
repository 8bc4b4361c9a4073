import { whyNotTouch } from '../../inventory/may-model.ts';
import { freshToken, type Id, Refusal, refuseIf, sha256 } from '../../kernel.ts';
import type { Ports, View } from '../../ports.ts';
import { guessed, signedIn, signInAnswered, signInBegun, whyNotOpen } from './hand-in-model.ts';
import { whyNotDo } from './model.ts';

type SignInPorts = Pick<Ports, 'store' | 'signIn' | 'address'>;
/** Nobody knows yet who it is. */
const somebody = { kind: 'slack-user', id: 'unknown' } as const;

/** Where Slack sends people back to; one address for all links, and registered with the app. */
export const signedInPath = '/hand-in/signed-in';

/** Whether a link leads anywhere; changes nothing, unless the token is a wrong one. @throws Refusal */
export async function lookAtLink({ store }: Pick<Ports, 'store'>, id: Id<'handIn'>, token: string): Promise<void> {
  const tokenHash = await sha256(token);
  const { link, now } = await store.read(async (view) => ({ link: await view.handIns.find(id), now: view.now }));
  refuseIf(whyNotOpen(link, now));
  if (link!.tokenHash === tokenHash) return;
  await store.change({ actor: somebody, action: 'rotation.guess-hand-in', subject: id }, async (tx) => {
    const next = guessed(await tx.handIns.get(id), tx.now);
    await tx.handIns.save(next);
    tx.note({ guesses: next.guesses, status: next.status });
  });
  refuseIf(whyNotOpen(null, now));
}

/** This browser goes to Slack to prove who uses it. `session` is for its cookie alone. */
export async function beginSignIn(
  ports: SignInPorts,
  id: Id<'handIn'>,
  token: string,
): Promise<{ url: string; session: string }> {
  const { store, signIn, address } = ports;
  await lookAtLink(ports, id, token);
  if (signIn.whyNot) throw new Refusal('conflict', signIn.whyNot);
  const session = freshToken();
  const state = `${id}.${freshToken()}`;
  const { url, nonce, verifier } = await signIn.begin(address(signedInPath), state);
  const begun = { stateHash: await sha256(state), nonce, verifier };
  const sessionHash = await sha256(session);
  await store.change({ actor: somebody, action: 'rotation.begin-sign-in', subject: id }, async (tx) => {
    const link = await tx.handIns.get(id);
    refuseIf(whyNotOpen(link, tx.now));
    await tx.handIns.save(signInBegun(link, sessionHash, begun));
  });
  return { url, session };
}

/** Which link a browser that comes back from Slack was on its way for. */
export const linkOfState = (state: string): string => state.split('.')[0] ?? '';

/** It came back. Answers the session that the page goes on with. */
export async function finishSignIn(
  ports: SignInPorts,
  id: Id<'handIn'>,
  back: { session: string; state: string; query: URLSearchParams },
): Promise<string> {
  const { store, signIn, address } = ports;
  const [sessionHash, stateHash] = [await sha256(back.session), await sha256(back.state)];
  // Whatever comes of it, this answer counts once.
  const begun = await store.change({ actor: somebody, action: 'rotation.answer-sign-in', subject: id }, async (tx) => {
    const link = await tx.handIns.get(id);
    refuseIf(whyNotOpen(link, tx.now));
    if (!link.signIn || link.sessionHash !== sessionHash || link.signIn.stateHash !== stateHash) {
      throw new Refusal('not_allowed', 'This sign-in was not begun in this browser, or is over. Begin it again.');
    }
    await tx.handIns.save(signInAnswered(link));
    return link.signIn;
  });
  const identity = await signIn.finish(`${address(signedInPath)}?${back.query.toString()}`, {
    state: back.state,
    nonce: begun.nonce,
    verifier: begun.verifier,
  });
  if ('refused' in identity) {
    const refusal = new Refusal('not_allowed', `You could not be signed in. ${identity.refused}`);
    await store.refused({ actor: somebody, action: 'rotation.sign-in', subject: id }, refusal);
    throw refusal;
  }
  const session = freshToken();
  const newHash = await sha256(session);
  const about = await aboutLink(ports, id);
  const actor = { kind: 'slack-user', id: identity.slackId } as const;
  await store.change({ actor, action: 'rotation.sign-in', subject: id, keyId: about.keyId }, async (tx) => {
    const who = await tx.people.bySlackId(identity.slackId);
    if (!who || who.id !== about.personId) {
      throw new Refusal(
        'not_allowed',
        'This link was given to somebody else. Use the button on the card in Slack yourself.',
      );
    }
    const { link } = await whoMayHandIn(tx, about);
    // Somebody may have begun another sign-in meanwhile; then that one counts.
    if (link.signIn || link.sessionHash !== sessionHash) refuseIf(whyNotOpen(null, tx.now));
    await tx.handIns.save(signedIn(link, newHash, tx.now));
  });
  return session;
}

/** What a link is about; none of it ever changes. @throws Refusal */
export async function aboutLink({ store }: Pick<Ports, 'store'>, id: Id<'handIn'>) {
  return store.read(async (view) => {
    const link = await view.handIns.find(id);
    if (!link) throw whyNotOpen(null, view.now)!;
    const { keyId } = await view.rotations.get(link.rotationId);
    return { id, keyId, rotationId: link.rotationId, personId: link.personId };
  });
}
export type AboutLink = Awaited<ReturnType<typeof aboutLink>>;

/** The link with its rotation, key and person, if that person may hand in a value right now. @throws Refusal */
export async function whoMayHandIn(
  view: Pick<View, 'keys' | 'people' | 'rotations' | 'handIns' | 'now'>,
  of: AboutLink,
) {
  // Key before rotation, as everywhere in this area.
  const key = await view.keys.get(of.keyId);
  const person = await view.people.get(of.personId);
  const rotation = await view.rotations.get(of.rotationId);
  const link = await view.handIns.get(of.id);
  refuseIf(whyNotOpen(link, view.now));
  refuseIf(whyNotTouch(person, 'rotation.hand-in', key));
  refuseIf(whyNotDo(rotation, 'hand-in', person));
  if (link.attempt !== rotation.attempt) refuseIf(whyNotOpen(null, view.now));
  return { key, person, rotation, link };
}
