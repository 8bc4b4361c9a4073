import type { SlackDoor } from '../doors.ts';
import { notThere } from '../inventory/model.ts';
import { isId } from '../kernel.ts';
import { whyNot } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { evidenceLines, evidenceView } from './evidence-cards.ts';

/** **Evidence**, on a rotation's card and on the key's. */
export function evidenceInSlack(slack: SlackDoor, { store }: Pick<Ports, 'store'>): void {
  slack.action('rotation.evidence', { opens: 'Evidence' }, async ({ person, value }) => {
    const found = await store.read(async (view) => {
      const rotation = isId('rotation', value) ? await view.rotations.find(value) : null;
      if (!rotation) return null;
      const asker = rotation.askedBy ? await view.people.find(rotation.askedBy) : null;
      return { rotation, key: await view.keys.get(rotation.keyId), asker };
    });
    if (!found) throw notThere();
    const { rotation, key, asker } = found;
    const refusal = whyNot(person, 'rotation.evidence', key);
    if (refusal) {
      const actor = { kind: 'person', id: person.id } as const;
      await store.refused({ actor, action: 'rotation.evidence', subject: rotation.id, keyId: key.id }, refusal);
      throw person.status === 'active' ? notThere() : refusal;
    }
    return { open: evidenceView(evidenceLines(rotation, key, asker)) };
  });
}
