import {
  block,
  button,
  code,
  join,
  literal,
  type Message,
  type Mrkdwn,
  md,
  mention,
  message,
  typed,
  when,
} from '../blocks.ts';
import { administratorsToAsk, type SlackDoor } from '../doors.ts';
import type { ApiKey } from '../inventory/model.ts';
import { byId } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Audience, View } from '../ports.ts';
import { type AccessRequest, type Grant, inWords, stillNeeds } from './model.ts';

interface Story {
  request: AccessRequest;
  key: ApiKey;
  asker: Person;
  grant: Grant | null;
  people: Map<string, Person>;
  /** Who can say which IAM identity is the asker's. */
  administrators: Mrkdwn;
}

async function storyOf(view: View, requestId: string): Promise<Story> {
  const request = await view.requests.get(requestId);
  const people = await view.people.many([
    request.askedBy,
    ...request.asked,
    ...request.decisions.map((each) => each.by),
  ]);
  const asker = people.find((each) => each.id === request.askedBy)!;
  return {
    request,
    key: await view.keys.get(request.keyId),
    asker,
    grant: request.status === 'approved' ? await view.grants.ofRequest(request.id) : null,
    people: byId(people),
    administrators: await administratorsToAsk(view, asker.slackId),
  };
}

/** Where the request stands, as a head line. */
function headOf({ request, grant }: Story): string {
  if (request.status === 'pending') return 'Access request';
  if (request.status !== 'approved') return `Access request ${request.status}`;
  const words: Record<Grant['status'], string> = {
    granting: 'Approved, being granted',
    active: grant?.principal ? 'Access active' : 'Approved, no technical access yet',
    failed: 'Approved, but not working',
    ending: 'Access ending',
    ended: 'Access ended',
  };
  return grant ? words[grant.status] : 'Approved';
}

function decisionLines({ request, people }: Story): Mrkdwn[] {
  return request.decisions.map((each) => {
    const who = mention(people.get(each.by)?.slackId ?? each.by);
    const at = when(new Date(each.at));
    if (each.verdict === 'deny') return md`:no_entry: Denied by ${who}, ${at}: ${typed(each.reason, 400)}`;
    return md`:white_check_mark: Approved by ${who}, ${at}${each.hours < request.hours ? md` for ${typed(inWords(each.hours))}` : md``}`;
  });
}

function facts({ request, key, asker }: Story) {
  return [
    ...block.facts([
      ['Who', mention(asker.slackId)],
      ['Key', typed(key.name, 200)],
      ['For how long', typed(inWords(request.hours))],
      ['Risk', md`${typed(key.risk)}${key.flags.includes('customerData') ? md`, reaches customer data` : md``}`],
      ['Use', typed(request.use, 300)],
      ['Ticket', request.ticket ? typed(request.ticket, 100) : md`none`],
    ]),
    block.text(md`*Reason*\n${typed(request.reason, 1000)}`),
  ];
}

function requestCard(story: Story, audience: Audience): Message {
  const { request, key, asker, grant, administrators } = story;
  const lines = decisionLines(story);
  const head = headOf(story);
  const blocks = [block.header(head), ...facts(story), ...(lines.length > 0 ? [block.text(join(lines, '\n'))] : [])];
  const viewer = 'person' in audience ? audience.person : null;
  if (request.status === 'pending') {
    const mine = viewer && request.decisions.some((each) => each.by === viewer);
    const why =
      viewer === key.ownerId
        ? md`You are asked because you own this key.`
        : viewer
          ? md`You are asked because you are an administrator.`
          : md`The key's owner and administrators can decide.`;
    if (!mine) {
      blocks.push(
        block.buttons(
          button('access.approve', 'Approve', request.id, {
            style: 'primary',
            describe: `Approve access for ${asker.name}`,
            ...(key.environment === 'production'
              ? {
                  confirm: {
                    title: 'Production key',
                    text: `Give ${inWords(request.hours)} of access to a production key?`,
                    yes: 'Approve',
                  },
                }
              : {}),
          }),
          button('access.approve-shorter', 'Approve shorter…', request.id),
          button('access.deny', 'Deny…', request.id, { style: 'danger' }),
        ),
      );
    }
    blocks.push(
      block.small(
        md`${why} Needs ${typed(stillNeeds(request))}. If nobody decides by ${when(request.expiresAt)}, the request expires and nothing is granted.`,
      ),
    );
  } else if (grant) {
    blocks.push(
      block.small(
        grant.status === 'failed'
          ? md`:warning: ${typed(grant.failure ?? '', 500)} Keysteward tries again by itself.`
          : statusOf(grant, administrators, mention(asker.slackId)),
      ),
    );
  } else if (request.status === 'expired') {
    blocks.push(block.small(md`Nobody decided in time. Nothing was granted.`));
  } else if (request.status === 'withdrawn') {
    blocks.push(block.small(md`Taken back ${request.closedAt ? when(request.closedAt) : md``}. Nothing was granted.`));
  }
  return message(`${head}: ${asker.name} for ${key.name}`, blocks);
}

