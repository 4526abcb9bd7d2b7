-- Rows whose time is over are deleted by the sweeper of every process, of all tenants together.

CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX email_verification_tokens_by_expiry ON email_verification_tokens (expires_at);
CREATE INDEX password_reset_tokens_by_expiry ON password_reset_tokens (expires_at);
CREATE INDEX outbox_messages_sent ON outbox_messages (sent_at) WHERE status = 'SENT';
-- Counted every few seconds, for the operator; few at any time.
CREATE INDEX outbox_messages_dead ON outbox_messages (created_at) WHERE status = 'DEAD';

-- True in a transaction of the sweeper. It sees, locks and deletes what is over by PostgreSQL's own clock, and nothing
-- else, whatever its statements say; it changes nothing.
CREATE FUNCTION app_is_sweeper() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT coalesce(current_setting('app.scope', true) = 'sweeper', false) $$;

DO $$
DECLARE
    swept record;
BEGIN
    FOR swept IN
        SELECT * FROM (VALUES
            ('sessions', 'expires_at < now()'),
            ('email_verification_tokens', 'expires_at < now()'),
            ('password_reset_tokens', 'expires_at < now()'),
            ('idempotency_keys', 'expires_at < now()'),
            ('outbox_messages', 'status = ''SENT'' AND sent_at < now()')) AS swept (name, is_over)
    LOOP
        EXECUTE format('CREATE POLICY platform_finds_what_is_over ON %I FOR SELECT USING (app_is_sweeper() AND %s)',
            swept.name, swept.is_over);
        -- To lock a row takes the right to change it; the check lets no change pass.
        EXECUTE format('CREATE POLICY platform_locks_what_is_over ON %I FOR UPDATE USING (app_is_sweeper() AND %s) '
            'WITH CHECK (false)', swept.name, swept.is_over);
        EXECUTE format('CREATE POLICY platform_deletes_what_is_over ON %I FOR DELETE USING (app_is_sweeper() AND %s)',
            swept.name, swept.is_over);
    END LOOP;
END
$$;
