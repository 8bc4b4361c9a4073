import { describe, expect, it } from 'vitest';
import { newId } from '../../src/kernel.ts';
import { problemsOfView } from '../../src/local/slack/limits.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { evidenceLines, evidenceView } from '../../src/rotation/evidence-cards.ts';
import { evidenceInSlack } from '../../src/rotation/evidence-slack.ts';
import type { Rotation } from '../../src/rotation/model.ts';
import { started } from '../../src/rotation/moves-model.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts } from '../support/ports.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, evidenceInSlack);
const owner = aPerson({ name: 'Olu' });
const key = aKey(owner, { secretId: 'prod/openai' });
const why = {
  cause: 'asked' as const,
  causeId: null,
  askedBy: owner.id,
  reason: 'audit of the year',
  emergency: false,
};
const rotation: Rotation = {
  ...started(newId('rotation'), key, why, null, defaultPolicy, new Date('2026-11-01T10:00:00Z')),
  status: 'done',
  condition: 'new',
  oldLastFour: 'aaaa',
  newLastFour: 'bbbb',
  endedAt: new Date('2026-11-01T11:05:09Z'),
  record: [
    {
      step: 'generate',
      attempt: 1,
      startedAt: '2026-11-01T10:00:01Z',
      endedAt: '2026-11-01T10:00:02Z',
      verdict: 'done',
      evidence: 'version v2',
    },
    {
      step: 'test',
      attempt: 1,
      startedAt: '2026-11-01T10:00:02Z',
      endedAt: '2026-11-01T10:00:03Z',
      verdict: 'refused',
      evidence: '401',
    },
    { step: 'generate', attempt: 2, startedAt: '2026-11-01T10:00:04Z', endedAt: null, verdict: null, evidence: null },
  ],
};

describe('the evidence of a rotation', () => {
  it('has each step with when, how it ended and what proves it, who asked, and what works now', () => {
    const text = evidenceLines(rotation, key, owner).join('\n');
    for (const line of [
      `Rotation of ${key.name}`,
      `Rotation ${rotation.id}, key ${key.id}, secret prod/openai`,
      `Asked for by: Olu (${owner.id})`,
      'Reason given: audit of the year',
      'Started: 2026-11-01 10:00:00 UTC',
      'Ended: 2026-11-01 11:05:09 UTC',
      'Old value: …aaaa',
      'New value: …bbbb',
      'The new value works; the old one is dead.',
      '1. Make a new value and store it: done 2026-11-01 10:00:02 UTC; version v2',
      '2. Test it: did not pass 2026-11-01 10:00:03 UTC; 401',
      '(attempt 2): begun 2026-11-01 10:00:04 UTC, not ended',
      `/keys audit ${key.id}`,
    ])
      expect(text).toContain(line);
  });

  it('fits into a window however long it is, and can be copied as it is', () => {
    const long = {
      ...rotation,
      reason: '```<@U1>',
      record: Array.from({ length: 120 }, () => ({ ...rotation.record[0]!, evidence: 'e'.repeat(300) })),
    };
    const view = evidenceView(evidenceLines(long, key, null));
    expect(problemsOfView(view)).toEqual([]);
    const shown = saying(view);
    expect(shown.match(/e{300}/g)).toHaveLength(120);
    expect(shown).not.toContain('<@U1>');
    expect(shown).toContain('nobody; started by Keysteward');
  });

  it('is shown to whoever may see the key, and to nobody else', async () => {
    const contractor = aPerson({ tier: 'contractor' });
    await given(test.ports.store, { people: [owner, contractor], keys: [key] });
    await test.ports.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' },
      (tx) => tx.rotations.save(rotation),
    );
    expect(saying(await desk.press(owner, 'rotation.evidence', rotation.id))).toContain('Started: 2026-11-01');
    await expect(desk.press(contractor, 'rotation.evidence', rotation.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(desk.press(owner, 'rotation.evidence', 'rot_nothing')).rejects.toMatchObject({ code: 'not_found' });
  });
});
