import type { KnownBlock } from '@slack/types';
import { describe, expect, it } from 'vitest';
import type { Answer } from '../../src/doors.ts';
import { lineIds } from '../../src/incidents/checklist-model.ts';
import { closeIncident } from '../../src/incidents/close.ts';
import { addNote } from '../../src/incidents/note.ts';
import { tickLines } from '../../src/incidents/tick.ts';
import { problemsOfMessage, problemsOfView } from '../../src/local/slack/limits.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { aPerson, given } from '../support/company.ts';
import { saying } from '../support/desk.ts';
import { quick, useStage } from './stage.ts';

const stage = useStage({
  ...quick,
  incidents: { ...quick.incidents, mentionChannelFor: ['P0'] },
});
const hostile = '<!channel> <@U0BOSS> *_`~ &lt;!here&gt; <https://evil.example|click>\n> quoted \u202e reversed';
const channel = { channel: 'incidents' };

type Shown = { type?: string; text?: string; blocks: KnownBlock[]; callback_id?: string; private_metadata?: string };
const modalOf = (answer: Answer): Shown => {
  const view = 'open' in answer ? answer.open : 'update' in answer ? answer.update : null;
  if (!view) throw new Error(`no modal in ${JSON.stringify(answer)}`);
  return view as Shown;
};
/** What Slack would refuse, and links that were cut in half. */
function wrongIn(shown: Shown): unknown[] {
  const refused = shown.type ? problemsOfView(shown) : problemsOfMessage(shown);
  const texts = shown.blocks.map((each) => (each.type === 'section' ? (each.text?.text ?? '') : ''));
  return [...refused, ...texts.filter((each) => /<[^>]*$/.test(each)).map((each) => `cut in half: ${each.slice(-50)}`)];
}
const press = (actionId: string, fields: Record<string, unknown>, context: Record<string, string> = {}) =>
  stage.desk.press(stage.dev, actionId, '', { fields, context });

