-- Whom a failed rotation woke, who asked for it, and what came of it.
ALTER TABLE rotation ADD COLUMN pages jsonb NOT NULL DEFAULT '[]';
