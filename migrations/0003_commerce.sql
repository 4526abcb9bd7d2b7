-- Catalogue, orders, invoices, receipts, payments, and the counters that number them.

CREATE TABLE products (
    tenant_id             uuid        NOT NULL REFERENCES tenants (id),
    id                    uuid        NOT NULL,
    sku                   text        NOT NULL,
    kind                  text        NOT NULL,
    name                  text        NOT NULL,
    -- In the currency's minor unit.
    unit_amount           bigint      NOT NULL,
    currency              text        NOT NULL,
    active                boolean     NOT NULL DEFAULT true,
    -- How long a licence of this product is valid from its payment on; NULL: for ever.
    licence_validity_days integer,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT products_sku_key UNIQUE (tenant_id, sku),
    CONSTRAINT products_sku_form CHECK (sku ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    CONSTRAINT products_kind_known CHECK (kind IN ('LICENCE', 'DOWNLOAD', 'SERVICE')),
    CONSTRAINT products_name_form CHECK (char_length(name) BETWEEN 1 AND 250),
    -- Stripe takes at most eight digits; with 50 items of 999 units a total then stays far from overflow.
    CONSTRAINT products_unit_amount_range CHECK (unit_amount BETWEEN 0 AND 99999999),
    CONSTRAINT products_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT products_licence_validity_range CHECK (licence_validity_days BETWEEN 1 AND 36500)
);
CALL protect_tenant_table('products', 'SELECT, INSERT, UPDATE');

-- The last number given out in a series. A row is locked while a batch of numbers is taken, and only a commit
-- makes the numbers real: that is what leaves no gap.
-- Series: INV and RCP by UTC year (2026), ORD by UTC day (20260131).
CREATE TABLE counters (
    tenant_id  uuid    NOT NULL REFERENCES tenants (id),
    kind       text    NOT NULL,
    period     integer NOT NULL,
    last_value integer NOT NULL,
    PRIMARY KEY (tenant_id, kind, period),
    CONSTRAINT counters_kind_known CHECK (kind IN ('INV', 'RCP', 'ORD')),
    -- Six digits; 36^4 order numbers. The name of this constraint is how a used-up space is recognised.
    CONSTRAINT counters_space CHECK (last_value BETWEEN 0 AND CASE kind WHEN 'ORD' THEN 1679616 ELSE 999999 END)
) WITH (fillfactor = 20);
-- One row is updated all day: room in its page keeps the updates heap-only.
CALL protect_tenant_table('counters', 'SELECT, INSERT, UPDATE');

CREATE TABLE orders (
    tenant_id  uuid        NOT NULL REFERENCES tenants (id),
    id         uuid        NOT NULL,
    number     text        NOT NULL,
    user_id    uuid        NOT NULL,
    status     text        NOT NULL DEFAULT 'PENDING',
    currency   text        NOT NULL,
    total      bigint      NOT NULL,
    created_at timestamptz NOT NULL,
    paid_at    timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT orders_number_key UNIQUE (tenant_id, number),
    CONSTRAINT orders_number_form CHECK (number ~ '^ORD-[0-9]{8}-[A-Z0-9]{4}$'),
    CONSTRAINT orders_status_known CHECK (status IN ('PENDING', 'PAID', 'FAILED', 'EXPIRED', 'REFUNDED')),
    CONSTRAINT orders_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT orders_total_range CHECK (total >= 0),
    CONSTRAINT orders_paid_at_when_paid CHECK ((status IN ('PAID', 'REFUNDED')) = (paid_at IS NOT NULL)),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
-- Both lists are newest first; ids are version 7, so they settle ties in time.
CREATE INDEX orders_by_user ON orders (tenant_id, user_id, created_at DESC, id DESC);
CREATE INDEX orders_by_time ON orders (tenant_id, created_at DESC, id DESC);
CALL protect_tenant_table('orders', 'SELECT, INSERT, UPDATE');

-- What was sold, at the price it had: never changed after. Also the lines of the invoice.
CREATE TABLE order_items (
    tenant_id             uuid    NOT NULL REFERENCES tenants (id),
    id                    uuid    NOT NULL,
    order_id              uuid    NOT NULL,
    position              integer NOT NULL,
    product_id            uuid    NOT NULL,
    sku                   text    NOT NULL,
    name                  text    NOT NULL,
    kind                  text    NOT NULL,
    quantity              integer NOT NULL,
    unit_amount           bigint  NOT NULL,
    total                 bigint  NOT NULL,
    licence_validity_days integer,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT order_items_position_key UNIQUE (tenant_id, order_id, position),
    CONSTRAINT order_items_quantity_range CHECK (quantity BETWEEN 1 AND 999),
    CONSTRAINT order_items_total_right CHECK (total = unit_amount * quantity),
    CONSTRAINT order_items_kind_known CHECK (kind IN ('LICENCE', 'DOWNLOAD', 'SERVICE')),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id)
);
CALL protect_tenant_table('order_items', 'SELECT, INSERT');

CREATE TABLE invoices (
    tenant_id     uuid        NOT NULL REFERENCES tenants (id),
    id            uuid        NOT NULL,
    number        text        NOT NULL,
    order_id      uuid        NOT NULL,
    status        text        NOT NULL DEFAULT 'OPEN',
    currency      text        NOT NULL,
    subtotal      bigint      NOT NULL,
    tax           bigint      NOT NULL DEFAULT 0,
    total         bigint      NOT NULL,
    bill_to_name  text,
    bill_to_email text        NOT NULL,
    issued_at     timestamptz NOT NULL,
    paid_at       timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT invoices_number_key UNIQUE (tenant_id, number),
    CONSTRAINT invoices_order_key UNIQUE (tenant_id, order_id),
    CONSTRAINT invoices_number_form CHECK (number ~ '^INV-[0-9]{4}-[0-9]{6}$'),
    CONSTRAINT invoices_status_known CHECK (status IN ('OPEN', 'PAID', 'VOID', 'REFUNDED')),
    CONSTRAINT invoices_total_right CHECK (total = subtotal + tax),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id)
);
CALL protect_tenant_table('invoices', 'SELECT, INSERT, UPDATE');

