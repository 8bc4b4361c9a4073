-- What Slack said when the bot could not post into the channel; while it is set, administrators have the card in their DMs.
ALTER TABLE card ADD COLUMN astray text;
