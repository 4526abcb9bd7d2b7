-- Who did what, when: written in the transaction of what it tells of, never changed, chained so that a change shows.
-- See _spec/decisions/audit-log.md.

CREATE TABLE audit_log (
    tenant_id  uuid        NOT NULL REFERENCES tenants (id),
    id         uuid        NOT NULL,
    at         timestamptz NOT NULL,
    -- `user:<id>`, `anonymous`, `system` or `cli:<user of the operating system>`.
    actor      text        NOT NULL,
    request_id text,
    action     text        NOT NULL,
    -- `<kind>:<id>`; NULL where there is nothing to name (a sign-in to no account).
    subject    text,
    -- Type json, not jsonb: the hash is over every byte.
    before     json,
    after      json,
    -- Of all of the above.
    hash       bytea       NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT audit_log_hash_length CHECK (octet_length(hash) = 32)
);
CALL protect_tenant_table('audit_log', 'SELECT, INSERT');

-- The order in which entries were sealed. Each link's hash is of the one before and of its entry's.
CREATE TABLE audit_chain (
    tenant_id uuid   NOT NULL REFERENCES tenants (id),
    position  bigint NOT NULL,
    entry_id  uuid   NOT NULL,
    hash      bytea  NOT NULL,
    PRIMARY KEY (tenant_id, position),
    CONSTRAINT audit_chain_entry_key UNIQUE (tenant_id, entry_id),
    CONSTRAINT audit_chain_position_range CHECK (position > 0),
    CONSTRAINT audit_chain_hash_length CHECK (octet_length(hash) = 32)
);
CALL protect_tenant_table('audit_chain', 'SELECT, INSERT');

-- Entries that are in no chain yet: taken out in the transaction that chains them.
CREATE TABLE audit_unsealed (
    tenant_id uuid NOT NULL REFERENCES tenants (id),
    entry_id  uuid NOT NULL,
    PRIMARY KEY (tenant_id, entry_id)
);
CALL protect_tenant_table('audit_unsealed', 'SELECT, INSERT, DELETE');
-- Which tenants have any is asked for all of them at once.
CREATE POLICY platform_finds_unsealed ON audit_unsealed FOR SELECT
    USING (coalesce(current_setting('app.scope', true) = 'sealer', false));

-- Not even the tables' owner.
CREATE FUNCTION refuse_change_of_audit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit();
CREATE TRIGGER audit_log_not_emptied BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();
CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE ON audit_chain
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit();
CREATE TRIGGER audit_chain_not_emptied BEFORE TRUNCATE ON audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();
