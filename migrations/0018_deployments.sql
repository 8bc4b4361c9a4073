-- Who uses the key of a rotation, what each was told and what it said; empty in rotations of older programs.
ALTER TABLE rotation ADD COLUMN deployments jsonb NOT NULL DEFAULT '[]';
--> statement-breakpoint
-- Why the old value lives longer than its grace, and since when.
ALTER TABLE rotation ADD COLUMN extension jsonb;
--> statement-breakpoint
-- Who had the old value retired without evidence, and why.
ALTER TABLE rotation ADD COLUMN forced jsonb;
