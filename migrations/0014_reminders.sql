-- The last reminder of a key that a person has to rotate.
CREATE TABLE reminder (
  id text PRIMARY KEY REFERENCES api_key (id),
  person_id text NOT NULL REFERENCES person (id),
  due_at timestamptz(3) NOT NULL,
  days integer NOT NULL,
  sent_at timestamptz(3) NOT NULL
);
