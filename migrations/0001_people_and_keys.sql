CREATE TABLE person (
  id text PRIMARY KEY,
  slack_id text NOT NULL UNIQUE,
  name text NOT NULL,
  tier text NOT NULL CHECK (tier IN ('administrator', 'developer', 'contractor')),
  time_zone text NOT NULL,
  status text NOT NULL CHECK (status IN ('active', 'left', 'deactivated')),
  iam_principal text,
  hr_id text UNIQUE,
  joined_at timestamptz(3) NOT NULL,
  left_at timestamptz(3)
);
--> statement-breakpoint
CREATE INDEX person_tier ON person (tier) WHERE status = 'active';
--> statement-breakpoint

CREATE TABLE api_key (
  id text PRIMARY KEY,
  name text NOT NULL,
  service text NOT NULL,
  environment text NOT NULL,
  purpose text NOT NULL,
  owner_id text NOT NULL REFERENCES person (id),
  storage text NOT NULL,
  secret_id text,
  last_four text CHECK (char_length(last_four) <= 4),
  scope text NOT NULL,
  flags jsonb NOT NULL,
  tags jsonb NOT NULL,
  created_on timestamptz(3),
  expires_at timestamptz(3),
  issuer text NOT NULL,
  recipe jsonb,
  risk text NOT NULL CHECK (risk IN ('high', 'medium', 'low')),
  risk_set jsonb,
  status text NOT NULL CHECK (status IN ('active', 'retired')),
  current_version text,
  last_rotated_at timestamptz(3),
  next_rotation_at timestamptz(3),
  snooze jsonb,
  added_by text NOT NULL,
  added_at timestamptz(3) NOT NULL,
  words text GENERATED ALWAYS AS (lower(name || ' ' || service || ' ' || tags::text)) STORED
);
--> statement-breakpoint
CREATE UNIQUE INDEX api_key_name ON api_key (lower(name)) WHERE status = 'active';
--> statement-breakpoint
CREATE UNIQUE INDEX api_key_secret ON api_key (secret_id) WHERE status = 'active' AND secret_id IS NOT NULL;
--> statement-breakpoint
-- Soonest due first is how keys are listed, whatever the filter; the id makes the order total.
CREATE INDEX api_key_due ON api_key (next_rotation_at, id) WHERE status = 'active';
--> statement-breakpoint
CREATE INDEX api_key_owner_due ON api_key (owner_id, next_rotation_at, id) WHERE status = 'active';
--> statement-breakpoint
CREATE INDEX api_key_service_due ON api_key (lower(service), next_rotation_at, id) WHERE status = 'active';
--> statement-breakpoint
CREATE INDEX api_key_environment_due ON api_key (environment, next_rotation_at, id) WHERE status = 'active';
--> statement-breakpoint
CREATE INDEX api_key_risk_due ON api_key (risk, next_rotation_at, id) WHERE status = 'active';
--> statement-breakpoint
CREATE EXTENSION IF NOT EXISTS pg_trgm;
--> statement-breakpoint
CREATE INDEX api_key_words ON api_key USING gin (words gin_trgm_ops) WHERE status = 'active';
