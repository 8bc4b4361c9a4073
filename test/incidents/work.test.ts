import { describe, expect, it } from 'vitest';
import { changeSeverity } from '../../src/incidents/change-severity.ts';
import { type LineId, lineIds, linesOf } from '../../src/incidents/checklist-model.ts';
import { claimIncident } from '../../src/incidents/claim.ts';
import { closeIncident } from '../../src/incidents/close.ts';
import { openLines, tickOf } from '../../src/incidents/model.ts';
import { addNote } from '../../src/incidents/note.ts';
import { tickLines, untickLine } from '../../src/incidents/tick.ts';
import type { Person } from '../../src/people/model.ts';
import { aPerson, given } from '../support/company.ts';
import { saying } from '../support/desk.ts';
import { useStage } from './stage.ts';

const stage = useStage();
const refusal = (code: string) => expect.objectContaining({ name: 'Refusal', code });
const tick = (who: Person, incidentId: `inc_${string}`, lines: LineId[], note = 'seen in the dashboard') =>
  tickLines(stage.ports, who.id, { incidentId, lines, verdict: 'done', note });
const skip = (who: Person, incidentId: `inc_${string}`, lines: LineId[], note = 'does not apply to this key at all') =>
  tickLines(stage.ports, who.id, { incidentId, lines, verdict: 'skipped', note });
/** An incident that people have to work on by hand. */
const byHand = async (reporter = stage.dev) => {
  const { key } = await stage.key({ issuer: 'person' });
  return stage.declare(reporter, { keyId: key.id });
};
const lesson = 'Scan the repositories before they are published';

describe('the checklist', { timeout: 60_000 }, () => {
  it('says who ticked what and when, and calls the incident contained when nothing of "immediately" is open', async () => {
    const { id } = await byHand();
    await tick(stage.dev, id, ['S8.1-5']);
    const hand: LineId[] = ['S8.1-1', 'S8.1-2', 'S8.1-3', 'S8.1-4'];
    await expect(tick(stage.dev, id, hand, '')).rejects.toEqual(refusal('invalid'));
    const incident = await tick(stage.owner, id, hand, 'Revoked in the dashboard, ticket 4711');
    expect(incident).toMatchObject({ status: 'contained', containedAt: expect.any(Date) });
    for (const line of hand)
      expect(tickOf(incident, line)).toMatchObject({
        by: stage.owner.id,
        verdict: 'done',
        note: expect.stringContaining('4711'),
      });
    expect(tickOf(incident, 'S8.1-5')).toMatchObject({ by: stage.dev.id, at: expect.stringMatching(/Z$/) });
    await expect(tick(stage.dev, id, ['S8.1-5'])).rejects.toEqual(refusal('conflict'));
    await expect(tick(stage.dev, id, [])).rejects.toEqual(refusal('invalid'));

    const again = await untickLine(stage.ports, stage.dev.id, {
      incidentId: id,
      line: 'S8.1-1',
      why: 'It still works',
    });
    expect(again).toMatchObject({ status: 'open', containedAt: null });
    expect(openLines(again, 'immediately')).toEqual(['S8.1-1']);
    expect((await stage.trail(id)).map((each) => `${each.action} ${each.outcome}`)).toEqual([
      'incidents.open done',
      'incidents.tick done',
      'incidents.tick refused',
      'incidents.tick done',
      'incidents.tick refused',
      'incidents.tick refused',
      'incidents.untick done',
    ]);
  });

  it('is not worked on by contractors, and what the facts show cannot be opened again', async () => {
    const { key } = await stage.key();
    const { id } = await stage.declare(stage.contractor, { keyId: key.id });
    await stage.work();
    await expect(tick(stage.contractor, id, ['S8.1-5'])).rejects.toEqual(refusal('not_allowed'));
    await expect(
      untickLine(stage.ports, stage.admin.id, { incidentId: id, line: 'S8.1-1', why: 'I do not believe it' }),
    ).rejects.toEqual(refusal('conflict'));
    await expect(
      untickLine(stage.ports, stage.admin.id, { incidentId: id, line: 'S8.1-9', why: 'It is open' }),
    ).rejects.toEqual(refusal('conflict'));
  });

  it('ticked by two people at the same instant names one of them', async () => {
    const { id } = await byHand();
    const both = await Promise.allSettled([tick(stage.dev, id, ['S8.1-6']), tick(stage.owner, id, ['S8.1-6'])]);
    expect(both.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await stage.incident(id)).ticks).toHaveLength(1);
  });

  it('is skipped only by an administrator with a reason', async () => {
    const { id } = await byHand();
    await expect(skip(stage.dev, id, ['S8.1-16'])).rejects.toEqual(refusal('not_allowed'));
    await expect(skip(stage.admin, id, ['S8.1-16'], 'no')).rejects.toEqual(refusal('invalid'));
    const incident = await skip(stage.admin, id, ['S8.1-16']);
    expect(tickOf(incident, 'S8.1-16')).toMatchObject({ verdict: 'skipped', by: stage.admin.id });
    expect((await stage.trail(id)).slice(1)).toEqual([
      { action: 'incidents.skip', outcome: 'refused' },
      { action: 'incidents.skip', outcome: 'refused' },
      { action: 'incidents.skip', outcome: 'done' },
    ]);
  });
});

