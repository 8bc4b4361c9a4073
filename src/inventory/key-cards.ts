import type { Button, KnownBlock } from '@slack/types';
import { type Grant, liveGrant } from '../access/model.ts';
import type { AuditEvent } from '../audit/model.ts';
import { block, button, code, type Message, type Mrkdwn, md, mention, message, typed, when } from '../blocks.ts';
import { byId, type Instant } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import { diesAtOnce, type Policy } from '../policy.ts';
import type { View } from '../ports.ts';
import { type Finding, whyNotConfirmGone, whyNotRepair } from '../reviews/model.ts';
import { type PermissionReview, restrictionsInWords, whatToDoFor, whyReview } from '../reviews/permissions-model.ts';
import { conditionInWords, isPlanned, type Rotation, whyNotRotate } from '../rotation/model.ts';
import { ownInWords } from '../rotation/own-model.ts';
import { nextStartOf } from '../rotation/timing/windows-model.ts';
import { dueLine, heldBack, waitLine } from './cards.ts';
import { consumerBlocks } from './consumer-cards.ts';
import type { Consumer } from './consumer-model.ts';
import { historyLines, lastEvents, peopleIn } from './history-cards.ts';
import {
  type ApiKey,
  assessed,
  atOnceInWords,
  blockedNow,
  isUnmade,
  pausedNow,
  snoozedNow,
  startsAt,
  storages,
} from './model.ts';

interface Story {
  key: ApiKey;
  owner: Person | null;
  grants: Grant[];
  rotation: Rotation | null;
  history: AuditEvent[];
  /** Who uses it; null for those who may not know. */
  consumers: Consumer[] | null;
  /** What is wrong with it, for those who may know. */
  findings: Finding[];
  /** What somebody said of what it may do, for those who may know. */
  review: PermissionReview | null;
  people: Map<string, Person>;
  now: Instant;
}

async function storyOf(view: View, key: ApiKey, viewer: Person): Promise<Story> {
  const staff = !whyNot(viewer, 'inventory.show', key);
  const live = (await view.grants.liveOfKey(key.id)).filter((each) => liveGrant.includes(each.status));
  // Somebody who may see only what they hold learns nothing of others.
  const grants = live.filter((each) => staff || each.personId === viewer.id);
  const [rotation = null] = await view.rotations.ofKey(key.id, 1);
  const history = staff ? await lastEvents(view, key.id, 10) : [];
  const consumers = staff ? await view.consumers.ofKey(key.id) : null;
  const findings = staff ? await view.findings.openOfKey(key.id) : [];
  const review = staff ? await view.permissionReviews.find(key.id) : null;
  const movers = (consumers ?? []).flatMap((each) => (each.personId ? [each.personId] : []));
  const who = [
    key.ownerId,
    ...movers,
    ...(review ? [review.reviewedBy] : []),
    ...grants.slice(0, 8).map((each) => each.personId),
    ...history.flatMap(peopleIn),
  ];
  const people = byId(await view.people.many([...new Set(who)]));
  const owner = people.get(key.ownerId) ?? null;
  return { key, owner, grants, rotation, history, consumers, findings, review, people, now: view.now };
}

const makers: Record<string, string> = { person: 'made by a person', 'self-made': 'made by Keysteward' };

/** Everything about one key that this person may see, and what they can do with it. */
export async function keyMessage(view: View, key: ApiKey, viewer: Person, policy: Policy): Promise<Message> {
  const story = await storyOf(view, key, viewer);
  const { owner, now, history } = story;
  const { risk, reasons } = assessed(key, policy, now);
  const retired = key.status === 'retired' ? md` (retired)` : md``;
  const waits = story.rotation?.status === 'running' ? md`` : waitLine(key, policy, now);
  return message(key.name, [
    block.text(md`*${typed(key.name, 200)}*${retired}`),
    ...block.facts([
      ['Purpose', typed(key.purpose, 300)],
      ['Owner', owner ? mention(owner.slackId) : md`nobody`],
      ['May do', mayDo(story, viewer, policy)],
      ['Stored in', storedIn(key)],
      ['Ends with', key.lastFour ? code(`…${key.lastFour}`) : md`not known`],
      ['Risk', md`${typed(risk)}: ${typed(reasons.join('; '), 400)}`],
      ['New values', typed(makers[key.issuer] ?? `from ${key.issuer}`)],
      ['Last rotated', key.lastRotatedAt ? when(key.lastRotatedAt, 'date') : md`never`],
      ['Next rotation', md`${dueLine(key, now)}${heldBack(key, now)}${waits ? md` · :hourglass: ${waits}` : md``}`],
      ['Made', lifetime(key)],
    ]),
    ...permissionBlocks(story),
    ...(key.tags.length > 0 ? [block.small(md`Tags: ${typed(key.tags.join(', '), 300)}`)] : []),
    ...rotationBlocks(story, viewer),
    ...findingBlocks(story, viewer),
    ...blockedBlocks(key, now),
    ...accessBlocks(story, viewer),
    ...(story.consumers ? consumerBlocks(story.consumers, story.people, ownInWords(key, false, policy)) : []),
    ...(history.length > 0 ? [block.text(md`*History*\n${historyLines(history, story.people)}`)] : []),
    ...actionsOf(story, viewer, policy),
    block.small(outlook(story, policy), code(key.id)),
  ]);
}

