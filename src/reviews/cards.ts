import type { Button, KnownBlock } from '@slack/types';
import { block, button, join, type Message, type Mrkdwn, md, mention, message, typed, when } from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import type { ApiKey } from '../inventory/model.ts';
import { after, byId, day, type Instant } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Audience, View } from '../ports.ts';
import type { FindingList } from './list.ts';
import { type Finding, isBeingRepaired, type Remedy, remedyOf, whyNotConfirmGone, whyNotRepair } from './model.ts';
import { narrowing, whatToDoFor } from './permissions-model.ts';

interface Story {
  isRotating: boolean;
  people: Map<string, Person>;
  now: Instant;
}
/** Where findings of several keys stand one below the other: what of the list their buttons bring back. */
interface Place {
  page: string | null;
}
const who = ({ people }: Story, id: string): Mrkdwn => {
  const person = people.get(id);
  return person ? mention(person.slackId) : md`somebody`;
};

function findingBlock(finding: Finding, key: ApiKey, story: Story, place: Place | null = null): KnownBlock {
  const { repair, sentence, keyId } = finding;
  const lines = [
    ...(place ? [headOf(key, finding, story)] : []),
    md`:mag: ${typed(sentence, 600)}`,
    md`_${typed(whatToDoFor(finding, key, story.isRotating), 300)}_`,
  ];
  if (repair) {
    if (repair.outcome === null && isBeingRepaired(finding, story.now)) {
      lines.push(
        md`:hourglass_flowing_sand: Being repaired for ${who(story, repair.by)}, since ${when(new Date(repair.askedAt))}.`,
      );
    } else if (repair.outcome === null) {
      lines.push(md`:warning: The repair for ${who(story, repair.by)} did not come through; it can be tried again.`);
    } else if (repair.outcome === 'done') {
      lines.push(md`:white_check_mark: Repaired for ${who(story, repair.by)}; it is looked at again.`);
    } else if (repair.outcome === 'refused') {
      lines.push(md`:warning: Not repaired: ${typed(repair.said ?? '', 300)}`);
    }
  }
  const text = join(lines, '\n');
  if (remedyOf(finding) === 'rotate' && !story.isRotating) {
    return block.row(text, button('rotation.start', 'Rotate', keyId, { describe: 'Rotate this key' }));
  }
  if (remedyOf(finding) === 'narrow') return block.row(text, narrowButton(key, finding, story.isRotating));
  const value = place?.page ? `${finding.id}\n${place.page}` : finding.id;
  if (!whyNotConfirmGone(finding)) return block.row(text, deletedButton(finding, value));
  if (whyNotRepair(finding, story.isRotating, story.now)) {
    if (!place) return block.text(text);
    return block.row(text, button('inventory.show', 'Show', keyId, { describe: `Show ${key.name}` }));
  }
  const confirm = {
    title: 'Repair this?',
    text: repairWords[remedyOf(finding)] ?? '',
    yes: 'Repair',
  };
  return block.row(text, button('reviews.repair', 'Repair', value, { describe: sentence, confirm }));
}

const repairWords: Partial<Record<Remedy, string>> = {
  adopt: 'The inventory takes over what the store says. The value itself stays as it is.',
  unlabel: 'The label is taken off. No value is changed.',
  'shut-out': 'Whoever is named here cannot read the secret by its policy any more. Grants stay as they are.',
};

/** What leads to a narrower key; while it is rotated, and afterwards, to the review that closes the finding. */
export function narrowButton(key: ApiKey, finding: Finding, isRotating = false): Button {
  const { by } = narrowing(key, finding, isRotating);
  if (by === 'rotation') {
    return button('rotation.start', 'Rotate', key.id, { describe: `Rotate ${key.name} to a narrower key` });
  }
  if (by === 'steps') return button('runbooks.show', 'Steps', key.id, { describe: `Steps for ${key.name}` });
  return reviewButton(key);
}

export const reviewButton = (key: ApiKey): Button =>
  button('reviews.review-permissions', 'Review permissions…', key.id, {
    describe: `Review the permissions of ${key.name}`,
  });

function deletedButton({ sentence }: Finding, value: string) {
  return button('reviews.confirm-deleted', 'I have deleted it', value, {
    describe: sentence,
    confirm: {
      title: 'Is it deleted?',
      text: 'Your word is kept as the proof that it is gone, unless its provider can be asked and says otherwise.',
      yes: 'It is deleted',
    },
  });
}

function headOf(key: ApiKey, { foundAt }: Finding, story: Story): Mrkdwn {
  return md`*${typed(key.name, 200)}* · ${typed(key.risk)} risk · ${who(story, key.ownerId)} · since ${when(foundAt, 'date')}`;
}

function listedBlocks(list: FindingList, page: string | null): KnownBlock[] {
  return list.rows.flatMap((finding) => {
    const key = list.keys.get(finding.keyId);
    const story = { isRotating: list.rotating.has(finding.keyId), people: list.people, now: list.now };
    return key ? [findingBlock(finding, key, story, { page })] : [];
  });
}

