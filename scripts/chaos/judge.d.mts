import type { ApiKey } from '../../src/inventory/model.ts';
import type { Rotation } from '../../src/rotation/model.ts';

/** Everything that was seen after a run. */
export interface Facts {
  keys: {
    number: number;
    provider: string;
    first: { version: string; value: string };
    inventory: Pick<ApiKey, 'id' | 'name' | 'currentVersion'>;
    secret: {
      stages: Record<string, string[]>;
      values: Record<string, string>;
      current: { version: string; value: string };
    };
    rotations: Rotation[];
  }[];
  providers: Record<string, { keys: { id: string; name: string; value: string; ended: boolean }[] }>;
  messages: { channel: string; ts: string; text: string; blocks: string }[];
  cards: { subject: string; channel: string | null; ts: string | null }[];
  events: { subject: string; action: string; outcome: string; facts: Record<string, unknown> }[];
  work: { name: string; status: string; last_error: string | null }[];
  log: string[];
}
export function complaintsAbout(facts: Facts): string[];
