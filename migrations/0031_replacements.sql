-- At a provider that ends the old value in the call that makes the new one: what was asked for, and what came of it.
ALTER TABLE rotation ADD COLUMN replacement jsonb;
