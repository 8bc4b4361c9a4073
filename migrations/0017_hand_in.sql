-- What of a rotation waits for a person, and who has taken it on.
ALTER TABLE rotation ADD COLUMN waits jsonb;
--> statement-breakpoint
ALTER TABLE rotation ADD COLUMN taken jsonb;
--> statement-breakpoint
-- Links to the page where a new value is handed in, each for one person. Never a token or a value: hashes only.
CREATE TABLE hand_in (
  id text PRIMARY KEY,
  rotation_id text NOT NULL REFERENCES rotation (id),
  attempt integer NOT NULL,
  person_id text NOT NULL REFERENCES person (id),
  token_hash text NOT NULL CHECK (char_length(token_hash) = 64),
  made_at timestamptz(3) NOT NULL,
  ends_at timestamptz(3) NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'used', 'ended')),
  guesses integer NOT NULL,
  tries integer NOT NULL,
  session_hash text CHECK (char_length(session_hash) = 64),
  sign_in jsonb,
  signed_in_at timestamptz(3),
  problem text,
  closed_at timestamptz(3)
);
--> statement-breakpoint
CREATE INDEX hand_in_open ON hand_in (rotation_id) WHERE status = 'open';
--> statement-breakpoint
-- A key that a person makes is due like any other.
DROP INDEX api_key_rotates;
--> statement-breakpoint
CREATE INDEX api_key_rotates ON api_key (next_rotation_at, id)
  WHERE status = 'active' AND storage = 'secrets-manager' AND secret_id IS NOT NULL;
