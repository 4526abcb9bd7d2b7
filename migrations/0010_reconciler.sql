-- When the payment provider is asked about a payment of which nothing was heard.

-- NULL: never asked yet. Set by whoever asked, to the time of the next question.
ALTER TABLE payments ADD COLUMN next_reconcile_at timestamptz;
-- Until then one process is asking: no other one does.
ALTER TABLE payments ADD COLUMN reconcile_leased_until timestamptz;
-- Payments that were asked about before; those that never were are found by payments_still_pending. A new payment is in
-- one of the two only, so that placing an order costs nothing more.
CREATE INDEX payments_reconcile_due ON payments (next_reconcile_at) WHERE status = 'PENDING' AND next_reconcile_at IS NOT NULL;

-- True in a transaction that looks for payments to ask about, whatever tenant they are of. Kept apart from the
-- platform's other work: routing a provider event must not see all tenants' payments.
CREATE FUNCTION app_is_reconciler() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT coalesce(current_setting('app.scope', true) = 'reconciler', false) $$;

CREATE POLICY platform_finds_pending ON payments FOR SELECT USING (app_is_reconciler());
CREATE POLICY platform_leases_pending ON payments FOR UPDATE
    USING (app_is_reconciler() AND status = 'PENDING') WITH CHECK (app_is_reconciler() AND status = 'PENDING');