/** What the requester sees: one message that follows their request. */
function mineCard(story: Story): Message {
  const { request, key, grant, people, administrators } = story;
  const waiting = request.asked
    .filter((id) => !request.decisions.some((each) => each.by === id))
    .map((id) => mention(people.get(id)?.slackId ?? id));
  const blocks = [
    block.text(
      md`*${request.status === 'pending' ? md`You asked for access` : typed(headOf(story))}*\n${typed(key.name, 200)} for ${typed(inWords(request.hours))}`,
    ),
  ];
  const lines = decisionLines(story);
  if (lines.length > 0) blocks.push(block.text(join(lines, '\n')));
  if (request.status === 'pending') {
    blocks.push(
      block.small(
        md`Waiting for ${waiting.length > 0 ? join(waiting.slice(0, 8), ', ') : md`an administrator`}; it needs ${typed(stillNeeds(request))}. Expires ${when(request.expiresAt)}.`,
      ),
      block.buttons(withdraw(request)),
    );
  }
  if (grant) {
    blocks.push(block.text(statusOf(grant, administrators)));
    if (grant.status === 'active' && grant.principal && key.secretId) {
      blocks.push(
        block.text(
          md`Read it where it lives, never through chat:\n\`\`\`aws secretsmanager get-secret-value --secret-id ${literal(key.secretId, 512)}\`\`\``,
        ),
      );
    }
    if (grant.status === 'active')
      blocks.push(block.buttons(button('access.extend', 'Extend', grant.id), endNow(grant)));
  }
  return message(`${headOf(story)}: ${key.name}`, blocks);
}

const told: Record<string, (story: Story) => Mrkdwn | null> = {
  denied: ({ request, key, people }) => {
    const no = request.decisions.find((each) => each.verdict === 'deny');
    return md`:no_entry: Your request for *${typed(key.name, 200)}* was denied by ${mention(people.get(no?.by ?? '')?.slackId ?? '')}: ${typed(no?.reason ?? '', 500)}`;
  },
  expired: ({ key }) =>
    md`:hourglass: Nobody decided your request for *${typed(key.name, 200)}* in time, so it expired. Ask again with \`/keys request\` if you still need it.`,
  // What it told is over when the access is; that it ended is a message of its own.
  active: ({ key, grant, administrators }) =>
    grant?.status === 'ending' || grant?.status === 'ended'
      ? null
      : grant?.status === 'active' && grant.principal
        ? md`:key: You have access to *${typed(key.name, 200)}* until ${when(grant.endsAt)}.`
        : md`:key: *${typed(key.name, 200)}*: ${grant ? statusOf(grant, administrators) : md`approved`}`,
};

