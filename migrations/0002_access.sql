CREATE TABLE access_request (
  id text PRIMARY KEY,
  key_id text NOT NULL REFERENCES api_key (id),
  asked_by text NOT NULL REFERENCES person (id),
  use text NOT NULL,
  reason text NOT NULL,
  ticket text,
  hours integer NOT NULL,
  extends_grant text,
  status text NOT NULL CHECK (status IN ('pending', 'approved', 'denied', 'expired', 'withdrawn')),
  needs integer NOT NULL,
  needs_administrator boolean NOT NULL,
  asked jsonb NOT NULL,
  decisions jsonb NOT NULL,
  nudges integer NOT NULL,
  escalated_at timestamptz(3),
  asked_at timestamptz(3) NOT NULL,
  expires_at timestamptz(3) NOT NULL,
  closed_at timestamptz(3)
);
--> statement-breakpoint
-- One open request per person and key.
CREATE UNIQUE INDEX access_request_open ON access_request (key_id, asked_by) WHERE status = 'pending';
--> statement-breakpoint
CREATE INDEX access_request_asker ON access_request (asked_by) WHERE status = 'pending';
--> statement-breakpoint
CREATE INDEX access_request_key ON access_request (key_id, asked_at DESC);
--> statement-breakpoint
CREATE TABLE access_grant (
  id text PRIMARY KEY,
  request_id text NOT NULL UNIQUE REFERENCES access_request (id),
  key_id text NOT NULL REFERENCES api_key (id),
  person_id text NOT NULL REFERENCES person (id),
  status text NOT NULL CHECK (status IN ('granting', 'active', 'failed', 'ending', 'ended')),
  principal text,
  failure text,
  starts_at timestamptz(3) NOT NULL,
  ends_at timestamptz(3) NOT NULL,
  ended_at timestamptz(3),
  ended_by text,
  end_reason text,
  noticed jsonb NOT NULL
);
--> statement-breakpoint
CREATE INDEX access_grant_key ON access_grant (key_id, ends_at) WHERE status <> 'ended';
--> statement-breakpoint
CREATE INDEX access_grant_person ON access_grant (person_id, ends_at);
--> statement-breakpoint
CREATE INDEX access_grant_end ON access_grant (ends_at) WHERE status <> 'ended';
--> statement-breakpoint
CREATE INDEX access_request_asked ON access_request USING gin (asked jsonb_path_ops) WHERE status = 'pending';