describe('closing', { timeout: 60_000 }, () => {
  it('is refused with any open line, and done by the lead once each is done or has a reason', async () => {
    const { id } = await byHand();
    const close = (who: Person, said = lesson) => closeIncident(stage.ports, who.id, { incidentId: id, lesson: said });
    await expect(close(stage.admin)).rejects.toThrow(/16 lines are open: "Revoke the compromised key"/);
    for (const phase of ['immediately', 'hour', 'day'] as const) await tick(stage.dev, id, linesOf(phase));
    await skip(stage.admin, id, ['S8.1-13', 'S8.1-14', 'S8.1-15']);
    await expect(close(stage.admin)).rejects.toThrow(/1 line is open: "Consider a third-party security audit"/);
    await tick(stage.dev, id, ['S8.1-16']);
    await expect(close(stage.dev)).rejects.toEqual(refusal('not_allowed'));
    await claimIncident(stage.ports, stage.dev.id, { incidentId: id, takesOver: false });
    await expect(close(stage.dev, 'ok')).rejects.toEqual(refusal('invalid'));
    const closed = await close(stage.dev);
    expect(closed).toMatchObject({ status: 'closed', closedBy: stage.dev.id, lesson });
    await expect(close(stage.admin)).rejects.toEqual(refusal('conflict'));
    await expect(addNote(stage.ports, stage.dev.id, { incidentId: id, text: 'One more thing' })).rejects.toEqual(
      refusal('conflict'),
    );
    expect((await stage.trail(id)).at(-1)).toEqual({ action: 'incidents.note', outcome: 'refused' });
  });

  it('makes room for a new incident of the same key', async () => {
    const { key } = await stage.key();
    const first = await stage.declare(stage.dev, { keyId: key.id });
    await skip(stage.admin, first.id, lineIds);
    await closeIncident(stage.ports, stage.admin.id, { incidentId: first.id, lesson });
    const second = await stage.declare(stage.dev, { keyId: key.id });
    expect(second.id).not.toBe(first.id);
    await stage.work();
    expect((await stage.incident(second.id)).status).toBe('contained');
    const rotations = await stage.database.store.read((view) => view.rotations.ofCause(second.id));
    expect(rotations).toMatchObject([{ status: 'done', condition: 'new' }]);
  });
});

