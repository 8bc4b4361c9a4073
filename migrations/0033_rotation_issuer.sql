-- Who made the values of the key when the rotation began: what one provider calls a key is another key at the next.
ALTER TABLE rotation ADD COLUMN issuer text;