describe('the report form', { timeout: 60_000 }, () => {
  it('opens from the command, from both shortcuts and from App Home, prefilled with what is known', async () => {
    const { key } = await stage.key({ service: 'Twilio', purpose: 'Voice of the hotline' });
    const only = modalOf(await stage.desk.type(stage.contractor, 'incident twilio hotline'));
    expect(JSON.stringify(only.blocks)).toContain(`"initial_option":{"value":"${key.id}"`);
    expect(saying(await stage.desk.type(stage.dev, 'incident no-such-thing'))).toContain('No key matches');
    expect(modalOf(await stage.desk.type(stage.dev, 'incident')).callback_id).toBe('incidents.declare');
    expect(modalOf(await press('incidents.declare', {})).callback_id).toBe('incidents.declare');
    const { shortcuts } = stage.desk.registry;
    const caller = { person: stage.dev, channel: 'C0GENERAL' };
    const global = await shortcuts.get('incidents.declare')!.run({ ...caller, message: null });
    expect(modalOf(global).callback_id).toBe('incidents.declare');
    const message = { channel: 'C0GENERAL', ts: '1764000000.000100', text: 'sk-live-do-not-copy-me' };
    const reported = modalOf(await shortcuts.get('incidents.report-message')!.run({ ...caller, message }));
    expect(JSON.parse(reported.private_metadata!)).toEqual({ seenChannel: 'C0GENERAL', seenTs: '1764000000.000100' });
    expect(saying(reported.blocks)).toContain('<https://slack.com/archives/C0GENERAL/p1764000000000100|this message>');
    expect(JSON.stringify(reported)).not.toContain('do-not-copy-me');
  });

  it('shows at each choice how severe it is, why, and what pressing Report does, and keeps what was typed', async () => {
    const { key } = await stage.key({ environment: 'production', flags: ['customerData'] });
    await stage.holder(key);
    const first = saying(await press('leakedKey', { leakedKey: key.id }));
    expect(first).toContain('Choose the key and what happened');
    const fields = { leakedKey: key.id, leakHow: 'known', what: 'A laptop was stolen' };
    const p0 = saying(await press('leakHow', fields, { seenChannel: 'C0GENERAL', seenTs: '1764000000.000100' }));
    for (const said of [
      '*P0*, because a production key that reaches customer data is exposed.',
      'On-call is paged.',
      'The card appears in #incidents and calls everybody in it',
      `<@${stage.owner.slackId}> gets it as the owner`,
      'Access ends at once for one person.',
      'A new value replaces it, ahead of everything else.',
      'A laptop was stolen',
      'this message',
    ])
      expect(p0).toContain(said);
    const p3 = saying(await press('leakHow', { ...fields, leakHow: 'finding' }));
    expect(p3).toContain('Nobody is paged for P3');
    expect(p3).toContain('Nothing is changed by itself');
    const unknown = { leakedKey: 'unlisted', leakHow: 'public', leakReach: 'customerData', which: 'Mailgun sending' };
    const unlisted = saying(await press('leakReach', unknown));
    expect(unlisted).toContain('*P0*');
    expect(unlisted).toContain('Mailgun sending');
    expect(unlisted).toContain('Nothing can be ended or replaced by itself');
    await stage.declare(stage.dev, { keyId: key.id });
    expect(saying(await press('leakHow', fields))).toContain('Your report joins the P0 incident');
    await stage.work();
  });

  it('offers "not in the inventory" with every search, and asks which key it is then', async () => {
    const suggest = stage.desk.registry.suggestions.get('leakedKey')!;
    for (const query of ['', 'nothing like this exists']) {
      const options = await suggest({ person: stage.contractor, query });
      expect(options.at(-1)).toMatchObject({ value: 'unlisted' });
    }
    const send = (fields: Record<string, unknown>) => stage.desk.send(stage.dev, 'incidents.declare', fields);
    await expect(send({ leakedKey: 'unlisted', leakHow: 'public' })).rejects.toMatchObject({ field: 'which' });
    await expect(send({ leakedKey: 'key_forged', leakHow: 'public' })).rejects.toThrow(/Choose the key/);
    await expect(send({ leakedKey: 'unlisted', which: 'Some key' })).rejects.toThrow(/Choose what happened/);
    const forged = { seenChannel: '<!channel>', seenTs: '1' };
    await send({ leakedKey: 'unlisted', leakHow: 'public', which: 'A Mailgun key', ...forged });
    const open = await stage.database.store.read((view) => view.incidents.open(100));
    expect(open.find((each) => each.which === 'A Mailgun key')!.seen).toBeNull();
    await stage.work();
  });
});

describe('@channel', { timeout: 60_000 }, () => {
  it('is said in a message of its own for the severities of the policy, and for nothing that somebody typed', async () => {
    const calls = () =>
      stage.slack
        .of('chat.postMessage')
        .filter((each) => JSON.stringify(each.args.blocks).includes('<!channel>'))
        .map((each) => each.args.channel);
    const before = calls().length;
    const { key: staging } = await stage.key({ purpose: `Staging ${hostile}` });
    await stage.declare(stage.dev, { keyId: staging.id, what: hostile });
    await stage.work();
    expect(calls()).toHaveLength(before);
    const { key } = await stage.key({ environment: 'production', flags: ['customerData'], purpose: `Prod ${hostile}` });
    await stage.declare(stage.dev, { keyId: key.id, what: hostile });
    await stage.declare(stage.admin, { keyId: key.id, what: hostile });
    await stage.work();
    expect(calls().slice(before)).toEqual(['incidents']);
    expect(defaultPolicy.incidents.mentionChannelFor).toEqual([]);
  });
});

