import type { KnownBlock } from '@slack/types';
import { block, button, join, type Message, type Mrkdwn, md, message, typed, when } from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import { type ApiKey, atOnceInWords, daysOverdue, type Risk, risks, rotatesHere } from '../inventory/model.ts';
import { after, byId, day } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { diesAtOnce, type Policy } from '../policy.ts';
import type { View } from '../ports.ts';
import { reviewsCountFrom } from '../reviews/permissions-model.ts';
import { waitsNow } from '../rotation/by-hand/model.ts';
import { holdsInWords, nextStartOf } from '../rotation/timing/windows-model.ts';
import { type Counts, howLate, type Standing, sorted } from './model.ts';

/** More keys than this are counted, not shown. */
const shownKeys = 10;
const looked = 250;

/** An owner's digest, and the summary of all keys. Each is one message, true at every moment until the next one replaces it. */
export function digestCards(slack: SlackDoor, policy: Policy): void {
  slack.card('digest.owner', async (view, subject) => {
    const person = await view.people.find(subject);
    return person?.status === 'active' ? ownerCard(view, person, policy) : null;
  });
  slack.card('digest.summary', (view) => summaryCard(view, policy));
}

async function ownerCard(view: View, person: Person, policy: Policy): Promise<Message> {
  const { aheadDays } = policy.digest;
  const filter = { ownerId: person.id, dueBefore: after(view.now, aheadDays * day) };
  const { open, snoozed } = sorted((await view.keys.list(filter, looked)).rows, view.now);
  const counts = await view.digests.countsOf(person.id, filter.dueBefore);
  const inAll = await view.keys.count({ ownerId: person.id });
  if (inAll === 0) return calm('Your keys', md`You answer for no key, so nothing is due from you.`);
  const wide = await permissionLines(view, person, inAll, policy);
  if (counts.overdue + counts.due + counts.snoozed === 0) {
    const [soonest] = (await view.keys.list({ ownerId: person.id }, 1)).rows;
    const next = soonest?.nextRotationAt
      ? md` The next one is ${when(soonest.nextRotationAt, 'date')}: ${typed(soonest.name, 150)}.`
      : md``;
    return calm(
      'Nothing is due of your keys',
      md`:white_check_mark: Nothing is due of your ${inAll} ${inAll === 1 ? md`key` : md`keys`} in the next ${aheadDays} days.${next}`,
      wide,
    );
  }
  const lines: KnownBlock[] = [];
  for (const key of open.slice(0, shownKeys)) lines.push(...(await keyBlocks(view, key, policy)));
  const more = counts.overdue + counts.due - Math.min(open.length, shownKeys);
  return message(`Your keys: ${counts.overdue} overdue, ${counts.due} due within ${aheadDays} days`, [
    block.header('Your keys this week'),
    block.text(md`${counted(counts, aheadDays)}.`),
    ...lines,
    ...(more > 0 ? [block.text(md`and ${more} more: \`/keys list mine due\``)] : []),
    ...(snoozed.length > 0 ? snoozeBlocks(snoozed.slice(0, 8), counts.snoozed, new Map()) : []),
    ...wide,
    block.small(
      md`You get this because you own these keys. What Keysteward can rotate it rotates when it is due; everything else stays overdue, here and in the security channel's summary, until you rotate it.`,
    ),
  ]);
}

const calm = (title: string, text: Mrkdwn, more: KnownBlock[] = []): Message =>
  message(title, [block.text(text), ...more]);

/** One line for all keys, where there is something to say (SOP 4.1): no key is asked about by itself. */
async function permissionLines(
  view: View,
  { id: ownerId }: Person,
  inAll: number,
  policy: Policy,
): Promise<KnownBlock[]> {
  const unreviewed = await view.keys.count({ ownerId, reviewedBefore: reviewsCountFrom(policy, view.now) });
  const wide = await view.keys.count({ ownerId, overPermissioned: true });
  const { reviewDays } = policy.permissions;
  const lines = [
    ...(wide > 0 ? [md`${wide} may do more than needed: \`/keys list mine over-permissioned\`.`] : []),
    ...(unreviewed > 0
      ? [md`${unreviewed} of ${inAll} not reviewed within ${reviewDays} days: \`/keys list mine unreviewed\`.`]
      : []),
  ];
  return lines.length > 0 ? [block.text(join([md`*What your keys may do*`, ...lines], ' · '))] : [];
}

