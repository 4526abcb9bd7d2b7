-- Row-level security's condition becomes a filter that no index is searched by.
--
-- As `tenant_id = ANY (…)` it was taken for an index condition beside the statement's own `tenant_id = …`. PostgreSQL,
-- which thinks the two independent, then expected a single row from the tenant alone, saw no use in the rest of a
-- key, and read all rows of a tenant to find one of them. `IS TRUE` says the same (also that an unset list opens
-- nothing) in a form that indexes do not know.

CREATE OR REPLACE PROCEDURE protect_tenant_table(table_name regclass, privileges text)
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', table_name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', table_name);
    EXECUTE format(
        'CREATE POLICY tenant_rows ON %s USING ((tenant_id = ANY ((SELECT app_tenants())::uuid[])) IS TRUE) '
        'WITH CHECK ((tenant_id = ANY ((SELECT app_tenants())::uuid[])) IS TRUE)', table_name);
    EXECUTE format('GRANT %s ON %s TO primetech_app', privileges, table_name);
END
$$;

DO $$
DECLARE
    protected text;
BEGIN
    FOR protected IN
        SELECT tablename FROM pg_policies WHERE schemaname = current_schema() AND policyname = 'tenant_rows'
    LOOP
        EXECUTE format(
            'ALTER POLICY tenant_rows ON %I USING ((tenant_id = ANY ((SELECT app_tenants())::uuid[])) IS TRUE) '
            'WITH CHECK ((tenant_id = ANY ((SELECT app_tenants())::uuid[])) IS TRUE)', protected);
    END LOOP;
END
$$;
