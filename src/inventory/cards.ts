import type { Button, KnownBlock } from '@slack/types';
import { type Grant, liveGrant } from '../access/model.ts';
import type { AuditEvent } from '../audit/model.ts';
import { block, button, code, join, type Message, type Mrkdwn, md, mention, message, typed, when } from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import { byId, type Id, type Instant } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { Policy } from '../policy.ts';
import type { KeyPage, View } from '../ports.ts';
import { type Finding, whatToDo, whyNotRepair } from '../reviews/model.ts';
import { conditionInWords, type Rotation, whyNotRotate } from '../rotation/model.ts';
import { holdInWords, holdsInWords, nextStartOf } from '../rotation/timing/windows-model.ts';
import { consumerBlocks } from './consumer-cards.ts';
import type { Consumer } from './consumer-model.ts';
import {
  type ApiKey,
  assessed,
  blockedNow,
  daysOverdue,
  isUnmade,
  pausedNow,
  rotatesHere,
  snoozedNow,
  startsAt,
  storages,
} from './model.ts';

/** When a key is due, with a warning where it is late. */
export function dueLine(key: ApiKey, now: Instant): Mrkdwn {
  if (key.status === 'retired' || !key.nextRotationAt) return md`retired`;
  const late = daysOverdue(key, now);
  if (key.nextRotationAt <= now) {
    return late > 0
      ? md`:warning: overdue since ${when(key.nextRotationAt, 'date')}, ${late} ${late === 1 ? md`day` : md`days`}`
      : md`:warning: due today`;
  }
  return md`due ${when(key.nextRotationAt, 'date')}`;
}

/** A plan or a snooze that somebody made for a key; nobody who looks at it has to wonder why nothing happens. */
function heldBack(key: ApiKey, now: Instant): Mrkdwn {
  const pause = pausedNow(key, now);
  if (pause) {
    return md` · :double_vertical_bar: paused until ${when(new Date(pause.until), 'date')}: “${typed(pause.reason, 150)}”`;
  }
  if (key.plannedAt) return md` · :calendar: planned for ${when(key.plannedAt)}`;
  const snooze = snoozedNow(key, now);
  return snooze
    ? md` · :zzz: snoozed until ${when(new Date(snooze.until), 'date')}: “${typed(snooze.reason, 150)}”`
    : md``;
}

/** When the schedule will start, where that waits for a window or for the end of a freeze. */
export function waitLine(key: ApiKey, policy: Policy, now: Instant): Mrkdwn {
  const start = key.status === 'active' && rotatesHere(key) ? nextStartOf(key, policy, now) : null;
  // Its pause is said already.
  if (!start || start.holds.length === 0 || start.holds.every(({ kind }) => kind === 'pause')) return md``;
  if (!start.at)
    return md`it waits for ${typed(holdInWords(start.holds[0]!), 150)}, and the policy leaves no time after it`;
  return md`it waits for ${typed(holdsInWords(start.holds), 300)} and starts ${when(start.at)}`;
}

/** One key in a list: whose, how risky, due when, and the way to its card. */
export function keyRow(key: ApiKey, owner: Person | 'yours' | undefined, now: Instant): KnownBlock {
  const who = owner === 'yours' ? md`` : md`${owner ? mention(owner.slackId) : md`nobody`} · `;
  return block.row(
    md`*${typed(key.name, 200)}*\n${who}${typed(key.risk)} risk · ${dueLine(key, now)}${heldBack(key, now)}`,
    button('inventory.show', 'Show', key.id, { describe: `Show ${key.name}` }),
  );
}

/** A page of the inventory. `text` is the filter as it was typed; the buttons carry it to the neighbours. */
export function listMessage(page: KeyPage & { now: Instant }, owners: Map<string, Person>, text: string): Message {
  const turn = (label: string, way: string, at: string | null) =>
    at ? [button(`inventory.turn:${way}`, label, `${at}\n${text}`)] : [];
  const buttons = [...turn('Previous', 'back', page.previous), ...turn('Next', 'on', page.next)];
  const filter = text ? md`Keys for "${typed(text, 200)}", soonest due first` : md`All keys, soonest due first`;
  return message('Keys', [
    block.text(md`*${filter}*`),
    ...page.rows.map((key) => keyRow(key, owners.get(key.ownerId), page.now)),
    ...(buttons.length > 0 ? [block.buttons(...buttons)] : []),
    ...(page.previous || page.next ? [] : [block.small(md`${page.rows.length} in all.`)]),
  ]);
}

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
  const movers = (consumers ?? []).flatMap((each) => (each.personId ? [each.personId] : []));
  const who = [
    key.ownerId,
    ...movers,
    ...grants.slice(0, 8).map((each) => each.personId),
    ...history.flatMap(peopleIn),
  ];
  const people = byId(await view.people.many([...new Set(who)]));
  const owner = people.get(key.ownerId) ?? null;
  return { key, owner, grants, rotation, history, consumers, findings, people, now: view.now };
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
      ['May do', typed(key.scope, 500) || md`not noted`],
      ['Stored in', storedIn(key)],
      ['Ends with', key.lastFour ? code(`…${key.lastFour}`) : md`not known`],
      ['Risk', md`${typed(risk)}: ${typed(reasons.join('; '), 400)}`],
      ['New values', typed(makers[key.issuer] ?? `from ${key.issuer}`)],
      ['Last rotated', key.lastRotatedAt ? when(key.lastRotatedAt, 'date') : md`never`],
      ['Next rotation', md`${dueLine(key, now)}${heldBack(key, now)}${waits ? md` · :hourglass: ${waits}` : md``}`],
      ['Made', lifetime(key)],
    ]),
    ...(key.tags.length > 0 ? [block.small(md`Tags: ${typed(key.tags.join(', '), 300)}`)] : []),
    ...rotationBlocks(story, viewer),
    ...findingBlocks(story, viewer),
    ...blockedBlocks(key, now),
    ...accessBlocks(story, viewer),
    ...(story.consumers ? consumerBlocks(story.consumers, story.people) : []),
    ...(history.length > 0 ? [block.text(md`*History*\n${historyLines(story)}`)] : []),
    ...actionsOf(story, viewer, policy),
    block.small(outlook(story, policy), code(key.id)),
  ]);
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

