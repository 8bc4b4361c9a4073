-- What tells this installation from others that use the same Redis; one row.
CREATE TABLE installation (
  id text PRIMARY KEY DEFAULT left(replace(gen_random_uuid()::text, '-', ''), 16),
  alone boolean NOT NULL UNIQUE DEFAULT true CHECK (alone)
);
INSERT INTO installation DEFAULT VALUES;