/** What, how late, what it means, who depends on it, and what can be done about it. */
async function keyBlocks(view: View, key: ApiKey, policy: Policy): Promise<KnownBlock[]> {
  const late = daysOverdue(key, view.now) >= 0;
  const running = await view.rotations.runningOf(key.id);
  const holders = await view.grants.countHolders(key.id);
  const [last] = running ? [] : await view.rotations.ofKey(key.id, 1);
  const failed = last && (last.status === 'failed' || last.status === 'rolled-back') ? last : null;
  const able = rotatesHere(key);
  const start = nextStartOf(key, policy, view.now);
  const state = running
    ? waitsNow(running)
      ? md`:bust_in_silhouette: Its rotation waits for a person; a message of its own says what to do.`
      : md`:arrows_counterclockwise: Being rotated now.`
    : key.plannedAt
      ? md`:calendar: Planned for ${when(key.plannedAt)}; it starts then by itself.`
      : failed
        ? md`:warning: The last rotation did not work; its card says why. Try again${diesAtOnce(key, policy) ? md`` : md`, or Keysteward does a day later`}.`
        : able && start && start.holds.length > 0
          ? md`:hourglass: It waits for ${typed(holdsInWords(start.holds), 300)}${start.at ? md` and starts ${when(start.at)}` : md``}.`
          : able && diesAtOnce(key, policy)
            ? md`Press *Rotate* when whoever uses it is ready; it never starts by itself. ${typed(atOnceInWords(key))}`
            : able
              ? key.issuer === 'person'
                ? md`Keysteward asks for a new value ${late ? md`within minutes` : md`then`}: a person has to make it at ${typed(key.service, 60)}.`
                : md`Keysteward rotates it by itself ${late ? md`within minutes` : md`then`}.`
              : md`Only a person can rotate it: make a new key at ${typed(key.service, 60)}, store it, retire the old one. *Steps* says how.`;
  const depend =
    holders === 0
      ? md`Nobody has access to it now.`
      : md`${holders} ${holders === 1 ? md`person has` : md`people have`} access to it now.`;
  const due = key.nextRotationAt ? md` (${when(key.nextRotationAt, 'date')})` : md``;
  const buttons = [
    ...(able && !running
      ? [
          button('rotation.start', 'Rotate', key.id, {
            ...(late ? { style: 'primary' as const } : {}),
            describe: `Rotate ${key.name}`,
          }),
        ]
      : []),
    ...(able && !running && !diesAtOnce(key, policy)
      ? [button('inventory.schedule', 'Schedule…', key.id, { describe: `Schedule ${key.name}` })]
      : []),
    ...(able ? [] : [button('runbooks.show', 'Steps', key.id, { describe: `Steps for ${key.name}` })]),
    ...(running ? [] : [button('inventory.snooze', 'Snooze…', key.id, { describe: `Snooze ${key.name}` })]),
    button('inventory.hand-over', 'Hand over…', key.id, { describe: `Hand over ${key.name}` }),
  ];
  return [
    block.text(
      md`${late ? md`:red_circle:` : md`:large_yellow_circle:`} *${typed(key.name, 150)}*\n*${typed(howLate(key, view.now))}*${due}. ${typed(meaning(key, policy))} ${depend}\n${state}`,
    ),
    block.buttons(...buttons),
  ];
}

/** What being late means for a key of this risk (SOP 5.1). */
function meaning(key: ApiKey, policy: Policy): string {
  const risk = `${key.risk[0]!.toUpperCase()}${key.risk.slice(1)} risk`;
  return `${risk}: a value that leaks unnoticed should stop working within ${policy.rotation.everyDays[key.risk]} days.`;
}

