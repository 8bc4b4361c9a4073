-- What the provider calls the current value of a key; an opaque id, never a secret.
ALTER TABLE api_key ADD COLUMN provider_key_id text;
--> statement-breakpoint
-- Labels under which a rotation may have made a key at the provider, written before it is made.
ALTER TABLE rotation ADD COLUMN labels jsonb NOT NULL DEFAULT '[]';
--> statement-breakpoint
-- Which version of the secret is which key at the provider, and whether that has been ended.
ALTER TABLE rotation ADD COLUMN issued jsonb NOT NULL DEFAULT '[]';
