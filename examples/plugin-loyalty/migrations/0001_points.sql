-- Points that customers earned by paid orders, and those that they redeemed. The tables of the product are there: its
-- migrations come first.

CREATE TABLE loyalty_points (
    tenant_id  uuid        NOT NULL,
    id         uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    kind       text        NOT NULL,
    -- More than 0 if they were earned, less if they were redeemed.
    points     bigint      NOT NULL,
    -- Of those that were earned: how many are left, and how many have expired. The others were redeemed.
    remaining  bigint      NOT NULL DEFAULT 0,
    expired    bigint      NOT NULL DEFAULT 0,
    order_id   uuid,
    -- NULL: never.
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT loyalty_points_once_an_order UNIQUE (tenant_id, order_id),
    CONSTRAINT loyalty_points_known CHECK (
        (kind = 'EARNED' AND points > 0 AND remaining >= 0 AND expired >= 0 AND remaining + expired <= points)
        OR (kind = 'REDEEMED' AND points < 0 AND remaining = 0 AND expired = 0
            AND order_id IS NULL AND expires_at IS NULL)),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id)
);
CREATE INDEX loyalty_points_by_user ON loyalty_points (tenant_id, user_id, created_at DESC, id DESC);
CREATE INDEX loyalty_points_by_expiry ON loyalty_points (expires_at) WHERE remaining > 0;
CALL protect_tenant_table('loyalty_points', 'SELECT, INSERT, UPDATE');

-- The worker finds what is over by PostgreSQL's own clock, of all tenants, and can do nothing to it but let it expire.
CREATE POLICY platform_finds_what_is_over ON loyalty_points FOR SELECT USING (app_is_sweeper() AND expires_at < now());
CREATE POLICY platform_expires_what_is_over ON loyalty_points FOR UPDATE USING (app_is_sweeper() AND expires_at < now())
    WITH CHECK (app_is_sweeper() AND expires_at < now() AND remaining = 0);
