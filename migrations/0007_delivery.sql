-- Answers kept for repeated requests, and messages that leave after their transaction has committed.

CREATE TABLE idempotency_keys (
    tenant_id       uuid        NOT NULL REFERENCES tenants (id),
    id              uuid        NOT NULL,
    -- Who the key belongs to: `user:<id>` or `address:<client address>`.
    owner           text        NOT NULL,
    key             text        NOT NULL,
    -- Of method, path and the body's meaning: the same key with another request is refused.
    request_hash    bytea       NOT NULL,
    -- The order that the request made, where its answer is still to come.
    order_id        uuid,
    -- Another process may take an unfinished request over from this time on.
    locked_until    timestamptz NOT NULL,
    response_status integer,
    response_body   text,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT idempotency_keys_owner_key UNIQUE (tenant_id, owner, key),
    CONSTRAINT idempotency_keys_answer_whole CHECK ((response_status IS NULL) = (response_body IS NULL)),
    -- Deferred: a key is claimed before the order it stands for is written, in one transaction.
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
CALL protect_tenant_table('idempotency_keys', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE outbox_messages (
    tenant_id       uuid        NOT NULL REFERENCES tenants (id),
    id              uuid        NOT NULL,
    topic           text        NOT NULL,
    payload         jsonb       NOT NULL,
    status          text        NOT NULL DEFAULT 'PENDING',
    attempts        integer     NOT NULL DEFAULT 0,
    -- Also the lease: whoever delivers moves it forward first, so that no one else takes the message meanwhile.
    next_attempt_at timestamptz NOT NULL,
    last_error      text,
    created_at      timestamptz NOT NULL,
    sent_at         timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT outbox_messages_status_known CHECK (status IN ('PENDING', 'SENT', 'DEAD'))
);
CREATE INDEX outbox_messages_due ON outbox_messages (next_attempt_at) WHERE status = 'PENDING';
CALL protect_tenant_table('outbox_messages', 'SELECT, INSERT');
CREATE POLICY platform_delivers ON outbox_messages USING (app_is_platform()) WITH CHECK (app_is_platform());
GRANT UPDATE, DELETE ON outbox_messages TO primetech_app;
