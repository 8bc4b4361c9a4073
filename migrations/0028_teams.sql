-- User groups of Slack, with the Slack ids of who is in them.
CREATE TABLE team (
  id text PRIMARY KEY,
  slack_id text NOT NULL UNIQUE,
  name text NOT NULL,
  handle text NOT NULL,
  members jsonb NOT NULL,
  closed_at timestamptz(3)
);
--> statement-breakpoint
CREATE INDEX team_members ON team USING gin (members);
