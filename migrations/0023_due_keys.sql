-- A key is rotated when that is planned, else when it is due; this is the order in which the schedule looks.
DROP INDEX api_key_rotates;
--> statement-breakpoint
CREATE INDEX api_key_rotates ON api_key ((coalesce(planned_at, next_rotation_at)), id)
  WHERE status = 'active' AND storage = 'secrets-manager' AND secret_id IS NOT NULL;