describe('the lead', { timeout: 60_000 }, () => {
  it('is taken once by two who press at the same instant, and taken over only on purpose', async () => {
    const { id } = await byHand();
    const claim = (who: Person, takesOver = false) => claimIncident(stage.ports, who.id, { incidentId: id, takesOver });
    const both = await Promise.allSettled([claim(stage.dev), claim(stage.admin)]);
    expect(both.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    const leader = (await stage.incident(id)).commander;
    const other = leader === stage.dev.id ? stage.admin : stage.dev;
    await expect(claim(other)).rejects.toThrow(/Somebody else leads this already/);
    expect(await claim(other, true)).toMatchObject({ commander: other.id });
    await expect(claim(stage.contractor, true)).rejects.toEqual(refusal('not_allowed'));
  });
});

describe('the severity', { timeout: 60_000 }, () => {
  it('is changed by the reporter, the lead or an administrator, with a reason; the clocks and the page follow', async () => {
    const { key } = await stage.key();
    const { id, declaredAt } = await stage.declare(stage.contractor, { keyId: key.id, how: 'unusual' });
    await stage.work();
    expect(await stage.incident(id)).toMatchObject({ severity: 'P2', pages: [] });
    const change = (
      who: Person,
      severity: 'P0' | 'P1' | 'P2',
      reason = 'Traffic from a country where we have nobody',
    ) => changeSeverity(stage.ports, who.id, { incidentId: id, severity, reason });
    await expect(change(stage.dev, 'P0')).rejects.toEqual(refusal('not_allowed'));
    await expect(change(stage.contractor, 'P0', 'so')).rejects.toEqual(refusal('invalid'));
    await expect(change(stage.contractor, 'P2')).rejects.toEqual(refusal('conflict'));
    const raised = await change(stage.contractor, 'P0');
    expect(Date.parse(raised.deadlines.hour) - declaredAt.getTime()).toBe(60 * 60_000);
    await stage.work();
    expect(stage.pages.filter((each) => each.dedupKey === id)).toHaveLength(1);
    await change(stage.admin, 'P1');
    await change(stage.admin, 'P0');
    await stage.work();
    expect(stage.pages.filter((each) => each.dedupKey === id)).toHaveLength(1);
    const { timeline } = await stage.incident(id);
    expect(timeline.map((each) => each.text)).toContain(
      'Severity changed from P2 to P0: Traffic from a country where we have nobody',
    );
  });
});

describe('the timeline', { timeout: 60_000 }, () => {
  it('takes notes from those who work on it and from the reporter, and from nobody else', async () => {
    const { id } = await byHand(stage.contractor);
    const stranger = aPerson({ tier: 'contractor' });
    await given(stage.database.store, { people: [stranger] });
    const note = (who: Person, text = 'The repository was made private at noon') =>
      addNote(stage.ports, who.id, { incidentId: id, text });
    await note(stage.contractor);
    await note(stage.dev, 'Billing shows nothing unusual');
    await expect(note(stranger)).rejects.toEqual(refusal('not_allowed'));
    await expect(note(stage.dev, ' ')).rejects.toEqual(refusal('invalid'));
    const { timeline } = await stage.incident(id);
    expect(timeline.map((each) => each.by)).toEqual([stage.contractor.id, null, stage.contractor.id, stage.dev.id]);
  });
});

describe('a clock that runs out with open lines', { timeout: 60_000 }, () => {
  const overdue = async (id: string, phase: string) =>
    stage.database.store.read((view) => view.cards.of(`incidents.overdue:${phase}-1`, id));

  it('is said once in the channel, and a P0 wakes people again, once', async () => {
    const { key } = await stage.key({ issuer: 'person', environment: 'production', flags: ['customerData'] });
    const { id } = await stage.declare(stage.dev, { keyId: key.id });
    await stage.work();
    expect(await overdue(id, 'immediately')).toEqual([]);
    await stage.runOut(id, 'immediately');
    await stage.work();
    expect(await overdue(id, 'immediately')).toMatchObject([{ channel: 'incidents', ts: expect.any(String) }]);
    const said = saying(await stage.desk.card('incidents.overdue:immediately-1', id, { channel: 'incidents' }));
    expect(said).toContain('with 3 open lines');
    expect(said).toContain('*Nobody leads it.*');
    const pages = () => stage.pages.filter((each) => each.dedupKey.startsWith(id)).map((each) => each.dedupKey);
    expect(pages()).toEqual([id, `${id}-immediately`]);

    // The job of an earlier clock comes late, or is repeated.
    await stage.database.store.pool.query(
      `update work set status = 'waiting', once_key = null, queued_at = null where name in ('incidents.deadline', 'incidents.page') and payload ->> 'incidentId' = $1 and status = 'done'`,
      [id],
    );
    await stage.work();
    expect(pages()).toEqual([id, `${id}-immediately`]);
    expect((await stage.incident(id)).overdue).toEqual(['immediately']);

    await tick(stage.dev, id, ['S8.1-1', 'S8.1-2', 'S8.1-3']);
    expect(saying(await stage.desk.card('incidents.overdue:immediately-1', id, { channel: 'incidents' }))).toContain(
      'is done, too late',
    );
  });

  it('says nothing when its lines are done, when it was moved, or when the incident is closed', async () => {
    const done = await byHand();
    await tick(stage.dev, done.id, linesOf('immediately'));
    await stage.runOut(done.id, 'immediately');

    const moved = await byHand();
    await stage.database.store.pool.query(
      `update work set run_at = now() where name = 'incidents.deadline' and payload ->> 'incidentId' = $1`,
      [moved.id],
    );

    const closed = await byHand();
    await skip(stage.admin, closed.id, lineIds);
    await closeIncident(stage.ports, stage.admin.id, { incidentId: closed.id, lesson });
    await stage.runOut(closed.id, 'hour');
    await stage.work();
    for (const { id } of [done, moved, closed]) {
      expect((await stage.incident(id)).overdue).toEqual([]);
      for (const phase of ['immediately', 'hour']) expect(await overdue(id, phase)).toEqual([]);
    }
  });

  it('tells of a P1 without waking anybody again', async () => {
    const { id } = await byHand();
    await stage.work();
    await stage.runOut(id, 'hour');
    await stage.work();
    expect(await overdue(id, 'hour')).toHaveLength(1);
    expect(stage.pages.filter((each) => each.dedupKey.startsWith(id)).map((each) => each.dedupKey)).toEqual([id]);
  });
});