describe('the card', { timeout: 60_000 }, () => {
  it('cannot be broken or forged by anything that was typed, at any length', async () => {
    const long = hostile.repeat(40);
    const { key } = await stage.key({ service: long.slice(0, 60), purpose: `${long.slice(0, 200)}${Math.random()}` });
    const { id } = await stage.declare(stage.dev, { keyId: key.id, what: `${'&'.repeat(900)}${long}` });
    const which = `${hostile}${Math.random()}`;
    const other = await stage.declare(stage.dev, { which, what: long });
    for (const incidentId of [id, other.id]) {
      for (const text of [hostile, '&'.repeat(1000)]) await addNote(stage.ports, stage.dev.id, { incidentId, text });
      const note = '&<>*'.repeat(125);
      await tickLines(stage.ports, stage.admin.id, { incidentId, lines: lineIds, verdict: 'skipped', note });
      for (const audience of [channel, { person: stage.dev.id }, { person: stage.contractor.id }]) {
        const shown = (await stage.desk.card('incidents.card', incidentId, audience))!;
        expect(wrongIn(shown)).toEqual([]);
        const said = saying(shown.blocks);
        expect(said).not.toMatch(/<!channel>|<!here>|<@U0BOSS>|<https:\/\/evil/);
        expect(said).not.toContain('\u202e');
      }
      for (const action of ['timeline', 'untick', 'note', 'change-severity', 'close']) {
        const modal = modalOf(await stage.desk.press(stage.admin, `incidents.${action}`, incidentId));
        expect(wrongIn(modal), action).toEqual([]);
        expect(saying(modal.blocks)).not.toMatch(/<!channel>|<@U0BOSS>/);
      }
    }
    await stage.work();
  });

  it('stays within its limits with a timeline that is full', async () => {
    const { id } = await stage.declare(stage.dev, { which: 'A full timeline' });
    await stage.database.store.pool.query(
      `update incident set timeline = (select jsonb_agg(jsonb_build_object('at', '2026-11-25T12:00:00.000Z', 'by', null, 'text', repeat('&', 1000))) from generate_series(1, 400)) where id = $1`,
      [id],
    );
    await expect(addNote(stage.ports, stage.dev.id, { incidentId: id, text: 'One more' })).rejects.toThrow(
      /400 entries/,
    );
    const modal = modalOf(await stage.desk.press(stage.dev, 'incidents.timeline', id));
    expect(wrongIn(modal)).toEqual([]);
    expect(saying(modal.blocks)).toContain('The newest 95 of 400 entries');
    expect(wrongIn((await stage.desk.card('incidents.card', id, channel))!)).toEqual([]);
  });

  it('has no dead buttons, and shows each viewer only what they may press', async () => {
    const { key } = await stage.key({ issuer: 'person', storage: 'elsewhere', secretId: null });
    const { id } = await stage.declare(stage.contractor, { keyId: key.id });
    const joined = aPerson({ tier: 'contractor' });
    await given(stage.database.store, { people: [joined] });
    await stage.declare(joined, { keyId: key.id });
    const buttons = async (audience: { channel: string } | { person: `usr_${string}` }) =>
      ((await stage.desk.card('incidents.card', id, audience))!.blocks as KnownBlock[]).flatMap((each) =>
        each.type === 'actions' ? each.elements.map((element) => element.action_id!) : [],
      );
    expect(await buttons(channel)).toEqual([
      'incidents.tick',
      'incidents.claim',
      'incidents.change-severity',
      'incidents.note',
      'incidents.timeline',
    ]);
    expect(await buttons({ person: stage.contractor.id })).toEqual(['incidents.change-severity', 'incidents.note']);
    expect(await buttons({ person: joined.id })).toEqual([]);
    expect(await buttons({ person: stage.dev.id })).not.toContain('incidents.change-severity');
    for (const action of await buttons(channel)) expect(stage.desk.registry.actions.has(action), action).toBe(true);
    for (const action of ['incidents.tick', 'incidents.timeline', 'incidents.close', 'incidents.claim']) {
      await expect(stage.desk.press(joined, action, id)).rejects.toMatchObject({ code: 'not_allowed' });
    }
    expect((await stage.trail(id)).filter((each) => each.outcome === 'refused').map((each) => each.action)).toEqual([
      'incidents.tick',
      'incidents.close',
      'incidents.claim',
    ]);
    await expect(stage.desk.press(stage.dev, 'incidents.tick', 'inc_forged')).rejects.toMatchObject({
      code: 'not_found',
    });
    const skip = { lines: lineIds, verdict: 'skipped', note: 'it was only a drill' } as const;
    await tickLines(stage.ports, stage.admin.id, { incidentId: id, ...skip });
    expect(await buttons({ person: stage.admin.id })).toContain('incidents.close');
    await closeIncident(stage.ports, stage.admin.id, { incidentId: id, lesson: 'Nothing: it was a drill' });
    expect(await buttons(channel)).toEqual(['incidents.timeline']);
  });
});

