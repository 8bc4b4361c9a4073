import { createHash } from 'node:crypto';
import { block, type Message, md, typed, withNotes } from '../../blocks.ts';
import { failpoint, Later, minute } from '../../kernel.ts';
import type { Audience, CardLedger, HeldCard, Store, View } from '../../ports.ts';
import { mends } from './channels.ts';
import { rateLimitedMs, type SlackClients, slackError } from './clients.ts';

export type RenderCard = (
  view: View,
  subject: string,
  audience: Audience,
  variant: string | null,
) => Promise<Message | null>;

const holdMs = 30_000;
const digestOf = (message: Message) =>
  createHash('sha256')
    .update(JSON.stringify([message.text, message.blocks]))
    .digest('hex');

/** What Slack says when the posted copy can no longer be edited: a new one is posted instead. */
const lost = new Set([
  'message_not_found',
  'cant_update_message',
  'edit_window_closed',
  'channel_not_found',
  'is_inactive',
  'cant_delete_message',
]);
/** People whom Slack lets nobody write to. */
const gone = new Set(['account_inactive', 'user_not_found', 'channel_not_found', 'is_archived', 'not_in_channel']);
/** How often a channel that could not be reached is tried again. */
const astrayMs = 10 * minute;

/**
 * The handler of `slack.card`: renders the fact as it is now and makes Slack show that, whatever happened before.
 * Level-triggered, so a repeated, late or lost job does no harm.
 */
export function cardSync(parts: {
  store: Store;
  ledger: CardLedger;
  clients: SlackClients;
  renderers: Map<string, RenderCard>;
  warn: (message: string, facts: Record<string, unknown>) => void;
}): (payload: { cardId: string }) => Promise<void> {
  const { store, ledger, clients, renderers, warn } = parts;

  /**
   * Slack knows no idempotency for posting, and finding a message again would take the right to read everybody's. So
   * the intent is written first: whoever finds it left behind knows that there may be a copy, and says so.
   */
  async function post(card: HeldCard, target: string, message: Message): Promise<{ channel: string; ts: string }> {
    await ledger.posting(card.id);
    failpoint('slack.card:before');
    const posting = clients.bulk.chat.postMessage({
      channel: target,
      text: message.text,
      blocks: message.blocks,
      unfurl_links: false,
      unfurl_media: false,
      metadata: { event_type: 'keysteward_card', event_payload: { card: card.id } },
    });
    const posted = await posting.catch(async (error: unknown) => {
      if (slackError(error) || rateLimitedMs(error) !== null) await ledger.notPosted(card.id);
      throw error;
    });
    failpoint('slack.card:after');
    return { channel: posted.channel!, ts: posted.ts! };
  }

  /**
   * Nobody may miss a fact because a channel is wrong: while the bot cannot post there, the administrators have the card
   * in their direct messages, with the reason. Job by job, so that a mended channel gets it too.
   */
  async function sendAstray(card: HeldCard, said: string): Promise<void> {
    if (card.astray === said) return;
    const { channel, kind, subject } = card;
    warn(`cannot show ${kind} in ${channel}: ${said}; ${mends[said]}`, { cardId: card.id });
    await ledger.goneAstray(card.id, said);
    await store.change({ actor: byCards, action: 'slack.card-astray', subject: card.id }, async (tx) => {
      const administrators = await tx.people.withTier('administrator');
      for (const { id, status } of administrators)
        if (status === 'active') await tx.cards.show(kind, subject, { person: id });
      tx.note({ channel, kind, about: subject, said });
    });
  }

  async function takeAway({ postedChannel: channel, ts }: HeldCard): Promise<void> {
    if (channel && ts) await clients.bulk.chat.delete({ channel, ts }).catch(ignoreLost);
  }

  return async ({ cardId }) => {
    const card = await ledger.hold(cardId, holdMs);
    if (card === null) return;
    if (card === 'busy') throw new Later('another process is showing this card', 1_000);
    let found = false;
    let posted: { channel: string; ts: string; shown: string; anew: boolean } | null = null;
    try {
      // `access.told:approved`: what follows the colon tells several messages about one fact apart.
      const render = renderers.get(card.kind.split(':')[0]!);
      if (!render) throw new Error(`nothing renders cards of kind ${card.kind}`);
      const audience: Audience = card.personId ? { person: card.personId } : { channel: card.channel! };
      const { rendered, target } = await store.read(async (view) => ({
        rendered: await render(view, card.subject, audience, card.kind.split(':')[1] ?? null),
        target: card.personId ? ((await view.people.find(card.personId))?.slackId ?? null) : card.channel,
      }));
      if (!target) return;
      const notes = [
        ...(card.copied ? [copyNote] : []),
        ...(card.insteadOf ? [insteadNote(card.insteadOf.channel, card.insteadOf.astray)] : []),
      ];
      const shownNow = rendered && notes.length > 0 ? withNotes(rendered, notes) : rendered;
      if (!shownNow) {
        await takeAway(card);
        return;
      }
      const shown = digestOf(shownNow);
      if (card.anew) await takeAway(card);
      else if (card.ts && card.shown === shown) return;
      else if (card.postedChannel && card.ts) {
        try {
          await clients.bulk.chat.update({
            channel: card.postedChannel,
            ts: card.ts,
            text: shownNow.text,
            blocks: shownNow.blocks,
          });
          posted = { channel: card.postedChannel, ts: card.ts, shown, anew: false };
          return;
        } catch (error) {
          if (!lost.has(slackError(error) ?? '')) throw error;
        }
      }
      posted = { ...(await post(card, target, shownNow)), shown, anew: card.anew };
      if (card.astray) found = true;
    } catch (error) {
      const waitMs = rateLimitedMs(error);
      if (waitMs !== null) throw new Later('Slack asked to wait', waitMs);
      const said = slackError(error);
      if (said && card.channel && mends[said]) {
        await sendAstray(card, said);
        throw new Later(`the bot cannot post into ${card.channel}`, astrayMs);
      }
      if (said && card.personId && gone.has(said)) {
        warn(`cannot show ${card.kind} to ${card.personId}: ${said}`, { cardId });
        return;
      }
      throw error;
    } finally {
      await ledger.release(card, posted);
    }
    // The administrators' copies stay, without the line that says why they have them.
    if (found)
      await store.change({ actor: byCards, action: 'slack.card-found', subject: card.id }, (tx) =>
        tx.cards.touch(card.subject),
      );
  };
}

const byCards = { kind: 'job', id: 'slack.card' } as const;

const copyNote = block.small(
  md`If you see this message twice, the other copy is an earlier one that is no longer brought up to date.`,
);
const insteadNote = (channel: string, said: string) =>
  block.small(
    md`You see this as an administrator: it belongs into ${typed(channel, 80)}, where Keysteward cannot post (\`${typed(said, 60)}\`): ${typed(mends[said] ?? '', 200)}.`,
  );

function ignoreLost(error: unknown): void {
  if (!lost.has(slackError(error) ?? '')) throw error;
}
