CREATE TABLE offboarding_case (
  id text PRIMARY KEY,
  person_id text NOT NULL REFERENCES person (id),
  status text NOT NULL CHECK (status IN ('planned', 'waiting', 'open', 'closed', 'called-off')),
  cause jsonb NOT NULL,
  -- Opened by another system and not by a person: counted when too many leave at once.
  by_machine boolean NOT NULL,
  hold text,
  effective_at timestamptz(3) NOT NULL,
  opened_at timestamptz(3) NOT NULL,
  started_at timestamptz(3),
  confirmed_by text,
  closed_at timestamptz(3),
  closed_by text,
  owned_keys jsonb NOT NULL,
  rotate_keys jsonb NOT NULL,
  asked jsonb NOT NULL,
  ticks jsonb NOT NULL,
  seen jsonb NOT NULL
);
--> statement-breakpoint
CREATE INDEX offboarding_case_person ON offboarding_case (person_id, opened_at DESC);
--> statement-breakpoint
-- One open case per person.
CREATE UNIQUE INDEX offboarding_case_open ON offboarding_case (person_id) WHERE status IN ('planned', 'waiting', 'open');
--> statement-breakpoint
CREATE INDEX offboarding_case_opened ON offboarding_case (opened_at) WHERE by_machine;
--> statement-breakpoint

-- What the HR system said, once per message id, also where nobody could be found for it.
CREATE TABLE hr_message (
  id text PRIMARY KEY,
  hr_id text NOT NULL,
  slack_user_id text,
  effective_at timestamptz(3) NOT NULL,
  received_at timestamptz(3) NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('heard', 'case', 'unknown', 'contradiction')),
  case_id text REFERENCES offboarding_case (id)
);
--> statement-breakpoint
CREATE INDEX hr_message_unknown ON hr_message (hr_id) WHERE outcome = 'unknown';
