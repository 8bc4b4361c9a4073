import { beforeEach, describe, expect, it } from 'vitest';
import { openFeed } from '../../src/calendar/open-feed.ts';
import { calendarInSlack } from '../../src/calendar/slack.ts';
import { problemsOfView } from '../../src/local/slack/limits.ts';
import type { Person } from '../../src/people/model.ts';
import { aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts } from '../support/ports.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, calendarInSlack);
let ada: Person;
let olu: Person;
beforeEach(async () => {
  [ada, olu] = [aPerson({ tier: 'administrator' }), aPerson()];
  await given(test.ports.store, { people: [ada, olu] });
});

describe('/keys calendar', () => {
  it('offers what one may have, gives the address once, and nothing in that window can be pressed', async () => {
    const offered = await desk.type(olu, 'calendar');
    expect('open' in offered && problemsOfView(offered.open)).toEqual([]);
    expect(saying(offered)).toContain('Not in use');
    expect(saying(offered)).not.toContain('All keys');
    expect(saying(await desk.type(ada, 'calendar'))).toContain('All keys');

    const given_ = await desk.press(olu, 'calendar.address', 'own');
    expect(saying(given_)).toMatch(/`https:\/\/keys\.example\.com\/calendar\/[\w-]{43}\.ics`/);
    expect('update' in given_ && problemsOfView(given_.update)).toEqual([]);
    // Slack sends a window back with every click in it, and what Slack sends is stored.
    const kinds = 'update' in given_ ? given_.update.blocks.map((each) => each.type) : [];
    expect(kinds).toEqual(['section', 'section', 'context']);
    const again = saying(await desk.type(olu, 'calendar'));
    expect(again).toContain('has not been fetched yet');
    expect(again).not.toMatch(/calendar\/[\w-]{43}/);
    expect(again).toContain('New address');
  });

  it('lets whoever is no administrator any more see that theirs gives nothing, and turn it off', async () => {
    await openFeed(test.ports, ada.id, 'team');
    const former: Person = { ...ada, tier: 'developer' };
    await given(test.ports.store, { people: [former] });
    expect(saying(await desk.type(former, 'calendar'))).toContain('gives nothing any more');
    await expect(desk.press(former, 'calendar.address', 'team')).rejects.toMatchObject({ code: 'not_allowed' });
    expect(saying(await desk.press(former, 'calendar.close', 'team'))).not.toContain('All keys');
  });

  it('refuses a value that no button of ours has', async () => {
    await expect(desk.press(olu, 'calendar.address', 'everything')).rejects.toMatchObject({ code: 'not_found' });
  });
});
