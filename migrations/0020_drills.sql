-- Each occasion of the schedule has at most one drill.
CREATE UNIQUE INDEX rotation_drill ON rotation (cause_id) WHERE cause = 'drill' AND cause_id IS NOT NULL;
--> statement-breakpoint
-- The results of drills, newest first.
CREATE INDEX rotation_drills ON rotation (started_at DESC) WHERE cause = 'drill';