export function accessCards(slack: SlackDoor): void {
  slack.card('access.request', async (view, id, audience) => requestCard(await storyOf(view, id), audience));
  slack.card('access.mine', async (view, id) => mineCard(await storyOf(view, id)));
  // A reminder goes away when nothing is left to remind of.
  slack.card('access.nudge', async (view, id, audience) => {
    const { request, key, asker } = await storyOf(view, id);
    const answered = 'person' in audience && request.decisions.some((each) => each.by === audience.person);
    if (request.status !== 'pending' || answered) return null;
    const line = md`:wave: ${mention(asker.slackId)} still waits for your decision on *${typed(key.name, 200)}*.`;
    return message(`${asker.name} still waits for your decision on ${key.name}`, [
      block.text(line),
      block.buttons(
        button('access.approve', 'Approve', request.id, { style: 'primary' }),
        button('access.approve-shorter', 'Approve shorter…', request.id),
        button('access.deny', 'Deny…', request.id, { style: 'danger' }),
      ),
      block.small(md`Expires ${when(request.expiresAt)}; then nothing is granted.`),
    ]);
  });
  slack.card('access.told', async (view, id, _audience, variant) => {
    if (variant === 'ended') {
      const grant = await view.grants.get(id);
      const key = await view.keys.get(grant.keyId);
      return message(`Your access to ${key.name} has ended`, [
        block.text(
          md`:lock: Your access to *${typed(key.name, 200)}* ended${grant.endedAt ? md` ${when(grant.endedAt)}` : md``}. ${typed(grant.endReason ?? '', 300)}.`,
        ),
        block.buttons(button('access.request', 'Ask again', key.id)),
      ]);
    }
    const story = await storyOf(view, id);
    const text = told[variant ?? '']?.(story);
    return text ? message(`About your request for ${story.key.name}`, [block.text(text)]) : null;
  });
  slack.card('access.ending', async (view, id, _audience, variant) => {
    const grant = await view.grants.get(id);
    const key = await view.keys.get(grant.keyId);
    const over = grant.status === 'ended' || grant.status === 'ending';
    const hours = Number(variant);
    const blocks = [
      block.text(
        over
          ? md`Your access to *${typed(key.name, 200)}* has ended.`
          : md`:hourglass: Your access to *${typed(key.name, 200)}* ends ${when(grant.endsAt)} (in ${typed(inWords(hours))}). If you do nothing, it ends by itself.`,
      ),
    ];
    if (!over)
      blocks.push(block.buttons(button('access.extend', 'Extend', grant.id, { style: 'primary' }), endNow(grant)));
    return message(
      over ? `Your access to ${key.name} has ended` : `Your access to ${key.name} ends in ${inWords(hours)}`,
      blocks,
    );
  });
}

export const withdraw = (request: AccessRequest) =>
  button('access.withdraw', 'Withdraw', request.id, {
    confirm: {
      title: 'Withdraw this request?',
      text: 'Nobody will be asked any more. You can ask again.',
      yes: 'Withdraw',
    },
  });

/** The same button wherever somebody sees what they hold. */
export const endNow = (grant: Grant) =>
  button('access.end', 'End now', grant.id, {
    style: 'danger',
    confirm: { title: 'End this access?', text: 'It ends at once. You can ask again at any time.', yes: 'End now' },
  });

/** One line on where a grant stands, for its holder, or for others with who that is. `administrators` can mend what it may lack. */
export function statusOf(grant: Grant, administrators: Mrkdwn, holder?: Mrkdwn): Mrkdwn {
  if (grant.status === 'granting') return md`:hourglass_flowing_sand: Being granted…`;
  if (grant.status === 'failed') return md`:warning: Not working: ${typed(grant.failure ?? 'unknown', 300)}`;
  if (grant.status === 'ending') return md`:hourglass: Ending now`;
  if (grant.status === 'ended') return md`Ended ${grant.endedAt ? when(grant.endedAt) : md``}`;
  if (grant.principal) return md`:white_check_mark: Active until ${when(grant.endsAt)} as ${code(grant.principal)}`;
  const lacks = md`:large_yellow_circle: Approved until ${when(grant.endsAt)}, but *no technical access yet*:`;
  return holder
    ? md`${lacks} which IAM user or role ${holder} is, is not known. ${administrators} can say it by \`/keys principal\`; until then the owner can hand it over safely.`
    : md`${lacks} your IAM identity is not known. Ask ${administrators} to run \`/keys principal\` for you, or the owner to hand it over safely.`;
}
