-- What every area stands on: the audit log, work that waits, cards in Slack, requests that came in.

CREATE TABLE audit_event (
  id text PRIMARY KEY,
  occurred_at timestamptz(3) NOT NULL,
  actor_kind text NOT NULL,
  actor_id text NOT NULL,
  action text NOT NULL,
  subject text NOT NULL,
  key_id text,
  outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
  -- Exactly the bytes that were hashed (RFC 8785). Never derived again from the columns, which only serve the filters.
  canonical bytea NOT NULL,
  salt bytea NOT NULL CHECK (octet_length(salt) = 16),
  -- SHA-256(0x00 || salt || canonical)
  leaf bytea NOT NULL CHECK (octet_length(leaf) = 32)
);
--> statement-breakpoint
CREATE INDEX audit_event_time ON audit_event (occurred_at DESC, id DESC);
--> statement-breakpoint
CREATE INDEX audit_event_key ON audit_event (key_id, id DESC) WHERE key_id IS NOT NULL;
--> statement-breakpoint
CREATE INDEX audit_event_actor ON audit_event (actor_id, id DESC);
--> statement-breakpoint
CREATE INDEX audit_event_subject ON audit_event (subject, id DESC);
--> statement-breakpoint
CREATE INDEX audit_event_action ON audit_event (action text_pattern_ops, id DESC);
--> statement-breakpoint
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only: % refused', TG_OP USING ERRCODE = '42501';
END $$;
--> statement-breakpoint
CREATE TRIGGER audit_event_no_change BEFORE UPDATE OR DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
--> statement-breakpoint
CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
--> statement-breakpoint

-- Work is the truth about jobs; the queue only carries ids and may be lost at any time.
CREATE TABLE work (
  id text PRIMARY KEY,
  name text NOT NULL,
  payload jsonb NOT NULL,
  lane text NOT NULL,
  status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'running', 'done', 'dead')),
  once_key text,
  run_at timestamptz(3) NOT NULL,
  -- Handed to the queue at; null when it still has to be, or has to be again.
  queued_at timestamptz(3),
  -- A worker holds it until then; a dead worker's work is free afterwards.
  leased_until timestamptz(3),
  lease integer NOT NULL DEFAULT 0,
  failures integer NOT NULL DEFAULT 0,
  crashes integer NOT NULL DEFAULT 0,
  last_error text,
  created_at timestamptz(3) NOT NULL,
  ended_at timestamptz(3)
);
--> statement-breakpoint
CREATE INDEX work_due ON work (run_at) WHERE status = 'waiting' AND queued_at IS NULL;
--> statement-breakpoint
CREATE INDEX work_queued ON work (queued_at) WHERE status = 'waiting' AND queued_at IS NOT NULL;
--> statement-breakpoint
CREATE INDEX work_leased ON work (leased_until) WHERE status = 'running';
--> statement-breakpoint
CREATE UNIQUE INDEX work_once ON work (name, once_key) WHERE status = 'waiting' AND once_key IS NOT NULL;
--> statement-breakpoint
CREATE INDEX work_ended ON work (ended_at) WHERE status = 'done';
--> statement-breakpoint
CREATE INDEX work_dead ON work (ended_at) WHERE status = 'dead';
--> statement-breakpoint
CREATE FUNCTION work_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('keysteward_work', '');
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER work_wake AFTER INSERT ON work FOR EACH STATEMENT EXECUTE FUNCTION work_wake();
--> statement-breakpoint

CREATE TABLE schedule (
  name text PRIMARY KEY,
  cron text NOT NULL,
  zone text NOT NULL,
  next_at timestamptz(3) NOT NULL
);
--> statement-breakpoint

-- What came in, stored before it is acknowledged. Secrets that somebody pasted are taken out before.
CREATE TABLE inbox (
  dedupe_key text PRIMARY KEY,
  kind text NOT NULL,
  payload jsonb NOT NULL,
  received_at timestamptz(3) NOT NULL DEFAULT now(),
  handled_at timestamptz(3),
  tries integer NOT NULL DEFAULT 0
);
--> statement-breakpoint
CREATE INDEX inbox_open ON inbox (received_at) WHERE handled_at IS NULL;
--> statement-breakpoint
CREATE INDEX inbox_handled ON inbox (handled_at) WHERE handled_at IS NOT NULL;
--> statement-breakpoint

CREATE TABLE card (
  id text PRIMARY KEY,
  kind text NOT NULL,
  subject text NOT NULL,
  channel text,
  person_id text,
  posted_channel text,
  ts text,
  -- SHA-256 of what Slack shows now; equal means nothing to do.
  shown bytea,
  -- One process at a time brings Slack up to date.
  held_until timestamptz(3),
  created_at timestamptz(3) NOT NULL,
  CHECK ((channel IS NULL) <> (person_id IS NULL))
);
--> statement-breakpoint
CREATE UNIQUE INDEX card_once ON card (kind, subject, coalesce(channel, ''), coalesce(person_id, ''));
--> statement-breakpoint
CREATE INDEX card_subject ON card (subject);
--> statement-breakpoint

CREATE TABLE lease (
  name text PRIMARY KEY,
  holder text NOT NULL,
  held_until timestamptz(3) NOT NULL
);
