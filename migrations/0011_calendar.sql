-- Calendars that people have subscribed to, by the hash of their secret address.
CREATE TABLE calendar_feed (
  id text PRIMARY KEY,
  person_id text NOT NULL REFERENCES person (id),
  scope text NOT NULL CHECK (scope IN ('own', 'team')),
  address_hash text,
  made_at timestamptz(3) NOT NULL,
  fetched_at timestamptz(3)
);
--> statement-breakpoint
CREATE UNIQUE INDEX calendar_feed_person ON calendar_feed (person_id, scope);
--> statement-breakpoint
CREATE UNIQUE INDEX calendar_feed_address ON calendar_feed (address_hash);
