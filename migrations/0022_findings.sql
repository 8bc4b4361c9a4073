-- What a scan or a review says is wrong with a key: ids, labels and sentences, never a value.
CREATE TABLE finding (
  id text PRIMARY KEY,
  key_id text NOT NULL REFERENCES api_key (id),
  kind text NOT NULL,
  sentence text NOT NULL,
  facts jsonb NOT NULL,
  found_at timestamptz(3) NOT NULL,
  seen_at timestamptz(3) NOT NULL,
  closed_at timestamptz(3),
  repair jsonb
);
--> statement-breakpoint
-- At most one of a kind is open for each key.
CREATE UNIQUE INDEX finding_open ON finding (key_id, kind) WHERE closed_at IS NULL;
--> statement-breakpoint
CREATE INDEX finding_key ON finding (key_id);