/** What it may do; whoever answers for it hears that nobody has said whether it needs that. */
function mayDo({ key, review, now }: Story, viewer: Person, policy: Policy): Mrkdwn {
  const scope = typed(key.scope, 500) || md`not noted`;
  const asked = key.status === 'active' && !whyNot(viewer, 'reviews.review-permissions', key);
  const why = asked ? whyReview(key, review, policy, now) : null;
  return why ? md`${scope}\n_${typed(why[0]!.toUpperCase() + why.slice(1))}_` : scope;
}

/** What it needs, by who last looked. */
function permissionBlocks({ review, people }: Story): KnownBlock[] {
  if (!review) return [];
  const { needs, excessSince, reviewedAt, reviewedBy } = review;
  const wide = excessSince ? md`; :warning: over-permissioned since ${when(excessSince, 'date')}` : md``;
  const held = restrictionsInWords(review);
  const by = people.get(reviewedBy);
  const who = by ? md` by ${mention(by.slackId)}` : md``;
  return [
    block.text(
      md`*Needs*\n${typed(needs, 250)}${wide}${held ? md`\nRestricted: ${typed(held, 250)}` : md``}\n_Reviewed ${when(reviewedAt, 'date')}${who}_`,
    ),
  ];
}

function lifetime({ createdOn, expiresAt }: ApiKey): Mrkdwn {
  const made = createdOn ? when(createdOn, 'date') : md`not known`;
  return expiresAt ? md`${made}, ends ${when(expiresAt, 'date')}` : made;
}

function storedIn(key: ApiKey): Mrkdwn {
  const where = md`${typed(storages[key.storage])}`;
  if (!key.secretId) return where;
  return md`${where}, ${code(key.secretId)}${isUnmade(key) ? md` (being made)` : md``}`;
}

function rotationBlocks({ rotation, key, now }: Story, viewer: Person): KnownBlock[] {
  if (!rotation || (rotation.status !== 'running' && rotation.status !== 'failed')) return [];
  const head =
    rotation.status === 'running'
      ? isPlanned(rotation, now)
        ? md`:hourglass_flowing_sand: *Asked to rotate* ${when(rotation.startedAt)}, and waits for its time.`
        : md`:arrows_counterclockwise: *Rotating* since ${when(rotation.startedAt)}.`
      : md`:warning: *Its last rotation failed.* ${typed(rotation.failure ?? '', 300)}`;
  const text = md`${head} ${typed(conditionInWords(rotation))}`;
  return whyNot(viewer, 'rotation.show', key)
    ? [block.text(text)]
    : [
        block.row(
          text,
          button('rotation.show', 'Its card', rotation.id, {
            describe: `Bring up the card of the rotation of ${key.name}`,
          }),
        ),
      ];
}

/** What the schedule found missing when it wanted to start. */
function blockedBlocks(key: ApiKey, now: Instant): KnownBlock[] {
  const blocked = blockedNow(key, now);
  if (!blocked) return [];
  const why = blocked.causeId ? md`Somebody who could read it has left, and its rotation` : md`It is due and`;
  return [block.text(md`:no_entry_sign: *${why} could not be started.* ${typed(blocked.missing.join(' '), 800)}`)];
}

/** What differs from what is said above. */
function findingBlocks({ findings, key, rotation, now }: Story, viewer: Person): KnownBlock[] {
  const mayRepair = !whyNot(viewer, 'reviews.repair', key);
  const confirm = { title: 'Repair this?', text: 'As the text beside it says. No value is changed.', yes: 'Repair' };
  const deleted = {
    title: 'Is it deleted?',
    text: 'Your word is kept as the proof that it is gone.',
    yes: 'It is deleted',
  };
  return findings.map((finding) => {
    const text = md`:mag: ${typed(finding.sentence, 600)} _${typed(whatToDoFor(finding, key, rotation?.status === 'running'), 300)}_`;
    if (mayRepair && !whyNotConfirmGone(finding)) {
      return block.row(text, button('reviews.confirm-deleted', 'I have deleted it', finding.id, { confirm: deleted }));
    }
    return mayRepair && !whyNotRepair(finding, rotation?.status === 'running', now)
      ? block.row(text, button('reviews.repair', 'Repair', finding.id, { describe: finding.sentence, confirm }))
      : block.text(text);
  });
}

const shownGrants = 8;

