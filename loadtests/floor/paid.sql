-- The paid transaction: the event is stored under its unique id; where it is new, its order and payment are locked,
-- the receipt is numbered under its counter's row lock, and all that follows is written, the audit log's entries too.
-- Of each five events one comes once, one twice, and so on to five times, 200 events shuffled together: the mix of the
-- scenario.
\set turn :turn + 1
\set delivery :client_id + :clients * :turn
\set block :delivery / 600
\set place :block * 600 + permute(mod(:delivery, 600), 600, :block)
\set within mod(:place, 15)
\set event :place / 15 * 5 + CASE WHEN :within < 1 THEN 0 WHEN :within < 3 THEN 1 WHEN :within < 6 THEN 2 WHEN :within < 10 THEN 3 ELSE 4 END
BEGIN;
WITH stored AS (INSERT INTO webhook_events (id, provider, provider_event_id, type, payload, status, received_at) VALUES (floor_id(), 'STRIPE', 'evt_' || :tag || '_' || :event::bigint, 'checkout.session.completed', floor_payload('evt_' || :tag || '_' || :event::bigint), 'PENDING', now()) ON CONFLICT (provider, provider_event_id) DO NOTHING RETURNING 1) SELECT count(*) AS is_new FROM stored \gset
\if :is_new = 1
SELECT o.id AS order_id, o.user_id AS user_id, o.total AS amount, p.id AS payment_id FROM payment_refs r JOIN orders o ON o.tenant_id = r.tenant_id AND o.id = r.order_id JOIN payments p ON p.tenant_id = r.tenant_id AND p.id = r.payment_id WHERE r.provider = 'STRIPE' AND r.ref = 'cs_' || :tag || '_' || :event::bigint FOR UPDATE OF o, p \gset
SELECT last_value + 1 AS sequence FROM counters WHERE tenant_id = :tenant::uuid AND kind = 'RCP' AND period = :year::integer FOR UPDATE \gset
UPDATE counters SET last_value = :sequence::integer WHERE tenant_id = :tenant::uuid AND kind = 'RCP' AND period = :year::integer;
UPDATE orders SET status = 'PAID', paid_at = now() WHERE tenant_id = :tenant::uuid AND id = :order_id::uuid;
UPDATE invoices SET status = 'PAID', paid_at = now() WHERE tenant_id = :tenant::uuid AND order_id = :order_id::uuid;
UPDATE payments SET status = 'PAID', provider_payment_intent_id = 'pi_' || :tag || '_' || :event::bigint, updated_at = now() WHERE tenant_id = :tenant::uuid AND id = :payment_id::uuid;
INSERT INTO payment_refs (provider, ref, tenant_id, payment_id, order_id) VALUES ('STRIPE', 'pi_' || :tag || '_' || :event::bigint, :tenant::uuid, :payment_id::uuid, :order_id::uuid);
INSERT INTO receipts (tenant_id, id, number, order_id, currency, total, paid_at, provider, provider_payment_id, created_at) VALUES (:tenant::uuid, floor_id(), 'RCP-' || :year::integer || '-' || lpad(:sequence::integer::text, 6, '0'), :order_id::uuid, 'USD', :amount::bigint, now(), 'STRIPE', 'pi_' || :tag || '_' || :event::bigint, now());
SELECT id AS item_id, product_id AS product_id FROM order_items WHERE tenant_id = :tenant::uuid AND order_id = :order_id::uuid \gset
INSERT INTO entitlements (tenant_id, id, user_id, order_id, order_item_id, product_id, created_at) VALUES (:tenant::uuid, floor_id(), :user_id::uuid, :order_id::uuid, :item_id::uuid, :product_id::uuid, now());
INSERT INTO licences (tenant_id, id, key, status, product_id, user_id, order_id, order_item_id, unit_number, created_at) VALUES (:tenant::uuid, floor_id(), floor_key(:event::bigint), 'ACTIVE', :product_id::uuid, :user_id::uuid, :order_id::uuid, :item_id::uuid, 1, now());
INSERT INTO outbox_messages (tenant_id, id, topic, payload, next_attempt_at, created_at) SELECT :tenant::uuid, floor_id(), topic, json_build_object('orderId', :order_id::text, 'userId', :user_id::text), 'infinity', now() FROM (VALUES ('mail.order-paid'), ('event.order-paid')) AS messages (topic);
INSERT INTO audit_log (tenant_id, id, at, actor, action, subject, before, after, hash) VALUES (:tenant::uuid, floor_id(), now(), 'system', 'order.status_changed', 'order:' || :order_id::text, '{"status":"PENDING"}', '{"status":"PAID"}', floor_hash()), (:tenant::uuid, floor_id(), now(), 'system', 'licence.issued', 'licence:' || :order_id::text, NULL, json_build_object('status', 'ACTIVE', 'orderId', :order_id::text), floor_hash());
UPDATE webhook_events SET status = 'PROCESSED', attempts = 1, tenant_id = :tenant::uuid, order_id = :order_id::uuid, processed_at = now() WHERE provider = 'STRIPE' AND provider_event_id = 'evt_' || :tag || '_' || :event::bigint;
\endif
COMMIT;
