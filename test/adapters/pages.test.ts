import { request as ask } from 'node:http';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PageAsk } from '../../src/doors.ts';
import { useWeb } from '../support/web.ts';

const asked: PageAsk[] = [];
const web = useWeb();

beforeAll(() => {
  web.door.page('GET', '/feeds/:file', async (page) => {
    asked.push(page);
    if (page.params.file === 'broken') throw new Error('out of order');
    return { status: 200, headers: { 'content-type': 'text/calendar', etag: '"one"' }, body: 'hello' };
  });
  web.door.page('GET', '/forms/:name', async () => ({ status: 200, headers: { 'set-cookie': ['a=1', 'b=2'] } }));
  web.door.page('POST', '/forms/:name', async (page) => {
    asked.push(page);
    return { status: 303, headers: { location: '/elsewhere', 'referrer-policy': 'origin' } };
  });
});

describe('a page', () => {
  it('is told what stands in its path and after it, and answers with what the area says and what every page says', async () => {
    const answer = await fetch(`${web.home}/feeds/a%20b.ics?x=1&x=2`, { headers: { 'X-Word': 'yes' } });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('hello');
    const { params, query, headers, rawBody } = asked.at(-1)!;
    expect({ params, x: query.getAll('x'), word: headers['x-word'], rawBody }).toEqual({
      params: { file: 'a b.ics' },
      x: ['1', '2'],
      word: 'yes',
      rawBody: '',
    });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/calendar',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringContaining("default-src 'none'"),
    });
  });

  it('takes each method for itself; a HEAD is a GET without a body, and any other is refused', async () => {
    const posted = await fetch(`${web.home}/forms/in`, { method: 'POST', body: 'a=b', redirect: 'manual' });
    expect([posted.status, posted.headers.get('referrer-policy')]).toEqual([303, 'origin']);
    expect(asked.at(-1)!.rawBody).toBe('a=b');
    const got = await fetch(`${web.home}/forms/in`);
    expect(got.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    const head = await fetch(`${web.home}/feeds/x.ics`, { method: 'HEAD' });
    expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, '"one"', '']);
    const refused = await fetch(`${web.home}/feeds/x.ics`, { method: 'DELETE' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect((await fetch(`${web.home}/forms/in`, { method: 'PUT' })).headers.get('allow')).toBe('GET, HEAD, POST');
  });

  it('is not sent again to whoever has it already, however they say so', async () => {
    for (const tag of ['"one"', 'W/"one"', '"zero", "one"', '*']) {
      const answer = await fetch(`${web.home}/feeds/x.ics`, { headers: { 'If-None-Match': tag } });
      expect([answer.status, answer.headers.get('etag'), await answer.text()], tag).toEqual([304, '"one"', '']);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
    for (const tag of ['"two"', 'one', '', '"one']) {
      expect((await fetch(`${web.home}/feeds/x.ics`, { headers: { 'If-None-Match': tag } })).status, tag).toBe(200);
    }
  });

  it('is found by its whole path only', async () => {
    for (const path of ['/feeds', '/feeds/', '/feeds/a/b', '/Feeds/a', '/feeds/%E0%A4%A', '/feeds/a/', '//feeds/a']) {
      expect((await fetch(web.home + path)).status, path).toBe(404);
    }
  });

  it('that fails says nothing about why, and its path is logged without what stands for a name', async () => {
    const answer = await fetch(`${web.home}/feeds/broken`);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('out of order');
    expect(web.logged.join('\n')).toContain('GET /feeds/:file failed: out of order');
    expect(web.logged.join('\n')).not.toContain('/feeds/broken');
  });

  it('does not take in more than it should', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sending = ask(`${web.home}/forms/in`, { method: 'POST' }, (response) => resolve(response.statusCode));
      sending.on('error', reject);
      sending.end('x'.repeat(64_001));
    });
    expect(status).toBe(413);
  });

  it('is not given out endlessly: one address thirty times a minute, and others still are', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 31; i++) statuses.push((await fetch(`${web.home}/feeds/often.ics`)).status);
    expect(statuses).toEqual([...Array.from({ length: 30 }, () => 200), 429]);
    const refused = await fetch(`${web.home}/feeds/often.ics`);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await fetch(`${web.home}/feeds/other.ics`)).status).toBe(200);
  });
});
