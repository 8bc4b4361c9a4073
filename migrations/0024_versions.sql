-- The values that a key has had, never a value itself. A fingerprint is an HMAC of it, truncated, under a key that is in
-- Secrets Manager alone; null while it is not known.
CREATE TABLE key_version (
  key_id text NOT NULL REFERENCES api_key (id),
  version text NOT NULL,
  last_four text CHECK (char_length(last_four) <= 4),
  fingerprint text CHECK (fingerprint ~ '^[0-9A-Za-z-]{8}\.[0-9a-f]{32}$'),
  seen_at timestamptz(3) NOT NULL,
  current_at timestamptz(3),
  PRIMARY KEY (key_id, version)
);
--> statement-breakpoint
CREATE INDEX key_version_fingerprint ON key_version (fingerprint) WHERE fingerprint IS NOT NULL;
