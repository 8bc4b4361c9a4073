import { describe, expect, it } from 'vitest';
import { checklist, lineIds, linesOf, phases } from '../../src/incidents/checklist-model.ts';
import { deadlinesOf, endOfNextBusinessDay } from '../../src/incidents/clocks.ts';
import {
  type Happening,
  happenings,
  isWorse,
  proposedSeverity,
  type Severity,
} from '../../src/incidents/severity-model.ts';
import { environments } from '../../src/inventory/model.ts';
import { defaultPolicy } from '../../src/policy.ts';

const hows = Object.keys(happenings) as Happening[];

describe('the severity by SOP 8.2', () => {
  it('is fixed for every thing that can happen, in every environment, with and without customer data', () => {
    const expected = (how: Happening, environment: string | null, customerData: boolean | null): Severity => {
      if (how === 'misused') return 'P0';
      if (how === 'unusual' || how === 'expiring') return 'P2';
      if (how === 'finding') return 'P3';
      return environment === 'production' && customerData ? 'P0' : 'P1';
    };
    let tried = 0;
    for (const how of hows) {
      for (const environment of [...environments, null]) {
        for (const customerData of [true, false, null]) {
          const { severity, because } = proposedSeverity({ how, environment, customerData });
          expect(severity, `${how}, ${environment}, ${customerData}`).toBe(expected(how, environment, customerData));
          expect(because.length).toBeGreaterThan(10);
          tried++;
        }
      }
    }
    expect(tried).toBe(hows.length * 7 * 3);
  });

  it('gives the reason that decided, and the worst reason first', () => {
    const because = (how: Happening, environment: 'production' | 'staging' | null, customerData: boolean | null) =>
      proposedSeverity({ how, environment, customerData }).because;
    expect(because('misused', 'production', true)).toMatch(/used for harm/);
    expect(because('public', 'production', true)).toMatch(/customer data is exposed/);
    expect(because('public', 'staging', false)).toMatch(/public place/);
    expect(because('exposed', null, null)).toMatch(/not known/);
    expect(because('known', 'staging', true)).toMatch(/outside production/);
  });

  it('orders P0 before P3', () => {
    expect(isWorse('P0', 'P1')).toBe(true);
    expect(isWorse('P1', 'P1')).toBe(false);
    expect(isWorse('P3', 'P2')).toBe(false);
  });
});

describe('the checklist of SOP 8.1', () => {
  it('has its sixteen lines in their order, four with each clock', () => {
    expect(lineIds).toEqual(Array.from({ length: 16 }, (_, i) => `S8.1-${i + 1}`));
    for (const phase of phases) expect(linesOf(phase), phase).toHaveLength(4);
    expect(checklist['S8.1-1'].phase).toBe('immediately');
    expect(checklist['S8.1-16'].phase).toBe('week');
  });
});

describe('the clocks', () => {
  const from = new Date('2026-11-25T12:00:00Z');
  const inMinutes = (iso: string) => (Date.parse(iso) - from.getTime()) / 60_000;

  it('are those of the SOP for a P0', () => {
    const due = deadlinesOf('P0', from, defaultPolicy);
    expect(phases.map((phase) => inMinutes(due[phase]))).toEqual([5, 60, 24 * 60, 7 * 24 * 60]);
  });

  it('never ask for anything before the severity asks for a response', () => {
    const minutes = (severity: Severity) =>
      phases.map((phase) => inMinutes(deadlinesOf(severity, from, defaultPolicy)[phase]));
    expect(minutes('P1')).toEqual([60, 60, 24 * 60, 7 * 24 * 60]);
    expect(minutes('P2')).toEqual([24 * 60, 24 * 60, 24 * 60, 7 * 24 * 60]);
    // Wednesday noon: until Thursday's end of work, 29 hours later.
    expect(minutes('P3')).toEqual([29 * 60, 29 * 60, 29 * 60, 7 * 24 * 60]);
  });

  it('know the next business day in the company’s own zone', () => {
    const policy = { ...defaultPolicy, company: { ...defaultPolicy.company, timeZone: 'America/New_York' } };
    const friday = new Date('2026-11-27T20:00:00Z');
    expect(endOfNextBusinessDay(friday, policy).toISOString()).toBe('2026-11-30T22:00:00.000Z');
    const lateThursdayThere = new Date('2026-11-27T03:00:00Z');
    expect(endOfNextBusinessDay(lateThursdayThere, policy).toISOString()).toBe('2026-11-27T22:00:00.000Z');
  });
});
