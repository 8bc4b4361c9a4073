-- All keys of a service, rotated together; what becomes of each is in `rotation`.
CREATE TABLE rotation_campaign (
  id text PRIMARY KEY,
  service text NOT NULL,
  environment text,
  cause text NOT NULL,
  emergency boolean NOT NULL,
  reason text NOT NULL,
  asked_by text NOT NULL REFERENCES person (id),
  asked_at timestamptz(3) NOT NULL,
  lines jsonb NOT NULL,
  status text NOT NULL CHECK (status IN ('drafted', 'asked', 'running', 'ended', 'refused', 'withdrawn', 'expired')),
  expires_at timestamptz(3) NOT NULL,
  decided_by text,
  begun_at timestamptz(3),
  stopped_by text,
  stopped_at timestamptz(3),
  ended_at timestamptz(3),
  unsettled boolean NOT NULL
);
--> statement-breakpoint
-- Few are under way at a time; who rotates a key asks for them.
CREATE INDEX rotation_campaign_unsettled ON rotation_campaign (id) WHERE unsettled;
