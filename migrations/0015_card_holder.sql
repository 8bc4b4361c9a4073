-- Who has a card, so that a hold whose answer was lost is known again, and nobody lets go of what another has by then.
ALTER TABLE card ADD COLUMN held_by text;