function rotationBlocks({ rotation, key }: Story, viewer: Person): KnownBlock[] {
  if (!rotation || (rotation.status !== 'running' && rotation.status !== 'failed')) return [];
  const head =
    rotation.status === 'running'
      ? md`:arrows_counterclockwise: *Rotating* since ${when(rotation.startedAt)}.`
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
  return findings.map((finding) => {
    const text = md`:mag: ${typed(finding.sentence, 400)} _${typed(whatToDo(finding), 250)}_`;
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

const did: Record<string, string> = {
  'inventory.add': 'added it',
  'inventory.make-secret': 'made its value',
  'inventory.change': 'changed its facts',
  'inventory.hand-over': 'handed it over',
  'inventory.set-risk': 'set its risk',
  'inventory.reassess': 'raised its risk',
  'inventory.retire': 'retired it',
  'inventory.snooze': 'silenced its reminders',
  'inventory.schedule': 'scheduled its rotation',
  'inventory.add-consumer': 'recorded who uses it',
  'inventory.change-consumer': 'changed who uses it',
  'inventory.remove-consumer': 'removed who used it',
  'access.request': 'asked for access',
  'access.approve': 'approved a request',
  'access.deny': 'denied a request',
  'access.withdraw': 'withdrew a request',
  'access.grant': 'gave access',
  'access.end': 'ended an access',
  'access.end-all': 'ended every access',
  'access.repair': "repaired the secret's policy",
  'rotation.start': 'started a rotation',
  'rotation.drill': 'started a drill',
  'rotation.pause': 'paused its rotation',
  'rotation.resume': 'resumed its rotation',
  'rotation.confirm': 'finished a rotation',
  'rotation.retry': 'took a rotation up again',
  'rotation.roll-back': 'rolled a rotation back',
  'reviews.adopt': 'took over what the store says',
  'incidents.declare': 'reported it as leaked',
};

/** The last things that people care about; the steps between are in the audit log. */
async function lastEvents(view: View, keyId: Id<'key'>, count: number): Promise<AuditEvent[]> {
  const found: AuditEvent[] = [];
  let before: string | null = null;
  for (let pages = 0; pages < 4 && found.length < count; pages++) {
    const page: { rows: AuditEvent[]; next: string | null } = await view.audit.list(
      { keyId, outcome: 'done' },
      100,
      before,
    );
    found.push(...page.rows.filter((each) => did[each.action]));
    before = page.next;
    if (!before) break;
  }
  return found.slice(0, count);
}

/** Whom it was about, or for whom an operator did it. */
function aboutWhom({ action, actor, facts }: AuditEvent): string | null {
  if (!['access.grant', 'access.end', 'access.request', 'inventory.hand-over'].includes(action)) return null;
  const who = action === 'access.request' ? facts.by : facts.personId;
  return typeof who === 'string' && who !== actor.id ? who : null;
}
const peopleIn = (event: AuditEvent): string[] => {
  const about = aboutWhom(event);
  return [...(event.actor.kind === 'person' ? [event.actor.id] : []), ...(about ? [about] : [])];
};

function historyLines({ history, people }: Story): Mrkdwn {
  const name = (id: string) => {
    const person = people.get(id);
    return person ? mention(person.slackId) : md`somebody`;
  };
  const lines = history.map((event) => {
    const who =
      event.actor.kind === 'person'
        ? name(event.actor.id)
        : event.actor.kind === 'operator'
          ? md`An operator`
          : md`Keysteward`;
    const about = aboutWhom(event);
    const whom = about ? md` (${name(about)})` : md``;
    return md`${when(event.at)}: ${who} ${typed(did[event.action]!)}${whom}`;
  });
  return join(lines, '\n');
}

function actionsOf({ key, rotation, now }: Story, viewer: Person, policy: Policy): KnownBlock[] {
  if (key.status !== 'active') return [];
  const may = (action: Parameters<typeof whyNot>[1]) => !whyNot(viewer, action, key);
  const running = rotation?.status === 'running' ? rotation : null;
  const rotates = may('rotation.start') && !whyNotRotate(key, running, false, policy, now);
  const buttons: Button[] = [
    button('access.request', 'Request access', key.id, { style: 'primary' }),
    ...(rotates ? [button('rotation.start', 'Rotate', key.id)] : []),
    ...(rotates && may('inventory.schedule') ? [button('inventory.schedule', 'Schedule…', key.id)] : []),
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
    ...(may('inventory.keep-consumers') ? [button('inventory.consumers', 'Consumers…', key.id)] : []),
    ...(may('inventory.hand-over') ? [button('inventory.hand-over', 'Hand over…', key.id)] : []),
    ...(may('inventory.set-risk') ? [button('inventory.set-risk', 'Set risk…', key.id)] : []),
    ...(may('inventory.retire') ? [button('inventory.retire', 'Retire…', key.id, { style: 'danger' })] : []),
  ];
  return [block.buttons(...buttons)];
}

/** What happens if nobody does anything. */
function outlook({ key, now }: Story, policy: Policy): Mrkdwn {
  if (key.status === 'retired') return md`Nobody can be given access to it, and it is not rotated any more.`;
  const starts = startsAt(key);
  if (!starts || !key.nextRotationAt) return md``;
  const snooze = snoozedNow(key, now);
  if (snooze) return md`It is left alone until ${when(new Date(snooze.until), 'date')}. Every access ends by itself.`;
  if (key.issuer === 'person' && key.storage === 'secrets-manager') {
    return md`${when(nextStartOf(key, policy, now)?.at ?? starts, 'date')} its owner is asked to make a new key and to hand it in. Every access ends by itself.`;
  }
  return key.storage === 'secrets-manager'
    ? md`If nobody does anything, Keysteward rotates it ${when(nextStartOf(key, policy, now)?.at ?? starts, 'date')} and every access ends by itself.`
    : md`Only a person can rotate it; its owner is reminded before ${when(key.nextRotationAt, 'date')}, when it is due. Every access ends by itself.`;
}

/** What owners are told of their keys, in messages of their own. */
export function inventoryCards(slack: SlackDoor, policy: Policy): void {
  const storyFor = async (view: View, id: string) => {
    const key = await view.keys.get(id);
    const [owner, adder] = [await view.people.find(key.ownerId), await view.people.find(key.addedBy)];
    return { key, owner, adder, now: view.now, name: md`*${typed(key.name, 200)}*` };
  };
  const show = (key: ApiKey) => block.buttons(button('inventory.show', 'Show', key.id));

  slack.card('inventory.added', async (view, id, audience, variant) => {
    const { key, adder, now, name } = await storyFor(view, id);
    const owns = 'person' in audience && audience.person === key.ownerId;
    const made = variant === 'made';
    if (made && key.status === 'retired' && key.currentVersion === null) {
      const why = md`Another secret called ${code(key.secretId ?? '')} was made in the same moment, so ${name} was not added. Add it again under another name.`;
      return message(`${key.name} was not added`, [block.text(md`:no_entry_sign: ${why}`)]);
    }
    const value = isUnmade(key)
      ? md`:hourglass_flowing_sand: Its value is being made.`
      : made
        ? md`Its value is in ${code(key.secretId ?? '')}; nobody has seen it. Whoever needs it asks for access.`
        : md``;
    const role = owns
      ? md`You answer for it: you decide who gets access, and are reminded of its rotation, ${dueLine(key, now)}.`
      : md``;
    const by =
      adder && audience && 'person' in audience && audience.person !== adder.id ? mention(adder.slackId) : md`You`;
    const said = join(
      [md`:key: ${by} added ${name}.`, value, role].filter((each) => each !== ''),
      '\n',
    );
    return message(`${key.name} is in the inventory`, [block.text(said), show(key)]);
  });

  slack.card('inventory.handed-over', async (view, id, audience) => {
    const { key, owner, now, name } = await storyFor(view, id);
    const owns = 'person' in audience && audience.person === key.ownerId;
    const said = owns
      ? md`:handshake: You answer for ${name} now: you decide who gets access, and are reminded of its rotation, ${dueLine(key, now)}.`
      : md`:handshake: You no longer answer for ${name}; ${owner ? mention(owner.slackId) : md`nobody`} does. There is nothing left for you to do.`;
    return message(`${key.name} has a new owner`, [block.text(said), ...(owns ? [show(key)] : [])]);
  });

  slack.card('inventory.risk', async (view, id) => {
    const { key, now, name } = await storyFor(view, id);
    const { risk, reasons } = assessed(key, policy, now);
    const said = md`:scales: The risk of ${name} is *${typed(risk)}* now: ${typed(reasons.join('; '), 400)}. Its rotation is ${dueLine(key, now)}.`;
    return message(`The risk of ${key.name} is ${risk} now`, [block.text(said), show(key)]);
  });
}
