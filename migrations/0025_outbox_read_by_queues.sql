-- The courier reads the outbox by queues (0017). While the table is small, plans that are made by the time alone look as
-- cheap, and a connection that keeps such a plan reads every pending message for each that it takes, once there are many.
-- An earlier program's courier is right without this index, and slower for the time of a deploy.
DROP INDEX outbox_messages_due;
