-- What may be asked of Secrets Manager and of providers at this moment, shared by all workers; instants in milliseconds.
CREATE TABLE pace (
  of text PRIMARY KEY,
  tokens double precision NOT NULL,
  at double precision NOT NULL,
  queue_ends double precision NOT NULL,
  urgent_ends double precision NOT NULL
);
--> statement-breakpoint
-- Who was told to come back when.
CREATE TABLE turn (
  holder text NOT NULL,
  of text NOT NULL,
  at double precision NOT NULL,
  PRIMARY KEY (holder, of)
);
--> statement-breakpoint
CREATE INDEX turn_at ON turn (at);