CREATE TABLE payments (
    tenant_id                  uuid        NOT NULL REFERENCES tenants (id),
    id                         uuid        NOT NULL,
    order_id                   uuid        NOT NULL,
    provider                   text        NOT NULL,
    status                     text        NOT NULL DEFAULT 'PENDING',
    amount                     bigint      NOT NULL,
    currency                   text        NOT NULL,
    amount_refunded            bigint      NOT NULL DEFAULT 0,
    provider_session_id        text,
    provider_payment_intent_id text,
    checkout_url               text,
    checkout_expires_at        timestamptz,
    created_at                 timestamptz NOT NULL,
    updated_at                 timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT payments_order_key UNIQUE (tenant_id, order_id),
    CONSTRAINT payments_provider_known CHECK (provider IN ('STRIPE')),
    CONSTRAINT payments_status_known CHECK (status IN ('PENDING', 'PAID', 'FAILED', 'EXPIRED', 'REFUNDED')),
    CONSTRAINT payments_amount_refunded_range CHECK (amount_refunded >= 0),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id)
);
CREATE UNIQUE INDEX payments_provider_session_key ON payments (tenant_id, provider, provider_session_id);
CREATE UNIQUE INDEX payments_provider_payment_intent_key ON payments (tenant_id, provider, provider_payment_intent_id);
CREATE INDEX payments_still_pending ON payments (created_at) WHERE status = 'PENDING';
CALL protect_tenant_table('payments', 'SELECT, INSERT, UPDATE');

CREATE TABLE payment_disputes (
    tenant_id           uuid        NOT NULL REFERENCES tenants (id),
    id                  uuid        NOT NULL,
    payment_id          uuid        NOT NULL,
    provider_dispute_id text        NOT NULL,
    status              text        NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_disputes_provider_key UNIQUE (tenant_id, payment_id, provider_dispute_id),
    CONSTRAINT payment_disputes_status_known CHECK (status IN ('OPEN', 'WON', 'LOST')),
    FOREIGN KEY (tenant_id, payment_id) REFERENCES payments (tenant_id, id)
);
CALL protect_tenant_table('payment_disputes', 'SELECT, INSERT, UPDATE');

CREATE TABLE receipts (
    tenant_id           uuid        NOT NULL REFERENCES tenants (id),
    id                  uuid        NOT NULL,
    number              text        NOT NULL,
    order_id            uuid        NOT NULL,
    currency            text        NOT NULL,
    total               bigint      NOT NULL,
    paid_at             timestamptz NOT NULL,
    provider            text        NOT NULL,
    provider_payment_id text,
    created_at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT receipts_number_key UNIQUE (tenant_id, number),
    -- One receipt per order, whoever else believes to be the first to see it paid.
    CONSTRAINT receipts_order_key UNIQUE (tenant_id, order_id),
    CONSTRAINT receipts_number_form CHECK (number ~ '^RCP-[0-9]{4}-[0-9]{6}$'),
    CONSTRAINT receipts_provider_known CHECK (provider IN ('STRIPE')),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id)
);
CALL protect_tenant_table('receipts', 'SELECT, INSERT');

-- The PDF of an invoice or receipt, once it was made. Where it lies is never shown.
CREATE TABLE documents (
    tenant_id  uuid        NOT NULL REFERENCES tenants (id),
    id         uuid        NOT NULL,
    kind       text        NOT NULL,
    number     text        NOT NULL,
    -- What the document says of the state of its subject; a changed state makes a new document.
    revision   text        NOT NULL,
    bucket     text        NOT NULL,
    object_key text        NOT NULL,
    size_bytes bigint      NOT NULL,
    sha256     bytea       NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT documents_subject_key UNIQUE (tenant_id, kind, number, revision),
    CONSTRAINT documents_kind_known CHECK (kind IN ('INVOICE', 'RECEIPT'))
);
CALL protect_tenant_table('documents', 'SELECT, INSERT');
