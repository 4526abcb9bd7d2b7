-- Users, their sessions, and the single-use tokens that mails carry. Only hashes of tokens are stored.

CREATE TABLE users (
    tenant_id         uuid        NOT NULL REFERENCES tenants (id),
    id                uuid        NOT NULL,
    email             text        NOT NULL,
    name              text,
    role              text        NOT NULL DEFAULT 'CUSTOMER',
    password_hash     text        NOT NULL,
    email_verified_at timestamptz,
    created_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT users_email_key UNIQUE (tenant_id, email),
    CONSTRAINT users_role_known CHECK (role IN ('CUSTOMER', 'ADMIN'))
);
CALL protect_tenant_table('users', 'SELECT, INSERT, UPDATE');

CREATE TABLE sessions (
    tenant_id   uuid        NOT NULL REFERENCES tenants (id),
    id          uuid        NOT NULL,
    token_hash  bytea       NOT NULL,
    user_id     uuid        NOT NULL,
    created_at  timestamptz NOT NULL,
    -- Slides forward with use, but is written at most once a day.
    expires_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT sessions_token_hash_key UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX sessions_by_user ON sessions (tenant_id, user_id);
CALL protect_tenant_table('sessions', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE email_verification_tokens (
    tenant_id   uuid        NOT NULL REFERENCES tenants (id),
    id          uuid        NOT NULL,
    user_id     uuid        NOT NULL,
    token_hash  bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    -- Set when the token was used or a newer one took its place.
    ended_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT email_verification_tokens_hash_key UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX email_verification_tokens_by_user ON email_verification_tokens (tenant_id, user_id) WHERE ended_at IS NULL;
CALL protect_tenant_table('email_verification_tokens', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE password_reset_tokens (
    tenant_id   uuid        NOT NULL REFERENCES tenants (id),
    id          uuid        NOT NULL,
    user_id     uuid        NOT NULL,
    token_hash  bytea       NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT password_reset_tokens_hash_key UNIQUE (tenant_id, token_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX password_reset_tokens_by_user ON password_reset_tokens (tenant_id, user_id) WHERE ended_at IS NULL;
CALL protect_tenant_table('password_reset_tokens', 'SELECT, INSERT, UPDATE, DELETE');

-- Sessions are cached in every process; each must hear of a revocation, and of a change of the user behind it.
CREATE FUNCTION notify_session_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_notify('primetech_cache', 'session:' || OLD.id);
    RETURN NULL;
END
$$;

CREATE FUNCTION notify_user_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_notify('primetech_cache', 'user:' || OLD.id);
    RETURN NULL;
END
$$;

CREATE TRIGGER sessions_notify_revoked AFTER UPDATE ON sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION notify_session_change();
CREATE TRIGGER sessions_notify_deleted AFTER DELETE ON sessions
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL)
    EXECUTE FUNCTION notify_session_change();
CREATE TRIGGER users_notify AFTER UPDATE OR DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION notify_user_change();
