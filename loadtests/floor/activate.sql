-- MAX=1: the licence's row is locked, its active activation looked for, and one written where there is none, with its
-- entry in the audit log where :audited is 1. Each client walks its own share of the licences; with a stride of 0 all ask
-- for the first.
\set turn :turn + 1
\set number (:client_id + :clients * :turn) * :stride
BEGIN;
SELECT l.id AS licence, l.status AS licence_status, (l.expires_at IS NULL OR l.expires_at > now())::integer AS unexpired, p.sku AS product_sku FROM licences l JOIN products p ON p.tenant_id = l.tenant_id AND p.id = l.product_id WHERE l.tenant_id = :tenant::uuid AND l.key = floor_key(:number::bigint) FOR UPDATE OF l \gset
SELECT count(*) AS active FROM activations WHERE tenant_id = :tenant::uuid AND licence_id = :licence::uuid AND deactivated_at IS NULL \gset
\if :active = 0
\if :audited
WITH made AS (INSERT INTO activations (tenant_id, id, licence_id, fingerprint, device_name, activated_at) VALUES (:tenant::uuid, floor_id(), :licence::uuid, 'device-' || :number::bigint, 'Laptop', now()) RETURNING tenant_id, id, licence_id, activated_at) INSERT INTO audit_log (tenant_id, id, at, actor, request_id, action, subject, after, hash) SELECT tenant_id, floor_id(), activated_at, 'anonymous', 'floor-' || :number::bigint, 'licence.activated', 'licence:' || licence_id, json_build_object('activationId', id), floor_hash() FROM made;
\else
INSERT INTO activations (tenant_id, id, licence_id, fingerprint, device_name, activated_at) VALUES (:tenant::uuid, floor_id(), :licence::uuid, 'device-' || :number::bigint, 'Laptop', now());
\endif
\endif
COMMIT;
