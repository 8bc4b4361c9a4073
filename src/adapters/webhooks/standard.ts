import { Webhook } from 'standardwebhooks';
import type { Webhooks } from '../../ports.ts';

/** Ids are kept and shown: nobody needs longer ones than this. */
const longestId = 200;

/**
 * Standard Webhooks 1.0 with symmetric secrets (`whsec_…`). Whatever was signed with one of them is believed, so that
 * they can be replaced one at a time; five minutes is how old, or how far ahead, a message may be.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function standardWebhooks(secrets: string[]): Webhooks {
  const keys = secrets.map((secret) => new Webhook(secret));
  return {
    ready: keys.length > 0,
    verify(headers, rawBody) {
      const id = headers['webhook-id'] ?? '';
      if (id.length > longestId || !/^[\x21-\x7e]*$/.test(id)) return { refused: 'The webhook-id is not one.' };
      let why = 'There is no secret to check it with.';
      for (const key of keys) {
        try {
          key.verify(rawBody, headers, { jsonParse: false });
          return { id };
        } catch (error) {
          // The package says by throwing that it does not believe a message, whatever the reason.
          why = error instanceof Error ? error.message : String(error);
        }
      }
      return { refused: `${why}.`.replace(/\.\.$/, '.') };
    },
    sign(id, at, rawBody) {
      const [newest] = keys;
      if (!newest) throw new Error('there is no secret to sign with');
      return {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': newest.sign(id, at, rawBody),
      };
    },
  };
}