function snoozeBlocks(
  keys: Pick<ApiKey, 'name' | 'snooze'>[],
  inAll: number,
  people: Map<string, Person>,
): KnownBlock[] {
  const lines = keys.map(({ name, snooze }) => {
    const by = people.get(snooze!.by);
    return md`:zzz: ${typed(name, 100)} until ${when(new Date(snooze!.until), 'date')}${by ? md` by ${typed(by.name, 60)}` : md``}: “${typed(snooze!.reason, 150)}”`;
  });
  return listed(md`*Snoozed*`, lines, inAll);
}

/** A list under a heading, in blocks that stay within Slack's length whatever was typed. */
function listed(heading: Mrkdwn, lines: Mrkdwn[], inAll: number): KnownBlock[] {
  const whole = inAll > lines.length ? [...lines, md`and ${inAll - lines.length} more`] : lines;
  const chunks = Array.from({ length: Math.ceil(whole.length / 3) }, (_, i) => whole.slice(i * 3, i * 3 + 3));
  return chunks.map((some, i) => block.text(join(i === 0 ? [heading, ...some] : some, '\n')));
}

async function summaryCard(view: View, policy: Policy): Promise<Message> {
  const { aheadDays } = policy.digest;
  const standing = await view.digests.standing(after(view.now, aheadDays * day), shownKeys);
  const ids = [
    ...standing.owners.map((each) => each.ownerId),
    ...standing.snoozes.map((each) => each.snooze!.by),
    ...standing.pauses.map((each) => each.pause!.by),
    ...standing.ownerless.map((each) => each.ownerId),
  ];
  const people = byId(await view.people.many([...new Set(ids)]));
  const name = (id: string) => typed(people.get(id)?.name ?? id, 60);
  const overdue = risks.reduce((sum, risk) => sum + standing.byRisk[risk].overdue, 0);
  const head = overdue === 0 ? 'No key is overdue' : `${overdue} ${overdue === 1 ? 'key is' : 'keys are'} overdue`;
  // Names, not mentions: a summary wakes nobody. Everybody in it has a digest of their own.
  return message(head, [
    block.header(head),
    ...block.facts(risks.map((risk) => countsOf(risk, standing, aheadDays))),
    ...listed(
      md`*Owners with overdue keys*`,
      standing.owners.map(
        (each) =>
          md`${name(each.ownerId)}: ${each.overdue} overdue${each.high > 0 ? md`, ${each.high} of high risk` : md``}, the oldest since ${when(each.oldest, 'date')}`,
      ),
      standing.ownersInAll,
    ),
    ...snoozeBlocks(
      standing.snoozes,
      risks.reduce((sum, risk) => sum + standing.byRisk[risk].snoozed, 0),
      people,
    ),
    ...listed(
      md`*Paused: their rotation stands still*`,
      standing.pauses.map(
        ({ name: called, risk, pause }) =>
          md`:double_vertical_bar: ${typed(called, 100)} (${typed(risk)} risk) until ${when(new Date(pause!.until), 'date')} by ${name(pause!.by)}: “${typed(pause!.reason, 150)}”`,
      ),
      standing.pausesInAll,
    ),
    ...listed(
      md`*Without an active owner*`,
      standing.ownerless.map(
        (each) => md`:warning: ${typed(each.name, 100)} (${typed(each.risk)} risk, was ${name(each.ownerId)}’s)`,
      ),
      standing.ownerlessInAll,
    ),
    block.small(
      md`As of ${when(view.now)}; brought up to date every night and when a key is snoozed or paused.`,
      standing.ownerlessInAll > 0
        ? md`For administrators: nobody is reminded of a key without an active owner. \`/keys show\` hands it over.`
        : md`Owners have this in their direct messages, with what they can do. \`/keys digest\` brings it at any time.`,
    ),
  ]);
}

function countsOf(risk: Risk, { byRisk }: Standing, aheadDays: number): [string, Mrkdwn] {
  return [`${risk[0]!.toUpperCase()}${risk.slice(1)} risk`, counted(byRisk[risk], aheadDays)];
}

function counted({ overdue, due, snoozed }: Counts, aheadDays: number): Mrkdwn {
  return md`${overdue} overdue, ${due} due within ${aheadDays} days${snoozed > 0 ? md`, ${snoozed} snoozed` : md``}`;
}
