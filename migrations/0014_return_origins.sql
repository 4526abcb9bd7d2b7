-- Where a customer may be sent after a checkout, beyond the tenant's own hosts and the front end.

-- Web origins as browsers serialise them: scheme, host, and a port that is not the scheme's own.
ALTER TABLE tenants ADD COLUMN return_origins text[] NOT NULL DEFAULT '{}';
ALTER TABLE tenants ADD CONSTRAINT tenants_return_origins_few CHECK (cardinality(return_origins) <= 50);
