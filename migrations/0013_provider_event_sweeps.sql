-- How far the provider's events of refunds and disputes were asked for: one row an installation, of no tenant.

CREATE TABLE provider_event_sweeps (
    provider     text        PRIMARY KEY,
    -- Everything made before was heard. NULL: never asked yet.
    heard_until  timestamptz,
    next_at      timestamptz NOT NULL,
    -- Until then one process is asking: no other one does.
    leased_until timestamptz,
    CONSTRAINT provider_event_sweeps_provider_known CHECK (provider IN ('STRIPE'))
);
ALTER TABLE provider_event_sweeps ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_event_sweeps FORCE ROW LEVEL SECURITY;
CREATE POLICY platform_sweeps_events ON provider_event_sweeps
    USING (app_is_reconciler()) WITH CHECK (app_is_reconciler());
GRANT SELECT, INSERT, UPDATE ON provider_event_sweeps TO primetech_app;
