import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pagerDuty } from '../../src/adapters/pager.ts';
import { Refusal } from '../../src/kernel.ts';

const routingKey = 'R0UT1NGK3Y0000000000000000000042';
const alert = {
  dedupKey: 'rotation-rot_1-3',
  severity: 'critical',
  summary: 'The rotation of OpenAI API Key - Production - Search failed',
  details: { rotation: 'rot_1', condition: 'none' },
} as const;

/** PagerDuty's Events API v2, as far as we use it: alerts by dedup key, and the troubles that it is told to have. */
const pagerDutyFake = {
  url: '',
  asked: [] as { method: string; path: string; type: string; body: Record<string, unknown> }[],
  alerts: new Map<string, number>(),
  troubles: [] as number[],
  hangs: false,
};
const server = http.createServer((request, response) => {
  let text = '';
  request.on('data', (piece: Buffer) => (text += piece.toString()));
  request.on('end', () => {
    const body = JSON.parse(text) as Record<string, unknown>;
    const { method = '', url: path = '', headers } = request;
    pagerDutyFake.asked.push({ method, path, type: headers['content-type'] ?? '', body });
    if (pagerDutyFake.hangs) return request.socket.destroy();
    const trouble = pagerDutyFake.troubles.shift();
    const answer = (status: number, said: unknown, more: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...more });
      response.end(JSON.stringify(said));
    };
    if (trouble === 302) return answer(302, {}, { location: `${pagerDutyFake.url}/elsewhere` });
    if (trouble) return answer(trouble, { status: 'trouble', message: `about ${String(body.routing_key)}` });
    if (body.routing_key !== routingKey) return answer(400, { status: 'invalid event', errors: [body.routing_key] });
    const key = String(body.dedup_key);
    pagerDutyFake.alerts.set(key, (pagerDutyFake.alerts.get(key) ?? 0) + 1);
    answer(202, { status: 'success', message: 'Event processed', dedup_key: key });
  });
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  pagerDutyFake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => Object.assign(pagerDutyFake, { asked: [], alerts: new Map(), troubles: [], hangs: false }));
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const pager = (key = routingKey) => pagerDuty({ routingKey: key, url: pagerDutyFake.url });
const failureOf = (page: Promise<unknown>): Promise<Error> =>
  page.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Error) => error,
  );
const everythingIn = (error: Error) =>
  `${String(error)} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;

describe('a page to PagerDuty', () => {
  it('is one trigger in the form that the Events API v2 takes, and is known to have arrived', async () => {
    expect(await pager().page(alert)).toBe(true);
    expect(pagerDutyFake.asked).toEqual([
      {
        method: 'POST',
        path: '/v2/enqueue',
        type: 'application/json',
        body: {
          routing_key: routingKey,
          event_action: 'trigger',
          dedup_key: 'rotation-rot_1-3',
          client: 'Keysteward',
          payload: {
            summary: alert.summary,
            source: 'keysteward',
            severity: 'critical',
            custom_details: alert.details,
          },
        },
      },
    ]);
  });

  it('joins the alert that is open when it is repeated', async () => {
    await pager().page(alert);
    await pager().page(alert);
    await pager().page({ ...alert, dedupKey: 'rotation-rot_1-5' });
    expect([...pagerDutyFake.alerts]).toEqual([
      ['rotation-rot_1-3', 2],
      ['rotation-rot_1-5', 1],
    ]);
  });

  it('keeps within what PagerDuty takes, however long the texts are', async () => {
    await pager().page({ ...alert, dedupKey: 'd'.repeat(400), summary: 's'.repeat(5_000) });
    const { dedup_key, payload } = pagerDutyFake.asked[0]!.body as { dedup_key: string; payload: { summary: string } };
    expect([dedup_key.length, payload.summary.length]).toEqual([255, 1024]);
  });

  it('is sent to nobody without a routing key, and says so', async () => {
    expect(await pagerDuty({ url: pagerDutyFake.url }).page(alert)).toBe(false);
    expect(pagerDutyFake.asked).toEqual([]);
  });

  it.each([429, 500, 503])('that is answered with %i is an outage, so that the job tries again', async (status) => {
    pagerDutyFake.troubles = [status];
    const error = await failureOf(pager().page(alert));
    expect(error).not.toBeInstanceOf(Refusal);
    expect(error.message).toContain(String(status));
    expect(await pager().page(alert)).toBe(true);
    expect(pagerDutyFake.alerts.get(alert.dedupKey)).toBe(1);
  });

  it('that meets a broken connection is an outage too', async () => {
    pagerDutyFake.hangs = true;
    expect(await failureOf(pager().page(alert))).not.toBeInstanceOf(Refusal);
  });

  it('that PagerDuty does not take is final', async () => {
    const error = await failureOf(pager('another-key').page(alert));
    expect(error).toBeInstanceOf(Refusal);
    expect(error.message).toMatch(/check the routing key/);
  });

  it('goes nowhere else than it was told, whoever answers that it should', async () => {
    pagerDutyFake.troubles = [302];
    expect(await failureOf(pager().page(alert))).not.toBeInstanceOf(Refusal);
    expect(pagerDutyFake.asked.map((each) => each.path)).toEqual(['/v2/enqueue']);
  });

  it('never has the routing key in what it fails with', async () => {
    for (const trouble of [400, 401, 429, 500, 302]) {
      pagerDutyFake.troubles = [trouble];
      expect(everythingIn(await failureOf(pager().page(alert)))).not.toContain(routingKey);
    }
    pagerDutyFake.hangs = true;
    expect(everythingIn(await failureOf(pager().page(alert)))).not.toContain(routingKey);
    const nowhere = pagerDuty({ routingKey, url: 'http://127.0.0.1:1' });
    expect(everythingIn(await failureOf(nowhere.page(alert)))).not.toContain(routingKey);
  });
});
