import { describe, expect, it } from 'vitest';
import { type Scope, whyNotSubscribe } from '../../src/calendar/model.ts';
import { tiers } from '../../src/people/model.ts';
import { aPerson, aTeam } from '../support/company.ts';

describe('who may have which calendar', () => {
  const may = {
    administrator: { own: true, company: true, 'their team': true, 'another team': true, 'a closed team': false },
    developer: { own: true, company: false, 'their team': true, 'another team': false, 'a closed team': false },
    contractor: { own: true, company: false, 'their team': false, 'another team': false, 'a closed team': false },
  } as const;

  it.each(tiers)('as %s', (tier) => {
    const person = aPerson({ tier });
    const [theirs, other, closed] = [aTeam([person]), aTeam([]), aTeam([person], { closedAt: new Date() })];
    const calendars: [keyof (typeof may)[typeof tier], Scope, typeof theirs | null][] = [
      ['own', 'own', null],
      ['company', 'company', null],
      ['their team', theirs.id, theirs],
      ['another team', other.id, other],
      ['a closed team', closed.id, closed],
    ];
    const found = calendars.map(([name, scope, team]) => [name, whyNotSubscribe(person, scope, team) === null]);
    expect(Object.fromEntries(found)).toEqual(may[tier]);
    // A team that is not there, or not the one that is meant, opens nothing.
    for (const team of [null, other]) expect(whyNotSubscribe(person, theirs.id, team)).not.toBeNull();
    for (const status of ['left', 'deactivated'] as const)
      for (const [, scope, team] of calendars)
        expect(whyNotSubscribe({ ...person, status }, scope, team)).toMatchObject({ code: 'not_allowed' });
  });
});
