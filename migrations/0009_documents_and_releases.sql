-- The sheet that a tenant's documents are printed on, and what the program relies on of stored documents.

ALTER TABLE tenants ADD COLUMN paper text NOT NULL DEFAULT 'A4';
ALTER TABLE tenants ADD CONSTRAINT tenants_paper_known CHECK (paper IN ('A4', 'LETTER'));

ALTER TABLE documents ADD CONSTRAINT documents_sha256_length CHECK (octet_length(sha256) = 32);
ALTER TABLE documents ADD CONSTRAINT documents_size_range CHECK (size_bytes >= 0);
