-- What the scripts of this folder need. They write the rows that the service writes, with a transaction and a row lock
-- for each request. They are spared row-level security, signatures, HTTP, and the chaining of the
-- audit log.

-- Ids in the order of their making, like the service's: random ones would scatter over the indexes.
CREATE SEQUENCE IF NOT EXISTS floor_ids CACHE 32;
CREATE OR REPLACE FUNCTION floor_id() RETURNS uuid LANGUAGE sql VOLATILE
    AS $$ SELECT lpad(to_hex(nextval('floor_ids')), 32, '0')::uuid $$;

-- The key of the n-th licence of a shop.
CREATE OR REPLACE FUNCTION floor_key(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT regexp_replace(lpad(mod(n * 387420489, 1000000000000)::text, 12, '0'), '(....)(....)(....)',
                                'LIC-\1-\2-\3') $$;

-- Order numbers follow from invoice numbers, which saves this side a second counter.
CREATE OR REPLACE FUNCTION floor_order_number(n integer) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT 'ORD-20020202-' || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', n / 46656 % 36 + 1, 1)
              || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', n / 1296 % 36 + 1, 1)
              || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', n / 36 % 36 + 1, 1)
              || substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', n % 36 + 1, 1) $$;

-- What stands where the service has the hash of an entry of the audit log. Nothing is chained on this side.
CREATE OR REPLACE FUNCTION floor_hash() RETURNS bytea LANGUAGE sql IMMUTABLE
    AS $$ SELECT decode(repeat('f0', 32), 'hex') $$;

-- An event of the size that the service is sent and stores.
CREATE OR REPLACE FUNCTION floor_payload(id text) RETURNS json LANGUAGE sql IMMUTABLE
    AS $$ SELECT ('{"id":"' || id || '","object":"event","api_version":"2026-09-30","created":1790000000,"data":{"object":{"id":"cs_0123456789","object":"checkout.session","after_expiration":null,"allow_promotion_codes":null,"amount_subtotal":4900,"amount_total":4900,"automatic_tax":{"enabled":false,"liability":null,"status":null},"billing_address_collection":null,"cancel_url":"https://shop.example/cancelled","client_reference_id":"01890000-0000-7000-8000-000000000000","consent":null,"created":1790000000,"currency":"usd","customer":null,"customer_creation":"if_required","customer_details":{"address":null,"email":"jane@example.com","name":"Jane","phone":null,"tax_exempt":"none","tax_ids":[]},"expires_at":1790086400,"invoice":null,"livemode":false,"locale":null,"metadata":{"orderId":"01890000-0000-7000-8000-000000000000","tenantId":"01890000-0000-7000-8000-000000000000"},"mode":"payment","payment_intent":"pi_load-0123456789ab_12345","payment_method_types":["card"],"payment_status":"paid","shipping_cost":null,"status":"complete","submit_type":null,"subscription":null,"success_url":"https://shop.example/success","total_details":{"amount_discount":0,"amount_shipping":0,"amount_tax":0},"ui_mode":"hosted_page","url":null}},"livemode":false,"pending_webhooks":1,"request":{"id":null,"idempotency_key":null},"type":"checkout.session.completed"}')::json $$;
