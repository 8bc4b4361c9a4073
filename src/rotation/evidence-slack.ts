import { refuseAtClick, type SlackDoor } from '../doors.ts';
import { whyNotTouch } from '../inventory/may-model.ts';
import { idOf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { evidenceLines, evidenceView } from './evidence-cards.ts';

/** **Evidence**, on a rotation's card and on the key's. */
export function evidenceInSlack(slack: SlackDoor, { store }: Pick<Ports, 'store'>): void {
  slack.action('rotation.evidence', { opens: 'Evidence' }, async ({ person, value }) => {
    const { rotation, key, asker } = await store.read(async (view) => {
      const rotation = await view.rotations.get(idOf('rotation', value));
      const asker = rotation.askedBy ? await view.people.find(rotation.askedBy) : null;
      return { rotation, key: await view.keys.get(rotation.keyId), asker };
    });
    const wanted = { action: 'rotation.evidence', subject: rotation.id, keyId: key.id } as const;
    await refuseAtClick(store, person, wanted, whyNotTouch(person, wanted.action, key));
    return { open: evidenceView(evidenceLines(rotation, key, asker)) };
  });
}
