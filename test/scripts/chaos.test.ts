import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Facts } from '../../scripts/chaos/judge.mjs';
import { planned } from '../../scripts/chaos/plan.mjs';
import { newId } from '../../src/kernel.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { conditionInWords, type Rotation, steps } from '../../src/rotation/model.ts';
import { started } from '../../src/rotation/moves-model.ts';
import { aKey, aPerson } from '../support/company.ts';
import { build } from '../support/process.ts';

let complaintsAbout: (facts: Facts) => string[];
beforeAll(async () => {
  build();
  ({ complaintsAbout } = await import('../../scripts/chaos/judge.mjs'));
});

/** One key that was rotated once, and about which there is nothing to complain. */
function fine(): Facts & { rotation: Rotation; key: Facts['keys'][number] } {
  const owner = aPerson();
  const inventory = { ...aKey(owner), currentVersion: 'version-2' };
  const why = { cause: 'asked', causeId: null, askedBy: owner.id, reason: null, emergency: false } as const;
  const at = new Date().toISOString();
  const rotation: Rotation = {
    ...started(newId('rotation'), inventory, why, null, defaultPolicy, new Date()),
    status: 'done',
    condition: 'new',
    step: 'confirm',
    oldVersion: 'version-1',
    newVersion: 'version-2',
    record: steps.map((step) => ({
      step,
      attempt: 1,
      startedAt: at,
      endedAt: at,
      verdict: 'done' as const,
      evidence: `${step} is proven`,
    })),
  };
  const key = {
    number: 1,
    provider: 'openai-1',
    first: { version: 'version-1', value: 'old' },
    inventory,
    secret: {
      stages: { 'version-2': ['AWSCURRENT'] },
      values: { 'version-1': 'old', 'version-2': 'new' },
      current: { version: 'version-2', value: 'new' },
    },
    rotations: [rotation],
  };
  const text = `Rotated: ${inventory.name}`;
  return {
    rotation,
    key,
    keys: [key],
    providers: {
      'openai-1': {
        keys: [
          { id: 'key_1', name: 'made by hand', value: 'old', ended: true },
          { id: 'key_2', name: 'keysteward-1', value: 'new', ended: false },
          { id: 'other_1', name: 'other 1', value: 'theirs', ended: false },
        ],
      },
    },
    messages: [{ channel: 'D1', ts: '1', text, blocks: `${conditionInWords(rotation)} ${rotation.id}` }],
    cards: [{ subject: rotation.id, channel: 'D1', ts: '1' }],
    events: [
      { subject: inventory.id, action: 'rotation.start', outcome: 'done', facts: {} },
      ...rotation.record.map(({ step, attempt, verdict, evidence }) => ({
        subject: rotation.id,
        action: `rotation.${step}`,
        outcome: 'done',
        facts: { step, attempt, verdict, evidence },
      })),
    ],
    work: [],
    log: [],
  };
}
type Seen = ReturnType<typeof fine>;

describe('what a chaos run finds wrong', () => {
  it('is nothing where there is nothing', () => {
    expect(complaintsAbout(fine())).toEqual([]);
  });

  it.each<[string, (seen: Seen) => unknown, RegExp]>([
    [
      'an orphan',
      (s) => s.providers['openai-1']!.keys.push({ ...s.providers['openai-1']!.keys[1]!, value: '?' }),
      /orphan/,
    ],
    ['an old key that lives', (s) => (s.providers['openai-1']!.keys[0]!.ended = false), /an old value still works/],
    ['a new key that is dead', (s) => (s.providers['openai-1']!.keys[1]!.ended = true), /its value is dead/],
    ['a key of others that was ended', (s) => (s.providers['openai-1']!.keys[2]!.ended = true), /keys of others/],
    ['a stray AWSPENDING', (s) => (s.key.secret.stages['version-3'] = ['AWSPENDING']), /AWSPENDING is left/],
    ['an AWSPREVIOUS after the end', (s) => (s.key.secret.stages['version-1'] = ['AWSPREVIOUS']), /labels are left/],
    ['two current versions', (s) => (s.key.secret.stages['version-1'] = ['AWSCURRENT']), /2 versions are AWSCURRENT/],
    ['an inventory that is behind', (s) => (s.key.inventory.currentVersion = 'version-1'), /the inventory says/],
    ['a rotation that still runs', (s) => (s.rotation.status = 'running'), /still runs/],
    ['a lost step', (s) => s.rotation.record.splice(2, 1), /has lost the step "promote"/],
    ['steps in the wrong order', (s) => s.rotation.record.reverse(), /before/],
    ['an outcome that the log lacks', (s) => s.events.splice(3, 1), /the log lacks/],
    ['an outcome that was logged twice', (s) => s.events.push(s.events.at(-1)!), /2 times/],
    ['a start that was logged twice', (s) => s.events.push(s.events[0]!), /2 starts/],
    ['a card that is behind', (s) => (s.messages[0]!.text = 'Rotating: it'), /its card says "Rotating: it"/],
    ['a card that says what is not so', (s) => (s.messages[0]!.blocks = s.rotation.id), /does not say/],
    ['a card that is nowhere', (s) => (s.messages.length = 0), /nowhere in Slack/],
    ['a second card that nothing is said of', (s) => s.messages.push({ ...s.messages[0]!, ts: '2' }), /2 times/],
    ['a job that was given up', (s) => s.work.push({ name: 'j', status: 'dead', last_error: 'x' }), /is dead: x/],
    ['a broken log', (s) => s.log.push('two events share a salt'), /the audit log/],
    [
      'a rotation that says that the old value works',
      (s) => Object.assign(s.rotation, { status: 'failed', condition: 'old' }),
      /is current, not/,
    ],
    [
      'one that says that nothing works',
      (s) => Object.assign(s.rotation, { status: 'failed', condition: 'none' }),
      /nothing works/,
    ],
  ])('is %s', (_name, spoil, said) => {
    const seen = fine();
    spoil(seen);
    expect(complaintsAbout(seen).join('\n')).toMatch(said);
  });
});

describe('the plan of a chaos run', () => {
  const plan = (seed: number, rotations = 60) => planned({ rotations, seed, redis: true, ownPostgres: true });
  it('is the same for the same seed, and another for another', () => {
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });
  it('has every shape of provider, emergencies, and every kind of mishap, also in a short run', () => {
    const { keys, starts, mishaps } = plan(7, 25);
    expect(new Set(keys.map(({ shape }) => shape))).toEqual(
      new Set(['self-made', 'openai', 'sendgrid', 'azure', 'aws', 'okta', 'gitlab-rotates']),
    );
    expect(starts.some(({ emergency }) => emergency)).toBe(true);
    expect(new Set(mishaps.map(({ kind }) => kind)).size).toBe(8);
  });
});

it('a chaos run that was asked for wrongly says how to ask', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/chaos.mjs', '--rotations', 'many'], {
    encoding: 'utf8',
  });
  expect(stderr).toContain('--rotations N --seed S');
  expect(status).toBe(2);
});
