import type { View as SlackView } from '@slack/types';
import { z } from 'zod';
import { block, form, input, md, page, typed } from '../../blocks.ts';
import { type Answer, done, idField, refuseAtClick, type SlackDoor } from '../../doors.ts';
import { whyNotTouch } from '../../inventory/may-model.ts';
import type { ApiKey } from '../../inventory/model.ts';
import { idOf, refuseIf } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import type { Rotation } from '../model.ts';
import { reEnableOld } from '../re-enable.ts';
import { newerThan } from '../touch.ts';
import { claimMove, confirmMove } from './confirm.ts';
import { lackOf, unconfirmed, whyNotRetireNow } from './model.ts';
import { retireNow } from './retire-now.ts';

const RetireNowForm = z.object({
  rotationId: idField('rotation'),
  reason: z
    .string({ error: 'Say why.' })
    .trim()
    .min(10, 'Say why, in at least ten characters: it is kept in the audit log.'),
});

/** How the deployment of a new value is spoken of in Slack: who is on it, and who has the old one retired all the same. */
export function deploymentInSlack(slack: SlackDoor, ports: Ports): void {
  const { store } = ports;

  const about = (value: string) => {
    const [rotationId, consumerId] = value.split(' ');
    return { rotationId: idOf('rotation', rotationId), consumerId: idOf('consumer', consumerId) };
  };
  slack.action('rotation.confirm-move', {}, async ({ person, value }) => {
    await confirmMove(ports, person, about(value));
    return done;
  });
  slack.action('rotation.claim-move', {}, async ({ person, value }) => {
    await claimMove(ports, person, about(value));
    return done;
  });

  slack.action('rotation.re-enable', {}, async ({ person, value }) => {
    await reEnableOld(ports, person, idOf('rotation', value));
    return done;
  });

  /** What would be cut short, for those who may. */
  async function retireModal(person: Person, value: string): Promise<SlackView> {
    const { rotation, key, newer } = await store.read(async (view) => {
      const rotation = await view.rotations.get(idOf('rotation', value));
      return { rotation, key: await view.keys.get(rotation.keyId), newer: await newerThan(view, rotation) };
    });
    const wanted = { action: 'rotation.retire-now', subject: rotation.id, keyId: key.id } as const;
    await refuseAtClick(store, person, wanted, whyNotTouch(person, wanted.action, key));
    refuseIf(whyNotRetireNow(rotation, newer));
    return form('rotation.retire-now', 'Retire the old value', 'Retire now', whatIsLost(rotation, key), {
      rotationId: rotation.id,
    });
  }
  function whatIsLost(rotation: Rotation, key: ApiKey) {
    const open = unconfirmed(rotation);
    const lost =
      open.length > 0
        ? md`Not known to be on the new value:\n${typed(open.map((each) => `• ${each.name}: ${lackOf(each)}`).join('\n'), 1500)}\nWhat still uses the old value stops working at once.`
        : md`Its grace is cut short. What still uses the old value stops working at once.`;
    return [
      block.text(md`*${typed(key.name, 200)}*\n${lost}`),
      input({
        kind: 'text',
        name: 'reason',
        label: 'Why now?',
        max: 500,
        hint: 'Kept in the audit log, with your name.',
      }),
    ];
  }
  slack.action('rotation.retire-now', { opens: 'Retire the old value' }, async ({ person, value }) => ({
    open: await retireModal(person, value),
  }));
  slack.submit('rotation.retire-now', RetireNowForm, async ({ person, form: asked }): Promise<Answer> => {
    await retireNow(ports, person, asked);
    return {
      update: page('Being retired', [
        block.text(md`The old value is being retired. The rotation's card shows when it is dead.`),
      ]),
    };
  });
}
