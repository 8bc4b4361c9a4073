import { block, md, message, typed, when } from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import { inWords } from './tell.ts';

/** Work that the machine gave up, as the log has it, where things are looked after. */
export function auditCards(slack: SlackDoor): void {
  slack.card('work.given-up', async (view, workId) => {
    const [event] = (await view.audit.list({ action: 'work.given-up', subject: workId }, 1)).rows;
    if (!event) return null;
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
      block.small(
        md`You see this because you look after Keysteward. Mend the cause, then do it again by hand; what is left undone meanwhile stays as it is. ${typed(workId, 60)} names it in the worker's log.`,
      ),
    ]);
  });
}
