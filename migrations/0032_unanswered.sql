-- At a provider whose keys bear no labels: when a key was asked for, and nobody has seen the answer.
ALTER TABLE rotation ADD COLUMN unanswered jsonb NOT NULL DEFAULT '[]';
