import type { AuditEvent } from '../audit/model.ts';
import { join, type Mrkdwn, md, mention, typed, when } from '../blocks.ts';
import type { Id } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { View } from '../ports.ts';

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
  'reviews.review-permissions': 'reviewed what it may do',
  'reviews.adopt': 'took over what the store says',
  'incidents.declare': 'reported it as leaked',
};

/** The last things that people care about; the steps between are in the audit log. */
export async function lastEvents(view: View, keyId: Id<'key'>, count: number): Promise<AuditEvent[]> {
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
/** Whom an event names. */
export const peopleIn = (event: AuditEvent): string[] => {
  const about = aboutWhom(event);
  return [...(event.actor.kind === 'person' ? [event.actor.id] : []), ...(about ? [about] : [])];
};

/** When, who and what, newest first. */
export function historyLines(history: AuditEvent[], people: Map<string, Person>): Mrkdwn {
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