describe('working in Slack', { timeout: 60_000 }, () => {
  it('goes from the first press to the closed card, with each answer in words', async () => {
    const { key } = await stage.key({ issuer: 'person' });
    const { id } = await stage.declare(stage.dev, { keyId: key.id });
    const send = (callbackId: string, fields: Record<string, unknown>) =>
      stage.desk.send(stage.admin, callbackId, { incidentId: id, ...fields });
    await stage.desk.press(stage.admin, 'incidents.claim', id);
    const modal = modalOf(await stage.desk.press(stage.admin, 'incidents.tick', id));
    const groups = modal.blocks.filter((each) => each.type === 'input' && each.element.type === 'checkboxes');
    expect(groups.map((each) => each.block_id)).toEqual(['immediately', 'hour', 'day', 'week']);
    expect(saying(modalOf(await stage.desk.press(stage.dev, 'incidents.tick', id)).blocks)).not.toContain(
      'Not needed here',
    );
    await send('incidents.change-severity', { severity: 'P2', reason: 'The key was never used anywhere' });
    await send('incidents.note', { note: 'The provider was called' });
    const said = await send('incidents.tick', {
      immediately: lineIds.slice(0, 4),
      hour: lineIds.slice(4, 8),
      day: [],
      note: 'Revoked at the provider',
    });
    expect(saying(said)).toContain('8 lines are still open');
    await send('incidents.untick', { line: 'S8.1-6', note: 'Billing lags by a day' });
    await expect(send('incidents.tick', { note: 'nothing chosen' })).rejects.toMatchObject({ code: 'invalid' });
    await expect(send('incidents.untick', { line: 'forged', note: 'x' })).rejects.toThrow(/Choose a line/);
    await expect(stage.desk.press(stage.admin, 'incidents.close', id)).rejects.toThrow(/9 lines are open/);
    const rest = { hour: ['S8.1-6'], day: lineIds.slice(8, 12), week: lineIds.slice(12) };
    await send('incidents.tick', { ...rest, verdict: 'skipped', note: 'the key was never used anywhere' });
    expect(modalOf(await stage.desk.press(stage.admin, 'incidents.close', id)).callback_id).toBe('incidents.close');
    await send('incidents.close', { lesson: 'Keys are made only when they are needed' });
    await stage.work();
    const shown = saying(await stage.desk.card('incidents.card', id, channel));
    expect(shown).toContain('P2 incident, closed');
    expect(shown).toContain('Keys are made only when they are needed');
    expect(shown).toContain(':fast_forward: Check billing for unexpected charges');
    const timeline = saying(modalOf(await stage.desk.press(stage.dev, 'incidents.timeline', id)).blocks);
    for (const text of ['Leads this incident', 'The provider was called', 'Open again: Check billing', 'Closed:'])
      expect(timeline).toContain(text);
  });

  it('starts with the button first in App Home, and lists what is open to those whom it concerns', async () => {
    const { key } = await stage.key({ issuer: 'person', purpose: 'Shown at home' });
    await stage.declare(stage.contractor, { keyId: key.id });
    const stranger = aPerson({ tier: 'contractor' });
    await given(stage.database.store, { people: [stranger] });
    for (const person of [stage.dev, stage.contractor, stranger]) {
      const [first] = await stage.desk.home(person);
      expect(JSON.stringify(first)).toContain('"action_id":"incidents.declare"');
    }
    expect(saying(await stage.desk.home(stage.contractor))).toContain('Shown at home');
    expect(saying(await stage.desk.home(stranger))).not.toContain('Shown at home');
    expect(saying(await stage.desk.home(stage.admin))).toContain('Open incidents');
  });
});
