import { Refusal } from '../kernel.ts';
import type { Pager } from '../ports.ts';

export interface PagerOptions {
  /** The integration key of a PagerDuty service (Events API v2); without one nobody is paged and `page` says so. */
  routingKey?: string;
  /** E.g. https://events.pagerduty.com, or https://events.eu.pagerduty.com. */
  url: string;
}

/**
 * PagerDuty Events API v2. A page with the same `dedupKey` joins the alert that is open, so a repetition wakes nobody.
 * 400 is final; everything else that is no 202 is an outage and is retried by the job that pages.
 * https://developer.pagerduty.com/docs/send-alert-event
 */
export function pagerDuty(options: PagerOptions, send: typeof fetch = fetch): Pager {
  return {
    async page({ dedupKey, severity, summary, details }) {
      if (!options.routingKey) return false;
      const answer = await send(new URL('/v2/enqueue', options.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        redirect: 'error',
        signal: AbortSignal.timeout(10_000),
        body: JSON.stringify({
          routing_key: options.routingKey,
          event_action: 'trigger',
          dedup_key: dedupKey.slice(0, 255),
          client: 'Keysteward',
          payload: { summary: summary.slice(0, 1024), source: 'keysteward', severity, custom_details: details },
        }),
      });
      await answer.body?.cancel();
      if (answer.status === 202) return true;
      if (answer.status === 400) throw new Refusal('invalid', 'PagerDuty refused the page: check the routing key.');
      throw new Error(`PagerDuty answered ${answer.status}`);
    },
  };
}
