-- The modules that a tenant does without: their endpoints answer it as if they were not there.
ALTER TABLE tenants ADD COLUMN switched_off_modules text[] NOT NULL DEFAULT '{}';
ALTER TABLE tenants ADD CONSTRAINT tenants_switched_off_modules_few
    CHECK (cardinality(switched_off_modules) <= 100) NOT VALID;
ALTER TABLE tenants VALIDATE CONSTRAINT tenants_switched_off_modules_few;
