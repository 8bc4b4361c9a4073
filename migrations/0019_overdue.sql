-- Who has been told that a key is overdue, and what keeps a due rotation from starting.
ALTER TABLE api_key ADD COLUMN overdue jsonb;
--> statement-breakpoint
ALTER TABLE api_key ADD COLUMN blocked jsonb;
