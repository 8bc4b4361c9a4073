-- What was called the calendar of a team shows every key of the company, and goes on doing so. A team's has the team's id.
ALTER TABLE calendar_feed DROP CONSTRAINT calendar_feed_scope_check;
--> statement-breakpoint
UPDATE calendar_feed SET scope = 'company' WHERE scope = 'team';
--> statement-breakpoint
ALTER TABLE calendar_feed ADD CONSTRAINT calendar_feed_scope_check CHECK (scope IN ('own', 'company') OR scope LIKE 'tea\_%');
