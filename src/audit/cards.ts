import { block, button, type Mrkdwn, md, mention, message, typed, when } from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import type { Actor } from '../kernel.ts';
import type { View } from '../ports.ts';
import { inWords } from './tell.ts';

/** Work that the machine gave up, as the log has it, where things are looked after. */
export function auditCards(slack: SlackDoor): void {
  slack.card('work.given-up', async (view, workId) => {
    const [latest] = (await view.audit.list({ action: 'work.', subject: workId, outcome: 'done' }, 1)).rows;
    const [event] = (await view.audit.list({ action: 'work.given-up', subject: workId }, 1)).rows;
    if (!event || !latest) return null;
    const again = latest.action === 'work.retry' ? latest : null;
    const { job, about, failures, error } = event.facts;
    const what = inWords(String(job));
    const ids = typeof about === 'object' && about !== null ? Object.values(about).map(String).join(', ') : '';
    return message(`Given up: ${what}`, [
      block.text(
        md`:warning: *Given up: ${typed(what, 100)}*\nIt failed ${Number(failures)} times, the last time ${when(event.at)}, and is not tried again by itself.`,
      ),
      ...block.facts([
        ['Last said', typed(typeof error === 'string' ? error : '', 300)],
        ['About', typed(ids, 300)],
      ]),
      ...(again
        ? [
            block.text(
              md`:repeat: Tried again ${when(again.at)} by ${await byWhom(view, again.actor)}. If it is given up once more, this says so.`,
            ),
          ]
        : [block.buttons(button('work.retry', 'Try again', workId, { style: 'primary' }))]),
      block.small(
        md`You see this because you look after Keysteward. Mend the cause, then an administrator tries it again; what is left undone meanwhile stays as it is. ${typed(workId, 60)} names it in the worker's log.`,
      ),
    ]);
  });
}

async function byWhom(view: View, actor: Actor): Promise<Mrkdwn> {
  const person = actor.kind === 'person' ? await view.people.find(actor.id) : null;
  return person ? mention(person.slackId) : md`somebody at the command line`;
}
