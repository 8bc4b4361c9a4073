-- Which IAM user or role a consumer reads Secrets Manager as: its reads are known by that.
ALTER TABLE consumer ADD COLUMN reads_as text;
