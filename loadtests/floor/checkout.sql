-- Policy B: order, item, invoice and payment in one transaction, the invoice numbered under its counter's row lock.
BEGIN;
SELECT id AS product, name AS product_name, kind AS product_kind, unit_amount AS amount FROM products WHERE tenant_id = :tenant::uuid AND sku = 'editor' AND active \gset
SELECT last_value + 1 AS sequence FROM counters WHERE tenant_id = :tenant::uuid AND kind = 'INV' AND period = :year::integer FOR UPDATE \gset
UPDATE counters SET last_value = :sequence::integer WHERE tenant_id = :tenant::uuid AND kind = 'INV' AND period = :year::integer;
INSERT INTO orders (tenant_id, id, number, user_id, status, currency, total, created_at) VALUES (:tenant::uuid, floor_id(), floor_order_number(:sequence::integer), :user::uuid, 'PENDING', 'USD', :amount::bigint, now()) RETURNING id AS order_id \gset
INSERT INTO order_items (tenant_id, id, order_id, position, product_id, sku, name, kind, quantity, unit_amount, total) VALUES (:tenant::uuid, floor_id(), :order_id::uuid, 1, :product::uuid, 'editor', :product_name, :product_kind, 1, :amount::bigint, :amount::bigint);
INSERT INTO invoices (tenant_id, id, number, order_id, status, currency, subtotal, tax, total, bill_to_email, issued_at) VALUES (:tenant::uuid, floor_id(), 'INV-' || :year::integer || '-' || lpad(:sequence::integer::text, 6, '0'), :order_id::uuid, 'OPEN', 'USD', :amount::bigint, 0, :amount::bigint, 'jane@example.com', now());
INSERT INTO payments (tenant_id, id, order_id, provider, status, amount, currency, created_at, updated_at) VALUES (:tenant::uuid, floor_id(), :order_id::uuid, 'STRIPE', 'PENDING', :amount::bigint, 'USD', now(), now());
COMMIT;
