-- Somebody has stopped the rotation of a key: since when, until when, why, who; and whether that is over.
ALTER TABLE api_key ADD COLUMN pause jsonb;