function accessBlocks({ grants, key, people }: Story, viewer: Person): KnownBlock[] {
  if (grants.length === 0) return [block.text(md`*Access now*\nNobody.`)];
  const mayEnd = !whyNot(viewer, 'access.end', key);
  const line = (grant: Grant): Mrkdwn => {
    const who = mention(people.get(grant.personId)?.slackId ?? grant.personId);
    const until = md`until ${when(grant.endsAt)}`;
    if (grant.status === 'ending') return md`${who}, ending now`;
    if (grant.status === 'failed') return md`${who}, ${until} · :warning: not working`;
    if (grant.status === 'granting') return md`${who}, ${until} · being granted`;
    return md`${who}, ${until}${grant.principal ? md`` : md` · recorded, no technical access`}`;
  };
  const shown = grants.slice(0, shownGrants);
  const more = grants.length > shown.length ? [block.small(md`and ${grants.length - shown.length} more`)] : [];
  const confirm = { title: 'End this access?', text: 'It ends at once. They can ask again.', yes: 'End it' };
  return [
    block.text(md`*Access now*`),
    ...shown.map((grant) =>
      (mayEnd || grant.personId === viewer.id) && grant.status !== 'ending'
        ? block.row(line(grant), button('access.end', 'End', grant.id, { confirm }))
        : block.text(line(grant)),
    ),
    ...more,
  ];
}

function actionsOf({ key, rotation, now }: Story, viewer: Person, policy: Policy): KnownBlock[] {
  if (key.status !== 'active') return [];
  const may = (action: Parameters<typeof whyNot>[1]) => !whyNot(viewer, action, key);
  const running = rotation?.status === 'running' ? rotation : null;
  const rotates = may('rotation.start') && !whyNotRotate(key, running, false, policy, now);
  const buttons: Button[] = [
    button('access.request', 'Request access', key.id, { style: 'primary' }),
    ...(rotates ? [button('rotation.start', 'Rotate', key.id)] : []),
    ...(rotates && may('inventory.schedule') && !diesAtOnce(key, policy)
      ? [button('inventory.schedule', 'Schedule…', key.id)]
      : []),
    // What we make ourselves nobody has to make by hand.
    ...(may('rotation.start') && key.issuer !== 'self-made' ? [button('runbooks.show', 'Steps', key.id)] : []),
    ...(rotation && !running && may('rotation.evidence')
      ? [button('rotation.evidence', 'Evidence', rotation.id, { describe: 'Evidence of its last rotation' })]
      : []),
    ...(may('inventory.snooze') ? [button('inventory.snooze', 'Snooze…', key.id)] : []),
    ...(pausedNow(key, now)
      ? may('rotation.resume')
        ? [button('rotation.resume', 'Resume', key.id)]
        : []
      : may('rotation.pause')
        ? [button('rotation.pause', 'Pause…', key.id)]
        : []),
    ...(may('inventory.change') ? [button('inventory.change', 'Edit…', key.id)] : []),
    ...(may('reviews.review-permissions') ? [button('reviews.review-permissions', 'Review permissions…', key.id)] : []),
    ...(may('inventory.keep-consumers') ? [button('inventory.consumers', 'Consumers…', key.id)] : []),
    ...(may('inventory.hand-over') ? [button('inventory.hand-over', 'Hand over…', key.id)] : []),
    ...(may('inventory.set-risk') ? [button('inventory.set-risk', 'Set risk…', key.id)] : []),
    ...(may('inventory.retire') ? [button('inventory.retire', 'Retire…', key.id, { style: 'danger' })] : []),
  ];
  return [block.buttons(...buttons)];
}

/** What happens if nobody does anything. */
function outlook({ key, rotation, now }: Story, policy: Policy): Mrkdwn {
  if (key.status === 'retired') return md`Nobody can be given access to it, and it is not rotated any more.`;
  if (rotation?.status === 'running')
    return md`A rotation of it is under way; its card says what happens if nobody does anything. Every access ends by itself.`;
  const starts = startsAt(key);
  if (!starts || !key.nextRotationAt) return md``;
  const snooze = snoozedNow(key, now);
  if (snooze) return md`It is left alone until ${when(new Date(snooze.until), 'date')}. Every access ends by itself.`;
  if (key.issuer === 'person' && key.storage === 'secrets-manager') {
    return md`${when(nextStartOf(key, policy, now)?.at ?? starts, 'date')} its owner is asked to make a new key and to hand it in. Every access ends by itself.`;
  }
  if (key.storage === 'secrets-manager' && diesAtOnce(key, policy)) {
    return md`Its rotation never starts by itself; its owner is reminded of it. ${typed(atOnceInWords(key))} Every access ends by itself.`;
  }
  return key.storage === 'secrets-manager'
    ? md`If nobody does anything, Keysteward rotates it ${when(nextStartOf(key, policy, now)?.at ?? starts, 'date')} and every access ends by itself.`
    : md`Only a person can rotate it; its owner is reminded before ${when(key.nextRotationAt, 'date')}, when it is due. Every access ends by itself.`;
}
