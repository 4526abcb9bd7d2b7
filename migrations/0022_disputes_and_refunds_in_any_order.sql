-- What turns: a dispute that was lost and is won, a refund that fails later. The last word counts, in whatever order the
-- words come, and what a payment took away it can give back.

-- When the provider said it. NULL: it did not say when.
ALTER TABLE payment_disputes ADD COLUMN told_at timestamptz;

-- True while a refund or a lost dispute alone is why the licence is REVOKED: that is given back when the money stays.
ALTER TABLE licences ADD COLUMN revoked_by_payment boolean NOT NULL DEFAULT false;

-- What the provider told of a payment's refunds: the sum so far (a charge that was refunded), and refunds that failed.
CREATE TABLE payment_refund_reports (
    tenant_id    uuid    NOT NULL,
    id           uuid    NOT NULL,
    payment_id   uuid    NOT NULL,
    kind         text    NOT NULL,
    -- The event that told a sum; the refund that failed.
    provider_ref text    NOT NULL,
    amount       bigint  NOT NULL,
    in_full      boolean NOT NULL,
    told_at      timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_refund_reports_provider_key UNIQUE (tenant_id, payment_id, kind, provider_ref),
    CONSTRAINT payment_refund_reports_kind_known CHECK (kind IN ('SUM', 'FAILURE')),
    CONSTRAINT payment_refund_reports_amount_range CHECK (amount >= 0),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payments (tenant_id, id)
);
CALL protect_tenant_table('payment_refund_reports', 'SELECT, INSERT, UPDATE');

-- Row-level security holds for the tables' owner too, so every tenant is opened for this transaction.
SELECT set_config('app.tenant_ids', coalesce(string_agg(id::text, ','), ''), true) FROM tenants;

-- What is told later bears a later time than what was heard before.
UPDATE payment_disputes SET told_at = updated_at WHERE told_at IS NULL;

-- Revoked by a payment, unless an operator had a hand in it.
UPDATE licences l SET revoked_by_payment = true
WHERE l.status = 'REVOKED'
  AND EXISTS (
      SELECT FROM payments p
      WHERE p.tenant_id = l.tenant_id AND p.order_id = l.order_id
        AND (p.status = 'REFUNDED' OR EXISTS (
            SELECT FROM payment_disputes d
            WHERE d.tenant_id = p.tenant_id AND d.payment_id = p.id AND d.status = 'LOST')))
  AND NOT EXISTS (
      SELECT FROM audit_log a
      WHERE a.tenant_id = l.tenant_id AND a.action = 'licence.status_changed' AND a.actor LIKE 'cli:%'
        AND a.subject = 'licence:' || l.id);

-- A lost dispute closes the downloads too.
UPDATE entitlements e SET revoked_at = d.updated_at
FROM payments p JOIN payment_disputes d ON d.tenant_id = p.tenant_id AND d.payment_id = p.id AND d.status = 'LOST'
WHERE p.tenant_id = e.tenant_id AND p.order_id = e.order_id AND e.revoked_at IS NULL;
