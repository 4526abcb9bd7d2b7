-- What a paid order gives: entitlements, licences and their activations, and the releases to download.

CREATE TABLE releases (
    tenant_id    uuid        NOT NULL REFERENCES tenants (id),
    id           uuid        NOT NULL,
    product_id   uuid        NOT NULL,
    version      text        NOT NULL,
    channel      text        NOT NULL,
    platform     text        NOT NULL,
    file_name    text        NOT NULL,
    size_bytes   bigint      NOT NULL,
    sha256       bytea       NOT NULL,
    notes        text,
    bucket       text        NOT NULL,
    object_key   text        NOT NULL,
    created_at   timestamptz NOT NULL,
    -- NULL: not published yet.
    published_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT releases_version_key UNIQUE (tenant_id, product_id, version, channel, platform),
    CONSTRAINT releases_size_range CHECK (size_bytes >= 0),
    CONSTRAINT releases_sha256_length CHECK (octet_length(sha256) = 32),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id)
);
CREATE INDEX releases_published ON releases (tenant_id, published_at DESC, id DESC) WHERE published_at IS NOT NULL;
CALL protect_tenant_table('releases', 'SELECT, INSERT, UPDATE');

CREATE TABLE entitlements (
    tenant_id     uuid        NOT NULL REFERENCES tenants (id),
    id            uuid        NOT NULL,
    user_id       uuid        NOT NULL,
    order_id      uuid        NOT NULL,
    order_item_id uuid        NOT NULL,
    product_id    uuid        NOT NULL,
    created_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT entitlements_order_item_key UNIQUE (tenant_id, order_item_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, order_item_id) REFERENCES order_items (tenant_id, id),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id)
);
CREATE INDEX entitlements_by_user ON entitlements (tenant_id, user_id, product_id);
CREATE INDEX entitlements_by_order ON entitlements (tenant_id, order_id);
CALL protect_tenant_table('entitlements', 'SELECT, INSERT, UPDATE');

CREATE TABLE licences (
    tenant_id     uuid        NOT NULL REFERENCES tenants (id),
    id            uuid        NOT NULL,
    key           text        NOT NULL,
    -- EXPIRED is not a status of its own: it is ACTIVE with expires_at in the past.
    status        text        NOT NULL DEFAULT 'ACTIVE',
    product_id    uuid        NOT NULL,
    -- NULL: issued by an operator, not yet anyone's.
    user_id       uuid,
    order_id      uuid,
    order_item_id uuid,
    -- Which unit of its order item this is, from 1.
    unit_number   integer,
    expires_at    timestamptz,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT licences_key_key UNIQUE (tenant_id, key),
    -- One licence per unit, however often the payment is told.
    CONSTRAINT licences_unit_key UNIQUE (tenant_id, order_item_id, unit_number),
    CONSTRAINT licences_key_form CHECK (key ~ '^LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}$'),
    CONSTRAINT licences_status_known CHECK (status IN ('ACTIVE', 'SUSPENDED', 'REVOKED')),
    CONSTRAINT licences_unit_of_order CHECK ((order_item_id IS NULL) = (unit_number IS NULL) AND (order_item_id IS NULL) = (order_id IS NULL)),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, order_item_id) REFERENCES order_items (tenant_id, id)
);
CREATE INDEX licences_by_user ON licences (tenant_id, user_id, created_at DESC, id DESC);
CREATE INDEX licences_by_time ON licences (tenant_id, created_at DESC, id DESC);
CREATE INDEX licences_by_order ON licences (tenant_id, order_id) WHERE order_id IS NOT NULL;
CALL protect_tenant_table('licences', 'SELECT, INSERT, UPDATE');

CREATE TABLE activations (
    tenant_id      uuid        NOT NULL REFERENCES tenants (id),
    id             uuid        NOT NULL,
    licence_id     uuid        NOT NULL,
    fingerprint    text        NOT NULL,
    device_name    text,
    activated_at   timestamptz NOT NULL,
    deactivated_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT activations_fingerprint_form CHECK (fingerprint ~ '^[A-Za-z0-9._:-]{8,128}$'),
    FOREIGN KEY (tenant_id, licence_id) REFERENCES licences (tenant_id, id)
);
-- MAX=1: whatever any process believes, a second active activation of a licence cannot be written.
CREATE UNIQUE INDEX activations_one_active ON activations (tenant_id, licence_id) WHERE deactivated_at IS NULL;
CREATE INDEX activations_by_licence ON activations (tenant_id, licence_id, activated_at DESC);
CALL protect_tenant_table('activations', 'SELECT, INSERT, UPDATE');
