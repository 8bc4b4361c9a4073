CREATE TABLE rotation (
  id text PRIMARY KEY,
  key_id text NOT NULL REFERENCES api_key (id),
  cause text NOT NULL,
  cause_id text,
  asked_by text,
  reason text,
  emergency boolean NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'done', 'failed', 'rolled-back', 'superseded')),
  step text NOT NULL,
  condition text NOT NULL CHECK (condition IN ('old', 'both', 'new', 'none')),
  attempt integer NOT NULL,
  last_attempt integer NOT NULL,
  fence integer NOT NULL,
  old_version text,
  new_version text,
  old_last_four text CHECK (char_length(old_last_four) <= 4),
  new_last_four text CHECK (char_length(new_last_four) <= 4),
  tried jsonb NOT NULL,
  cleanup jsonb NOT NULL,
  ending jsonb,
  record jsonb NOT NULL,
  failure text,
  superseded_by text,
  started_at timestamptz(3) NOT NULL,
  continues_at timestamptz(3),
  touched_at timestamptz(3) NOT NULL,
  ended_at timestamptz(3)
);
--> statement-breakpoint
-- At most one rotation of a key runs.
CREATE UNIQUE INDEX rotation_running ON rotation (key_id) WHERE status = 'running';
--> statement-breakpoint
CREATE INDEX rotation_key ON rotation (key_id, started_at DESC);
--> statement-breakpoint
CREATE INDEX rotation_cause ON rotation (cause_id) WHERE cause_id IS NOT NULL;
--> statement-breakpoint
CREATE INDEX rotation_touched ON rotation (touched_at) WHERE status = 'running';
--> statement-breakpoint
-- A running rotation without work that waits or runs is found by its id.
CREATE INDEX work_rotation ON work ((payload ->> 'rotationId')) WHERE payload ? 'rotationId';
--> statement-breakpoint
-- The keys that the schedule can rotate by itself, soonest due first.
CREATE INDEX api_key_rotates ON api_key (next_rotation_at, id)
  WHERE status = 'active' AND storage = 'secrets-manager' AND secret_id IS NOT NULL AND issuer <> 'person';
