import type { Actor, Id, Instant } from '../kernel.ts';

/** One line of the log, as it is read. */
export interface AuditEvent {
  id: Id<'audit'>;
  at: Instant;
  actor: Actor;
  action: string;
  subject: string;
  keyId: string | null;
  outcome: 'done' | 'refused';
  /** The sentence that was shown, for refusals. */
  reason: string | null;
  facts: Record<string, unknown>;
}

export interface AuditFilter {
  keyId?: string;
  personId?: string;
  /** An action, or an area's actions with a trailing dot: `access.`. */
  action?: string;
  from?: Instant;
  to?: Instant;
  outcome?: AuditEvent['outcome'];
  subject?: string;
}
