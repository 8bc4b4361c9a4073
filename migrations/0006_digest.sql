-- When somebody was last shown what is due of their keys. `summary` is the one of the security channel.
CREATE TABLE digest (
  id text PRIMARY KEY,
  sent_at timestamptz(3) NOT NULL
);
--> statement-breakpoint
INSERT INTO digest (id, sent_at) VALUES ('summary', now());
--> statement-breakpoint
-- The fact is shown afresh: what Slack has of the card goes, and it is posted once more.
ALTER TABLE card ADD COLUMN anew boolean NOT NULL DEFAULT false;
--> statement-breakpoint

-- When somebody has planned the next rotation for.
ALTER TABLE api_key ADD COLUMN planned_at timestamptz(3);
--> statement-breakpoint
DROP INDEX api_key_rotates;
--> statement-breakpoint
-- The keys that the schedule can rotate by itself, soonest first.
CREATE INDEX api_key_rotates ON api_key ((coalesce(planned_at, next_rotation_at)), id)
  WHERE status = 'active' AND storage = 'secrets-manager' AND secret_id IS NOT NULL AND issuer <> 'person';
--> statement-breakpoint
CREATE INDEX api_key_snoozed ON api_key (next_rotation_at, id) WHERE status = 'active' AND snooze IS NOT NULL;
--> statement-breakpoint

-- The log is read newest first by the database's clock; an id only tells events of one transaction apart.
DROP INDEX audit_event_key, audit_event_actor, audit_event_subject, audit_event_action;
--> statement-breakpoint
CREATE INDEX audit_event_key ON audit_event (key_id, occurred_at DESC, id DESC) WHERE key_id IS NOT NULL;
--> statement-breakpoint
CREATE INDEX audit_event_actor ON audit_event (actor_id, occurred_at DESC, id DESC);
--> statement-breakpoint
CREATE INDEX audit_event_subject ON audit_event (subject, occurred_at DESC, id DESC);
--> statement-breakpoint
CREATE INDEX audit_event_action ON audit_event (action text_pattern_ops, occurred_at DESC, id DESC);
--> statement-breakpoint
CREATE INDEX audit_event_refused ON audit_event (occurred_at DESC, id DESC) WHERE outcome = 'refused';
