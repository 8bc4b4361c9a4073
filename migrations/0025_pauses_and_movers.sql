-- The paused keys, and what somebody moves by hand: both are asked for of the whole company.
CREATE INDEX api_key_paused ON api_key (id) WHERE status = 'active' AND pause IS NOT NULL;
--> statement-breakpoint
CREATE INDEX consumer_mover ON consumer (person_id) WHERE person_id IS NOT NULL AND removed_at IS NULL;
