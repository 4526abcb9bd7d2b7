-- The messages of a subject, in their order. While the table was small when it was last looked at, all indexes of pending
-- messages cost the same to PostgreSQL, and it may take one that leads through every message of a large shop. So the
-- index of subjects has a condition of its own, which the statements that need it say, and no other index fits.
CREATE INDEX outbox_messages_of_subject ON outbox_messages (subject, sequence)
    WHERE sent_at IS NULL AND subject IS NOT NULL;
-- An earlier program's courier is right without this index, and slower for the time of a deploy.
DROP INDEX outbox_messages_in_order;
