-- What the payment provider tells us, and the way from its ids to a tenant's payment.
--
-- An event names no tenant when it arrives, so these two tables belong to the platform: they are keyed by the
-- provider's ids, and a tenant's transaction sees only its own rows.

CREATE TABLE webhook_events (
    id                uuid        PRIMARY KEY,
    provider          text        NOT NULL,
    provider_event_id text        NOT NULL,
    type              text        NOT NULL,
    -- The text as it was signed. Type json, not jsonb: it keeps every byte and takes any string.
    payload           json        NOT NULL,
    status            text        NOT NULL DEFAULT 'PENDING',
    attempts          integer     NOT NULL DEFAULT 0,
    last_error        text,
    -- The payment intent whose payment this event waits for (a refund that came first).
    awaiting_ref      text,
    tenant_id         uuid        REFERENCES tenants (id),
    order_id          uuid,
    received_at       timestamptz NOT NULL,
    processed_at      timestamptz,
    CONSTRAINT webhook_events_provider_event_key UNIQUE (provider, provider_event_id),
    CONSTRAINT webhook_events_provider_known CHECK (provider IN ('STRIPE')),
    CONSTRAINT webhook_events_status_known CHECK (status IN ('PENDING', 'PROCESSED', 'FAILED', 'IGNORED'))
);
CREATE INDEX webhook_events_open ON webhook_events (received_at) WHERE status IN ('PENDING', 'FAILED');
CREATE INDEX webhook_events_awaiting ON webhook_events (provider, awaiting_ref) WHERE status = 'PENDING' AND awaiting_ref IS NOT NULL;
ALTER TABLE webhook_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_events FORCE ROW LEVEL SECURITY;
CREATE POLICY platform_routes_events ON webhook_events
    USING (app_is_platform()) WITH CHECK (app_is_platform());
CREATE POLICY tenant_reads_its_events ON webhook_events FOR SELECT
    USING (tenant_id = ANY ((SELECT app_tenants())::uuid[]));
GRANT SELECT, INSERT, UPDATE ON webhook_events TO primetech_app;

-- Provider id (Checkout Session, payment intent) -> payment.
CREATE TABLE payment_refs (
    provider   text NOT NULL,
    ref        text NOT NULL,
    tenant_id  uuid NOT NULL REFERENCES tenants (id),
    payment_id uuid NOT NULL,
    order_id   uuid NOT NULL,
    PRIMARY KEY (provider, ref)
);
ALTER TABLE payment_refs ENABLE ROW LEVEL SECURITY;
ALTER TABLE payment_refs FORCE ROW LEVEL SECURITY;
CREATE POLICY platform_routes_payments ON payment_refs FOR SELECT USING (app_is_platform());
CREATE POLICY tenant_rows ON payment_refs
    USING (tenant_id = ANY ((SELECT app_tenants())::uuid[]))
    WITH CHECK (tenant_id = ANY ((SELECT app_tenants())::uuid[]));
GRANT SELECT, INSERT ON payment_refs TO primetech_app;
