-- Where a tenant's customers are led to, and where they write to.

-- The beginning of links in its mails, without a slash at the end. NULL: the front end of the installation.
ALTER TABLE tenants ADD COLUMN site_url text;
-- The address that answers to its mails go to. NULL: the one that they are from.
ALTER TABLE tenants ADD COLUMN reply_to text;
-- As printed on its documents.
ALTER TABLE tenants ADD COLUMN tax_id text;
ALTER TABLE tenants ADD CONSTRAINT tenants_site_url_form CHECK (site_url ~ '^https?://[^/]' AND char_length(site_url) <= 300) NOT VALID;
ALTER TABLE tenants VALIDATE CONSTRAINT tenants_site_url_form;
ALTER TABLE tenants ADD CONSTRAINT tenants_reply_to_form CHECK (char_length(reply_to) BETWEEN 3 AND 254) NOT VALID;
ALTER TABLE tenants VALIDATE CONSTRAINT tenants_reply_to_form;
ALTER TABLE tenants ADD CONSTRAINT tenants_tax_id_form CHECK (char_length(tax_id) BETWEEN 1 AND 64) NOT VALID;
ALTER TABLE tenants VALIDATE CONSTRAINT tenants_tax_id_form;
