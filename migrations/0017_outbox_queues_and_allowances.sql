-- The outbox delivers several messages at a time, fairly and in order; and nobody can have a stranger mailed at will.

-- What a message is for. Sorts take turns, so that many messages of one do not delay another.
ALTER TABLE outbox_messages ADD COLUMN sort text NOT NULL DEFAULT 'other';
-- A person waits for it: a few deliveries are reserved for such messages.
ALTER TABLE outbox_messages ADD COLUMN urgent boolean NOT NULL DEFAULT false;
-- What it is about. Of the messages of one subject, a later one waits until the earlier ones are SENT or DEAD. NULL: it
-- waits for none.
ALTER TABLE outbox_messages ADD COLUMN subject text;
-- The order of a subject's messages, which whoever writes them decides by a lock on what they are about: the clocks of
-- several processes cannot. A default that is set after the column was added fills new rows and rewrites no old ones,
-- which have no subject either.
CREATE SEQUENCE outbox_messages_sequence;
GRANT USAGE ON SEQUENCE outbox_messages_sequence TO primetech_app;
ALTER TABLE outbox_messages ADD COLUMN sequence bigint;
ALTER TABLE outbox_messages ALTER COLUMN sequence SET DEFAULT nextval('outbox_messages_sequence');
ALTER SEQUENCE outbox_messages_sequence OWNED BY outbox_messages.sequence;

-- A queue is the messages of one sort and tenant. Queues are walked from one to the next by their first message each,
-- and a queue is read in the order in which its messages are due.
CREATE INDEX outbox_messages_queues ON outbox_messages (sort, tenant_id, next_attempt_at) WHERE status = 'PENDING';
CREATE INDEX outbox_messages_in_order ON outbox_messages (tenant_id, subject, sequence)
    WHERE status = 'PENDING' AND subject IS NOT NULL;

-- The mails of the last hour that strangers can cause, by recipient: of the whole installation, so without a tenant.
CREATE TABLE mail_allowances (
    id        uuid        PRIMARY KEY,
    -- A keyed hash of the address.
    recipient bytea       NOT NULL,
    sort      text        NOT NULL,
    at        timestamptz NOT NULL,
    CONSTRAINT mail_allowances_recipient_length CHECK (octet_length(recipient) = 32)
);
CREATE INDEX mail_allowances_by_recipient ON mail_allowances (recipient, at);
CREATE INDEX mail_allowances_by_time ON mail_allowances (at);
ALTER TABLE mail_allowances ENABLE ROW LEVEL SECURITY;
ALTER TABLE mail_allowances FORCE ROW LEVEL SECURITY;

-- The recipients whose mails this transaction counts, as hexadecimal digits. Unset: none.
CREATE FUNCTION app_mail_recipients() RETURNS bytea[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
        SELECT array_agg(decode(recipient, 'hex'))
        FROM unnest(string_to_array(nullif(current_setting('app.mail_recipients', true), ''), ',')) AS recipient
    $$;
-- Each tenant's transaction counts what all tenants sent to the recipients that it names, and sees no other rows.
CREATE POLICY platform_counts_mails ON mail_allowances FOR SELECT
    USING ((recipient = ANY ((SELECT app_mail_recipients())::bytea[])) IS TRUE);
CREATE POLICY platform_notes_mails ON mail_allowances FOR INSERT
    WITH CHECK ((recipient = ANY ((SELECT app_mail_recipients())::bytea[])) IS TRUE);
CREATE POLICY platform_finds_what_is_over ON mail_allowances FOR SELECT USING (app_is_sweeper() AND at < now());
CREATE POLICY platform_locks_what_is_over ON mail_allowances FOR UPDATE
    USING (app_is_sweeper() AND at < now()) WITH CHECK (false);
CREATE POLICY platform_deletes_what_is_over ON mail_allowances FOR DELETE USING (app_is_sweeper() AND at < now());
GRANT SELECT, INSERT, UPDATE, DELETE ON mail_allowances TO primetech_app;
