-- The seller belongs to the invoice: name, address, tax id and sheet of the tenant as they were when it was issued.

-- Also added by 0018 where that is applied; a program without it prints none.
ALTER TABLE tenants ADD COLUMN IF NOT EXISTS tax_id text;

ALTER TABLE invoices ADD COLUMN seller_name text;
ALTER TABLE invoices ADD COLUMN seller_address text[];
-- NULL: the tenant had none.
ALTER TABLE invoices ADD COLUMN seller_tax_id text;
ALTER TABLE invoices ADD COLUMN seller_paper text;

-- Invoices of a program from before this migration, which goes on while it is rolled out, are completed here. A newer
-- program writes the columns itself and never comes here. To be dropped when no such program is left.
CREATE FUNCTION complete_invoice_seller() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    SELECT t.name, t.address, t.tax_id, t.paper
    INTO NEW.seller_name, NEW.seller_address, NEW.seller_tax_id, NEW.seller_paper
    FROM tenants t WHERE t.id = NEW.tenant_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER invoices_complete_seller BEFORE INSERT ON invoices
    FOR EACH ROW WHEN (NEW.seller_name IS NULL) EXECUTE FUNCTION complete_invoice_seller();

-- Invoices that are out: what their tenant is now is what their documents showed until now. Row-level security holds for
-- the tables' owner too, so every tenant is opened for this transaction.
SELECT set_config('app.tenant_ids', coalesce(string_agg(id::text, ','), ''), true) FROM tenants;
UPDATE invoices i
SET seller_name = t.name, seller_address = t.address, seller_tax_id = t.tax_id, seller_paper = t.paper
FROM tenants t WHERE t.id = i.tenant_id AND i.seller_name IS NULL;
