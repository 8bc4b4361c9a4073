-- Who uses a key: systems and people that have to move when its value is replaced (SOP 5.3, step 4).
CREATE TABLE consumer (
  id text PRIMARY KEY,
  key_id text NOT NULL REFERENCES api_key (id),
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('reads-store', 'webhook', 'person')),
  url text,
  person_id text REFERENCES person (id),
  -- The secret in Secrets Manager that messages to it are signed with; its name, never its value.
  signed_with text,
  added_by text NOT NULL REFERENCES person (id),
  added_at timestamptz(3) NOT NULL,
  removed_at timestamptz(3)
);
--> statement-breakpoint
CREATE UNIQUE INDEX consumer_name ON consumer (key_id, lower(name)) WHERE removed_at IS NULL;
