import { createHash } from 'node:crypto';
import type { HttpDoor } from '../doors.ts';
import type { Ports } from '../ports.ts';
import { calendarDocument } from './calendar-document.ts';
import { fetchFeed } from './fetch-feed.ts';
import { isAddress } from './model.ts';

/** `GET /calendar/<secret>.ics`. Whatever the reason for having nothing is, the answer is the same. */
export function calendarOverHttp(
  door: Pick<HttpDoor, 'page'>,
  ports: Pick<Ports, 'store' | 'policy' | 'issuers' | 'runbooks'>,
): void {
  door.page('GET', '/calendar/:file', async ({ params }) => {
    const secret = /^([^.]+)\.ics$/.exec(params.file ?? '')?.[1];
    const found = isAddress(secret) ? await fetchFeed(ports, secret) : null;
    if (!found) return { status: 404, body: 'There is no such calendar, or not any more.\n' };
    const body = calendarDocument(found.name, found.entries, ports.policy);
    return {
      status: 200,
      headers: {
        'content-type': 'text/calendar; charset=utf-8',
        'content-disposition': 'inline; filename="keysteward.ics"',
        // The calendar itself may keep it and ask whether it has changed; nobody in between may.
        'cache-control': 'private, no-cache',
        etag: `"${createHash('sha256').update(body).digest('base64url')}"`,
        'x-robots-tag': 'noindex',
      },
      body,
    };
  });
}
