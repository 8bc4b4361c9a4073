-- What a key really needs to do, as somebody said who looked (SOP 4.1, 4.5): the last review of each key. Those before it are
-- in the audit log.
CREATE TABLE permission_review (
  id text PRIMARY KEY REFERENCES api_key (id),
  scope text NOT NULL,
  needs text NOT NULL,
  excess text,
  excess_since timestamptz(3),
  restrictions jsonb NOT NULL,
  reviewed_by text NOT NULL REFERENCES person (id),
  reviewed_at timestamptz(3) NOT NULL,
  CHECK ((excess IS NULL) = (excess_since IS NULL))
);