/** A page of open findings. `page` is how its buttons call it: whose, and from where on. */
export function findingsListMessage(list: FindingList, own: boolean, page: { whose: string; at: string }): Message {
  const whose = own ? md`the keys that you answer for` : md`all keys`;
  if (list.count === 0) {
    return message('No findings', [
      block.text(
        md`:white_check_mark: Nothing is known to be wrong with ${own ? whose : md`any key`}. Every key in Secrets Manager is looked at once a day.`,
      ),
    ]);
  }
  const turn = (way: string, label: string, at: string | null) =>
    at === null ? [] : [button(`reviews.turn:${way}`, label, `${page.whose}\n${at}`)];
  const differ = list.count === 1 ? md`One finding` : md`${list.count} findings`;
  return message('Findings', [
    block.text(md`*${differ} for ${whose}*, the highest risk first`),
    ...listedBlocks(list, `${page.whose}\n${page.at}`),
    block.buttons(
      ...turn('back', 'Previous', list.previous),
      ...turn('on', 'Next', list.next),
      ...turn('again', 'Refresh', page.at),
    ),
    block.small(
      md`What is in order again leaves this list by itself${list.rows.some((each) => remedyOf(each) === 'narrow') ? md`; what may do too much, by its next review` : md``}.`,
    ),
  ]);
}

/** In App Home: some of one's own findings, and how many there are. */
export function findingsAtHome(own: FindingList, everybodys: number | null): KnownBlock[] {
  const count = everybodys ?? own.count;
  if (count === 0) return [];
  const found = count === 1 ? md`1 finding` : md`${count} findings`;
  const more =
    everybodys === null ? md`${found} about your keys` : md`${found} about all keys, ${own.count} about yours`;
  return [
    block.header('Findings'),
    ...listedBlocks(own, null),
    block.small(more),
    block.buttons(button('reviews.list', 'All findings', 'home')),
  ];
}

function whyTold(key: ApiKey, audience: Audience): Mrkdwn {
  if ('channel' in audience) return md`you look after security`;
  return audience.person === key.ownerId ? md`you own this key` : md`you owned this key when it was found`;
}

/** What is wrong with a key and what can be done, in a message to those who answer for it. */
async function findingsMessage(view: View, keyId: string, audience: Audience): Promise<Message> {
  const key = await view.keys.get(keyId);
  const all = await view.findings.ofKey(keyId, 20);
  const open = all.filter((each) => each.closedAt === null);
  const ids = [key.ownerId, ...all.flatMap(({ repair }) => (repair ? [repair.by] : []))];
  const people = byId(await view.people.many([...new Set(ids)]));
  const isRotating = (await view.rotations.runningOf(keyId)) !== null;
  const story: Story = { isRotating, people, now: view.now };
  const name = md`*${typed(key.name, 200)}*`;
  const show = button('inventory.show', 'Show', key.id);
  if (open.length === 0) {
    const past = all.slice(0, 5).map((each) => {
      const by = each.repair?.outcome === 'done' ? md`, repaired by ${who(story, each.repair.by)}` : md``;
      return md`• ${typed(each.sentence, 300)} Gone ${when(each.closedAt!)}${by}.`;
    });
    return message(`${key.name} is in order again`, [
      block.text(md`:white_check_mark: ${name} is in order again.\n${join(past, '\n')}`),
      block.buttons(show),
      block.small(md`Nothing for you to do.`),
    ]);
  }
  const owner = people.get(key.ownerId);
  const last = new Date(Math.max(...open.map((each) => each.seenAt.getTime())));
  // Repairing takes a value over; who did not mean it to be there wants another.
  const rotates = !isRotating && open.some((each) => each.kind === 'other-current');
  const left = open.every((each) => remedyOf(each) === 'word');
  const wide = open.some((each) => remedyOf(each) === 'narrow');
  const onlyWide = open.every((each) => remedyOf(each) === 'narrow');
  const head = onlyWide
    ? md`:warning: *${typed(key.name, 200)} may do more than it needs.*`
    : left
      ? md`:broom: *Something is left of a rotation of ${typed(key.name, 200)}*, and only a person can delete it.`
      : md`:warning: *${typed(key.name, 200)} is not as the inventory says.*`;
  // What was put right at once is told of by this card alone.
  const righted = all.filter((each) => each.kind === 'policy-altered' && each.foundAt > after(view.now, -day));
  const title = onlyWide ? 'may do more than it needs' : 'is not as the inventory says';
  return message(left ? `Something is left of ${key.name}` : `${key.name} ${title}`, [
    block.text(head),
    ...block.facts([
      ['Owner', owner ? mention(owner.slackId) : md`nobody`],
      ['Found', when(new Date(Math.min(...open.map((each) => each.foundAt.getTime()))))],
      ['Last seen so', when(last)],
    ]),
    ...[...open, ...righted].map((each) => findingBlock(each, key, story)),
    block.buttons(
      ...(onlyWide ? [] : [button('reviews.check', 'Look again', key.id, { describe: `Look again at ${key.name}` })]),
      ...(wide ? [reviewButton(key)] : []),
      ...(rotates ? [button('rotation.start', 'Rotate', key.id, { describe: `Rotate ${key.name}` })] : []),
      show,
    ),
    block.small(
      onlyWide
        ? md`You see this because ${whyTold(key, audience)}. If nobody does anything, it stays like this until a review says that nothing is too much.`
        : left
          ? md`You see this because ${whyTold(key, audience)}. If nobody does anything, it may go on working there, and you are told of it every week.`
          : md`You see this because ${whyTold(key, audience)}. If nobody does anything, it stays like this; it is looked at again every day, and what is in order again goes by itself.`,
    ),
  ]);
}

export function reviewCards(slack: SlackDoor): void {
  slack.card('reviews.findings', findingsMessage);
}
