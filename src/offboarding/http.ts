import { z } from 'zod';
import { type HttpDoor, saidIn } from '../doors.ts';
import { Refusal } from '../kernel.ts';
import { whyNotHrId } from '../people/model.ts';
import type { Webhooks } from '../ports.ts';
import type { OffboardingPorts } from './facts.ts';
import { type Heard, hearLeaver, hrSystem } from './hear.ts';

const Body = z.strictObject({
  person: z.strictObject({
    hrId: z
      .string()
      .refine((hrId) => !whyNotHrId(hrId), 'expected an id of 1 to 100 letters, digits and signs without spaces'),
    slackUserId: z
      .string()
      .regex(/^[UW][A-Z0-9]{2,20}$/, 'expected a Slack user id such as U012AB3CD')
      .optional(),
  }),
  event: z.literal('left', 'expected "left"'),
  effectiveAt: z.iso
    .datetime({ offset: true, error: 'expected a moment with its zone, such as 2026-11-30T17:00:00Z' })
    .transform((text) => new Date(text)),
});

const answers: Record<Heard, [status: number, sentence: string]> = {
  accepted: [202, 'Accepted. The case is shown in the security channel.'],
  duplicate: [200, 'This message was accepted before; nothing was done again.'],
  unknown: [404, 'Nobody here has this HR id or Slack id. It was kept, and the security channel was told.'],
  contradiction: [409, 'The HR id and the Slack id belong to different people. Nothing was done; people were told.'],
};

/** `POST /webhooks/hr`: the HR system says that somebody leaves. Nothing in it is believed before its signature is. */
export function offboardingOverHttp(
  door: Pick<HttpDoor, 'webhook'>,
  ports: OffboardingPorts,
  webhooks: Webhooks,
): void {
  door.webhook('hr', async ({ headers, rawBody }) => {
    const refuse = async (status: number, refusal: Refusal, subject = 'hr') => {
      await ports.store.refused({ actor: hrSystem, action: 'offboarding.hear', subject }, refusal);
      return { status, body: { error: refusal.sentence } };
    };
    if (!webhooks.ready) {
      return refuse(503, new Refusal('not_allowed', 'HR_WEBHOOK_SECRETS is not set, so no HR system is believed yet.'));
    }
    const verified = webhooks.verify(headers, rawBody);
    if ('refused' in verified) {
      return refuse(401, new Refusal('not_allowed', `The signature was not accepted. ${verified.refused}`));
    }
    const said = saidIn(rawBody, Body);
    if (said instanceof Refusal) return refuse(400, said, verified.id);
    const { person, effectiveAt } = said;
    try {
      const { heard, caseId } = await hearLeaver(ports, {
        id: verified.id,
        hrId: person.hrId,
        slackUserId: person.slackUserId ?? null,
        effectiveAt,
      });
      const [status, says] = answers[heard];
      return { status, body: { [status < 400 ? 'message' : 'error']: says, ...(caseId ? { caseId } : {}) } };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { status: error.code === 'invalid' ? 400 : 409, body: { error: error.sentence } };
    }
  });
}
