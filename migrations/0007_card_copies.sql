-- Set before a card is posted and taken away once Slack has said where it is: what is found set may be in Slack already.
ALTER TABLE card ADD COLUMN posting_since timestamptz(3);
--> statement-breakpoint
-- There may be an earlier copy that nobody can edit; every later rendering says so.
ALTER TABLE card ADD COLUMN copied boolean NOT NULL DEFAULT false;
