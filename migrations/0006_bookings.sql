-- Service bookings and the history of their status.

CREATE TABLE bookings (
    tenant_id     uuid        NOT NULL REFERENCES tenants (id),
    id            uuid        NOT NULL,
    ref           text        NOT NULL,
    product_id    uuid        NOT NULL,
    service_sku   text        NOT NULL,
    service_name  text        NOT NULL,
    status        text        NOT NULL DEFAULT 'NEW',
    name          text        NOT NULL,
    email         text        NOT NULL,
    phone         text,
    scheduled_for timestamptz,
    notes         text,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT bookings_ref_key UNIQUE (tenant_id, ref),
    CONSTRAINT bookings_ref_form CHECK (ref ~ '^BKG-[A-Z0-9]{8}$'),
    CONSTRAINT bookings_status_known CHECK (status IN ('NEW', 'CONFIRMED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED')),
    FOREIGN KEY (tenant_id, product_id) REFERENCES products (tenant_id, id)
);
CREATE INDEX bookings_by_time ON bookings (tenant_id, created_at DESC, id DESC);
CREATE INDEX bookings_by_status ON bookings (tenant_id, status, created_at DESC, id DESC);
CALL protect_tenant_table('bookings', 'SELECT, INSERT, UPDATE');

CREATE TABLE booking_events (
    tenant_id   uuid        NOT NULL REFERENCES tenants (id),
    id          uuid        NOT NULL,
    booking_id  uuid        NOT NULL,
    -- NULL: the booking was made.
    from_status text,
    to_status   text        NOT NULL,
    at          timestamptz NOT NULL,
    -- The admin who did it; NULL: the customer, by booking.
    by_user_id  uuid,
    by_email    text        NOT NULL,
    note        text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, booking_id) REFERENCES bookings (tenant_id, id),
    FOREIGN KEY (tenant_id, by_user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX booking_events_by_booking ON booking_events (tenant_id, booking_id, at, id);
CALL protect_tenant_table('booking_events', 'SELECT, INSERT');
