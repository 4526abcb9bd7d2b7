-- The application role, tenants, and the rule that every tenant's rows are seen through.
--
-- Whoever runs the migrations owns the tables. The application works under `primetech_app`, which owns nothing and
-- cannot bypass row-level security; each of its connections begins with SET ROLE.

DO $$
BEGIN
    CREATE ROLE primetech_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
EXCEPTION
    -- Roles belong to the cluster: another database's migration may have made it, even at this moment.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'primetech_app', 'MEMBER') THEN
        EXECUTE format('GRANT primetech_app TO %I', current_user);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO primetech_app', current_schema());
END
$$;

-- The tenants whose rows this transaction may see. Unset: none.
CREATE FUNCTION app_tenants() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT string_to_array(nullif(current_setting('app.tenant_ids', true), ''), ',')::uuid[] $$;

-- True in a transaction of the platform itself (routing a provider event, delivering the outbox), which
-- knows no tenant yet. Only the tables named in a `platform_*` policy honour it.
CREATE FUNCTION app_is_platform() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT coalesce(current_setting('app.scope', true) = 'platform', false) $$;

-- Forces row-level security on a tenant's table and grants the application what it needs there.
CREATE PROCEDURE protect_tenant_table(table_name regclass, privileges text)
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', table_name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', table_name);
    EXECUTE format(
        'CREATE POLICY tenant_rows ON %s USING (tenant_id = ANY ((SELECT app_tenants())::uuid[])) '
        'WITH CHECK (tenant_id = ANY ((SELECT app_tenants())::uuid[]))', table_name);
    EXECUTE format('GRANT %s ON %s TO primetech_app', privileges, table_name);
END
$$;

CREATE TABLE tenants (
    id          uuid        PRIMARY KEY,
    slug        text        NOT NULL,
    name        text        NOT NULL,
    active      boolean     NOT NULL DEFAULT true,
    -- Lines of the postal address as printed on documents.
    address     text[]      NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL,
    CONSTRAINT tenants_slug_key UNIQUE (slug),
    CONSTRAINT tenants_slug_form CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    CONSTRAINT tenants_name_form CHECK (char_length(name) BETWEEN 1 AND 200)
);
GRANT SELECT ON tenants TO primetech_app;

CREATE TABLE tenant_domains (
    tenant_id   uuid        NOT NULL REFERENCES tenants (id),
    id          uuid        NOT NULL,
    host        text        NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    -- A host names one tenant in the whole installation: it is what tells tenants apart.
    CONSTRAINT tenant_domains_host_key UNIQUE (host),
    CONSTRAINT tenant_domains_host_form CHECK (host = lower(host) AND char_length(host) BETWEEN 1 AND 253)
);
ALTER TABLE tenant_domains ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_domains FORCE ROW LEVEL SECURITY;
-- The host is looked up before any tenant is known.
CREATE POLICY platform_reads_hosts ON tenant_domains FOR SELECT USING (true);
CREATE POLICY tenant_rows ON tenant_domains
    USING (tenant_id = ANY ((SELECT app_tenants())::uuid[]))
    WITH CHECK (tenant_id = ANY ((SELECT app_tenants())::uuid[]));
GRANT SELECT ON tenant_domains TO primetech_app;

-- Tells every process which cached rows to drop. The payload is `<kind>:<id>`, never anything secret.
CREATE FUNCTION notify_tenant_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_TABLE_NAME = 'tenants' THEN
        PERFORM pg_notify('primetech_cache', 'tenant:' || coalesce(NEW.id, OLD.id));
    ELSE
        PERFORM pg_notify('primetech_cache', 'tenant:' || coalesce(NEW.tenant_id, OLD.tenant_id));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER tenants_notify AFTER INSERT OR UPDATE OR DELETE ON tenants
    FOR EACH ROW EXECUTE FUNCTION notify_tenant_change();
CREATE TRIGGER tenant_domains_notify AFTER INSERT OR UPDATE OR DELETE ON tenant_domains
    FOR EACH ROW EXECUTE FUNCTION notify_tenant_change();
