CREATE TABLE incident (
  id text PRIMARY KEY,
  key_id text REFERENCES api_key (id),
  which text,
  how text NOT NULL,
  what text NOT NULL,
  seen jsonb,
  severity text NOT NULL CHECK (severity IN ('P0', 'P1', 'P2', 'P3')),
  because text NOT NULL,
  declared_by text NOT NULL REFERENCES person (id),
  declared_at timestamptz(3) NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'contained', 'closed')),
  containment jsonb,
  by_hand text,
  leaked_version text,
  ticks jsonb NOT NULL,
  deadlines jsonb NOT NULL,
  overdue jsonb NOT NULL,
  pages jsonb NOT NULL,
  commander text REFERENCES person (id),
  timeline jsonb NOT NULL,
  contained_at timestamptz(3),
  closed_at timestamptz(3),
  closed_by text REFERENCES person (id),
  lesson text,
  CHECK (key_id IS NOT NULL OR which IS NOT NULL)
);
--> statement-breakpoint
-- One open incident per key: a second report joins it and pages nobody again.
CREATE UNIQUE INDEX incident_open ON incident (key_id) WHERE status <> 'closed';
--> statement-breakpoint
-- And one per message that shows a key which is not in the inventory.
CREATE UNIQUE INDEX incident_open_message ON incident ((seen ->> 'channel'), (seen ->> 'ts'))
  WHERE status <> 'closed' AND key_id IS NULL AND seen IS NOT NULL;
--> statement-breakpoint
CREATE INDEX incident_declared ON incident (declared_at) WHERE status <> 'closed';
--> statement-breakpoint
CREATE INDEX incident_key ON incident (key_id, declared_at DESC);
