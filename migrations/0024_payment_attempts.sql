-- A payment may take several attempts at the provider: it keeps a failure under the key that it was asked with, and a
-- session's time is over some time. The present attempt is the payment's own; it is noted before it is made.

ALTER TABLE payments ADD COLUMN attempt integer NOT NULL DEFAULT 1;
-- NULL: with the payment.
ALTER TABLE payments ADD COLUMN attempt_started_at timestamptz;
-- Where the first request wanted its customer to be sent. NULL: an order of a program that did not note it.
ALTER TABLE payments ADD COLUMN success_url text;
ALTER TABLE payments ADD COLUMN cancel_url text;

-- Attempts that were given up for a later one.
CREATE TABLE payment_attempts (
    tenant_id  uuid        NOT NULL,
    id         uuid        NOT NULL,
    payment_id uuid        NOT NULL,
    attempt    integer     NOT NULL,
    started_at timestamptz NOT NULL,
    -- NULL: none is known. The provider may have made one all the same.
    session_id text,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_attempts_attempt_key UNIQUE (tenant_id, payment_id, attempt),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payments (tenant_id, id)
);
CALL protect_tenant_table('payment_attempts', 'SELECT, INSERT');
