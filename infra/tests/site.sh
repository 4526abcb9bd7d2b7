# shellcheck shell=bash
# A whole server in a scratch folder: provisioned, deployed to, loaded, redeployed, rolled back, backed up, restored, by the
# shipped scripts and settings. Sourced by scripts/test-infra.
# shellcheck source=infra/tests/common.sh

step "a server is provisioned, twice"
scratch_postgres database
ADMIN_HOST=$SCRATCH/database
SITE=$SCRATCH/site
mkdir -p "$SITE"
HTTP=$(free_port) HTTPS=$(free_port) FIRST=$(free_port) SECOND=$(free_port)
PM2=$TOOLS/pm2/node_modules/.bin/pm2
NGINX_CONF=$SITE/nginx.conf
export PRIMETECH_PREFIX=$SITE PRIMETECH_PORTS="$FIRST $SECOND" PRIMETECH_MANAGER=pm2 PRIMETECH_PM2=$PM2 \
    PRIMETECH_HOSTS="demo.localhost acme.localhost" PRIMETECH_HTTP_PORT=$HTTP PRIMETECH_HTTPS_PORT=$HTTPS \
    PRIMETECH_NGINX="nginx -c $NGINX_CONF" PRIMETECH_NGINX_PID=$SITE/nginx.pid PRIMETECH_DATABASE=primetech \
    PRIMETECH_ADMIN_HOST=$ADMIN_HOST PRIMETECH_ADMIN_USER=postgres \
    PRIMETECH_DATABASE_URL="postgres://primetech@localhost:$POSTGRES_PORT/primetech?host=$ADMIN_HOST" \
    PRIMETECH_OWNER_DATABASE_URL="postgres://primetech_owner@localhost:$POSTGRES_PORT/primetech?host=$ADMIN_HOST" \
    PGPORT=$POSTGRES_PORT

check "a dry run works" scripts/provision --dry-run
same "a dry run writes nothing" "" "$(find "$SITE" -type f)"
check "the first time" scripts/provision
find "$SITE" -type f -exec sha256sum {} + | sort >"$SCRATCH/first"
scripts/provision 2>"$SCRATCH/second.log"
find "$SITE" -type f -exec sha256sum {} + | sort >"$SCRATCH/second"
check "the second time changes no byte" cmp "$SCRATCH/first" "$SCRATCH/second"
same "the second time says nothing" "" "$(cat "$SCRATCH/second.log")"
same "secrets are the group's only" 640 "$(stat -c %a "$SITE/etc/primetech/.env")"
same "placeholders are filled in" "" "$(grep -rlE '@[A-Z][A-Z_]+@' "$SITE/etc" || true)"

sql() { psql --no-psqlrc -qAt -h "$ADMIN_HOST" -U "${2:-postgres}" -d "${3:-primetech}" -c "$1"; }
same "the serving role is the application's from its login on" primetech_app "$(sql 'SELECT current_user' primetech)"

step "a store and a payment provider, from the development command"
(cd "$SCRATCH" && exec env RUST_LOG=warn "$PROGRAM" dev --port 0 --data-dir "$SCRATCH/dev") >"$SCRATCH/dev.log" 2>&1 &
STARTED+=($!)
wait_until 60 "dev.json" test -f "$SCRATCH/dev/dev.json"
# What the operator would fill in. Limits so high that the load passes, but the one that tells clients apart.
jq -r '.env | to_entries[] | select(.key | IN("APP_BASE_URL", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE",
    "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_BUCKET_PRIVATE", "S3_ENDPOINT", "MAIL_FROM", "MAIL_DIR")) |
    "\(.key)=\"\(.value)\""' "$SCRATCH/dev/dev.json" >"$SCRATCH/filled"
{
    grep -vE "^($(cut -d = -f 1 "$SCRATCH/filled" | paste -sd '|')|NODE_ENV|REDIS_URL|SMTP_URL|COOKIE_SECURE)=" "$SITE/etc/primetech/.env"
    cat "$SCRATCH/filled"
    printf 'NODE_ENV=test\nCOOKIE_SECURE=true\nRATE_LIMIT_OTHER=100000\nRATE_LIMIT_LICENCES=100000\nRATE_LIMIT_AUTH=6\n'
} >"$SCRATCH/env"
install -m 0640 "$SCRATCH/env" "$SITE/etc/primetech/.env"

step "nginx with the shipped site"
cat >"$NGINX_CONF" <<CONF
$(if [ "$(id -u)" = 0 ]; then echo "user www-data;"; fi)
worker_processes 2;
pid $SITE/nginx.pid;
error_log $SITE/nginx-error.log notice;
events { worker_connections 512; }
http {
    include /etc/nginx/mime.types;
    client_body_temp_path $SITE/nginx-body;
    proxy_temp_path $SITE/nginx-proxy;
    fastcgi_temp_path $SITE/nginx-fastcgi;
    uwsgi_temp_path $SITE/nginx-uwsgi;
    scgi_temp_path $SITE/nginx-scgi;
    include $SITE/etc/nginx/sites-enabled/*.conf;
}
CONF
check "nginx takes the configuration" nginx -c "$NGINX_CONF" -t
check "gixy finds no weakness in it" "$TOOLS/python/bin/gixy" --skips=hash_without_default "$NGINX_CONF"
nginx -c "$NGINX_CONF"
STARTED+=("$(cat "$SITE/nginx.pid")")
CERTIFICATE=$SITE/etc/primetech/nginx/placeholder.pem
web() { curl -sS --max-time 40 --cacert "$CERTIFICATE" "$@"; }
DEMO=https://demo.localhost:$HTTPS
same "no process: a read is told to come back" '503 OVERLOADED 1' \
    "$(web -D "$SCRATCH/head" -o "$SCRATCH/body" -w '%{http_code}' "$DEMO/api/releases") $(jq -r .error.code "$SCRATCH/body") $(grep -i '^retry-after' "$SCRATCH/head" | tr -d '\r' | cut -d ' ' -f 2)"
same "no process: neither did a write happen" 'OVERLOADED' "$(web -X POST "$DEMO/api/bookings" | jq -r .error.code)"

step "the first deploy"
strip -o "$SCRATCH/primetech" "$PROGRAM"
export PRIMETECH_GZIP_LEVEL=1
FIRST_RELEASE=$(scripts/package --binary "$SCRATCH/primetech" --output "$SCRATCH/releases" --version test-1)
same "the same release is the same archive" "$(sha256sum <"$FIRST_RELEASE")" \
    "$(sha256sum <"$(scripts/package --binary "$SCRATCH/primetech" --output "$SCRATCH/again" --version test-1)")"
check "a dry run works" scripts/deploy --dry-run "$FIRST_RELEASE"
same "a dry run unpacks nothing" "" "$(find "$SITE/opt/primetech/releases" -mindepth 1)"
# What the operator's shell holds must not reach the program.
check "deploy" env PORT=1 NODE_ENV=nonsense DATABASE_URL=nonsense scripts/deploy "$FIRST_RELEASE"
for port in "$FIRST" "$SECOND"; do
    check "port $port is ready" curl -fsS "http://127.0.0.1:$port/ready"
done
pid_on() { HOME=$SITE PM2_HOME=$SITE/var/lib/primetech/pm2 "$PM2" pid "primetech-$1" | tail -n 1; }
release_on() { readlink "/proc/$(pid_on "$1")/exe" | sed 's|.*/releases/||; s|/.*||'; }
same "PM2 runs the program itself" test-1 "$(release_on "$FIRST")"
same "no secret is in PM2's dump" "" "$(grep -l "$(sed -n 's/^SESSION_SECRET=//p' "$SITE/etc/primetech/.env")" -r "$SITE/var/lib/primetech/pm2" || true)"
same "the operator's shell is not in the program" "" "$(tr '\0' '\n' <"/proc/$(pid_on "$FIRST")/environ" | grep -E 'nonsense|^PORT=1$' || true)"
before=$(pid_on "$FIRST")
check "deploy of the same release" scripts/deploy "$FIRST_RELEASE"
same "replaces nothing" "$before" "$(pid_on "$FIRST")"
check "provision takes a right back after it" scripts/provision
same "the schema's owner makes no roles any more" f "$(sql "SELECT rolcreaterole FROM pg_roles WHERE rolname = 'primetech_owner'")"
check "migrate again" scripts/migrate
check "migrate --dry-run" scripts/migrate --dry-run

step "tenants, by the operator's command"
operate() { "$SITE/usr/local/sbin/primetech" "$@"; }
for slug in demo acme; do
    check "tenant $slug" operate tenant create "$slug" --name "$slug" --domain "$slug.localhost"
done
check "a product" operate product upsert --tenant demo --sku editor --kind LICENCE --name Editor --amount 4900 --currency USD
printf 'the file' >"$SCRATCH/editor-1.0.zip"
check "a release" operate product upsert --tenant acme --sku tool --kind DOWNLOAD --name Tool --amount 100 --currency USD
(cd "$SCRATCH" && check "a release, from where the operator stands" operate release publish --tenant acme --sku tool --version 1.0 editor-1.0.zip)

step "through nginx"
ACME_URL=https://acme.localhost:$HTTPS
same "the host names the tenant" '0 1' \
    "$(web "$DEMO/api/releases" | jq '.items | length') $(web "$ACME_URL/api/releases" | jq '.items | length')"
same "a client's X-Forwarded-Host is worth nothing" 0 "$(web -H 'X-Forwarded-Host: acme.localhost' "$DEMO/api/releases" | jq '.items | length')"
same "HTTP/2" 2 "$(web -o /dev/null -w '%{http_version}' "$DEMO/health")"
same "TLS 1.1 is refused" refused "$(web --tls-max 1.1 "$DEMO/health" 2>/dev/null || echo refused)"
same "plain HTTP is sent to HTTPS, as it was asked" "308 https://demo.localhost/api/releases?limit=1" \
    "$(curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' "http://demo.localhost:$HTTP/api/releases?limit=1")"
same "an unknown host over HTTP" TENANT_NOT_FOUND "$(curl -sS "http://other.localhost:$HTTP/" | jq -r .error.code)"
refuse "an unknown host is shown no certificate" web --connect-to "other.localhost:$HTTPS:127.0.0.1:$HTTPS" "https://other.localhost:$HTTPS/"
mkdir -p "$SITE/var/lib/primetech/acme/.well-known/acme-challenge"
echo proof >"$SITE/var/lib/primetech/acme/.well-known/acme-challenge/token"
chmod 0755 "$SITE/var/lib/primetech"
same "the certificate authority's question is answered" proof "$(curl -sS "http://demo.localhost:$HTTP/.well-known/acme-challenge/token")"
for path in /metrics '/metrics?x=1' /%6detrics //metrics /x/../metrics; do
    same "$path is nobody's" 'NOT_FOUND' "$(web --path-as-is "$DEMO$path" | jq -r .error.code)"
done
same "the request id goes through" 'my-id.1 my-id.1' \
    "$(web -D "$SCRATCH/head" -H 'X-Request-Id: my-id.1' "$DEMO/api/nothing" | jq -r .error.details.meta.requestId) $(grep -i '^x-request-id' "$SCRATCH/head" | tr -d '\r' | cut -d ' ' -f 2)"

body_of() { head -c "$1" /dev/zero | tr '\0' ' '; }
same "a JSON body of 64 KiB passes to the product" INVALID_JSON "$(body_of 65536 | web -H 'content-type: application/json' --data-binary @- "$DEMO/api/bookings" | jq -r .error.code)"
same "a larger one is refused, in the product's form" '413 PAYLOAD_TOO_LARGE' \
    "$(body_of 65537 | web -o "$SCRATCH/body" -w '%{http_code}' -H 'content-type: application/json' --data-binary @- "$DEMO/api/bookings") $(jq -r .error.code "$SCRATCH/body")"
jq -e '.error.details | (.fieldErrors == {}) and (.meta.requestId | length > 0)' "$SCRATCH/body" >/dev/null || broken "the form of nginx's errors"
same "a head that is too large" PAYLOAD_TOO_LARGE "$(web --http1.1 -H "X-Long: $(body_of 9000 | tr ' ' a)" "$DEMO/health" | jq -r .error.code)"
same "no HTTP at all" VALIDATION_ERROR "$(printf 'nonsense\r\n\r\n' | timeout 5 openssl s_client -quiet -connect "127.0.0.1:$HTTPS" -servername demo.localhost 2>/dev/null | grep -o VALIDATION_ERROR)"

# A signed event, large and with bytes that a careless proxy would change.
SECRET=$(jq -r .stripe.webhookSecret "$SCRATCH/dev/dev.json")
send_event() {
    local time signature
    time=$(date +%s)
    signature=$( (printf '%s.' "$time" && cat "$1") | openssl dgst -sha256 -hmac "$SECRET" | sed 's/.* //')
    web -o "$SCRATCH/body" -w '%{http_code}' -H "Stripe-Signature: t=$time,v1=$signature" -H 'content-type: application/json' --data-binary "@$1" "$DEMO/api/webhooks/stripe"
}
event() {
    # shellcheck disable=SC2016
    python3 -c 'import json, sys
text = json.dumps({"id": sys.argv[1], "object": "event", "type": "customer.created", "created": 1, "livemode": False, "api_version": None,
                   "pending_webhooks": 0, "request": None, "data": {"object": {"id": "cus_1", "object": "customer", "note": "é\r\n\t  x"}}}, ensure_ascii=False)
print(text + " " * (int(sys.argv[2]) - len(text.encode())), end="")' "$1" "$2" >"$SCRATCH/event"
}
event evt_large 1048576
same "a signed event of 1 MiB passes unchanged" 200 "$(send_event "$SCRATCH/event")"
same "and was not written to disk on its way" "" "$(find "$SITE/nginx-body" -type f)"
event evt_larger 1048577
same "a larger one is refused" '413 PAYLOAD_TOO_LARGE' "$(send_event "$SCRATCH/event") $(jq -r .error.code "$SCRATCH/body")"

# Logins count for each client: six from one address (at each process) are enough, from another not one was made.
login() { web "$@" -o /dev/null -w '%{http_code}' -H 'content-type: application/json' -d '{"email": "nobody@example.com", "password": "wrong password"}' "$DEMO/api/auth/verify-email"; }
for _ in $(seq 12); do login --interface 127.0.0.2 >/dev/null; done
same "one client has used up its logins" 429 "$(login --interface 127.0.0.2)"
same "by another name it is still the same client" 429 "$(login --interface 127.0.0.2 -H 'X-Forwarded-For: 127.0.0.9' -H 'Forwarded: for=127.0.0.9')"
same "another client has not" 400 "$(login --interface 127.0.0.3)"

step "an order, so that there are numbers to keep"
JAR=$SCRATCH/jar
STRIPE=$(jq -r '.stripe.apiBase | rtrimstr("/")' "$SCRATCH/dev/dev.json")
curl -fsS -H 'content-type: application/json' "$STRIPE/_standin/mode" -d '{"webhooks": "hold"}' >/dev/null
check "a customer registers" web -f -c "$JAR" -H 'content-type: application/json' "$DEMO/api/auth/register" -d '{"email": "jane@example.com", "password": "correct horse battery staple"}'
for at in 1 2 3; do
    STARTED_ORDER=$(web -f -b "$JAR" -H 'content-type: application/json' -H "Idempotency-Key: $at" "$DEMO/api/checkout/start" -d '{"items": [{"sku": "editor", "quantity": 1}]}')
done
SESSION=$(jq -r .checkout.sessionId <<<"$STARTED_ORDER")
curl -fsS -H 'content-type: application/json' "$STRIPE/_standin/sessions/$SESSION/pay" -d '{"outcome": "paid", "wait": false}' >"$SCRATCH/paid"
PAID=$(jq -r '.events[] | select(.type == "checkout.session.completed") | .id' "$SCRATCH/paid")
curl -fsS -H "Authorization: Bearer $(jq -r .env.STRIPE_SECRET_KEY "$SCRATCH/dev/dev.json")" "$STRIPE/v1/events/$PAID" >"$SCRATCH/event"
same "the payment's event comes through nginx" 200 "$(send_event "$SCRATCH/event")"
ORDER=$(jq -r .order.number <<<"$STARTED_ORDER")
same "the order is paid" PAID "$(web -b "$JAR" "$DEMO/api/orders/$ORDER" | jq -r .order.status)"

step "deploy and rollback under load"
SECOND_RELEASE=$(scripts/package --binary "$SCRATCH/primetech" --output "$SCRATCH/releases" --version test-2)
begin_load() {
    mkfifo "$SCRATCH/load.$1"
    python3 infra/tests/load.py "$HTTPS" "$CERTIFICATE" "$SCRATCH/report.$1" <"$SCRATCH/load.$1" &
    LOAD=$!
    STARTED+=("$LOAD")
    exec 7>"$SCRATCH/load.$1"
}
end_load() {
    exec 7>&-
    wait "$LOAD"
    rm "$SCRATCH/load.$1"
    jq -c . "$SCRATCH/report.$1" >&2
}
begin_load deploy
sleep 1
check "deploy of another release" scripts/deploy "$SECOND_RELEASE"
same "serves on both ports" 'test-2 test-2' "$(release_on "$FIRST") $(release_on "$SECOND")"
check "rollback" scripts/rollback
same "serves on both ports" 'test-1 test-1' "$(release_on "$FIRST") $(release_on "$SECOND")"
check "rollback again goes forward" scripts/rollback
same "serves on both ports" 'test-2 test-2' "$(release_on "$FIRST") $(release_on "$SECOND")"
check "rollback to where it is" scripts/rollback test-2
end_load deploy
same "not one request failed" 0 "$(jq .failed "$SCRATCH/report.deploy")"
[ "$(jq .requests "$SCRATCH/report.deploy")" -gt 500 ] || broken "there was no load"
refuse "an unknown release" scripts/rollback test-9

step "a process is killed under load"
begin_load kill
sleep 1
KILLED=$(pid_on "$FIRST")
kill -KILL "$KILLED"
is_replaced() { [ "$(pid_on "$FIRST")" != "$KILLED" ] && curl -fsS "http://127.0.0.1:$FIRST/ready"; }
wait_until 30 "PM2 starts another" is_replaced
end_load kill
ok "PM2 started another"
# What it was answering when it died may be lost, and is then told in the product's words; reads are asked again elsewhere.
same "reads were answered all the same" 0 "$(jq '[.answers | to_entries[] | select((.key | startswith("write") | not) and (.key | endswith(" 200") | not)) | .value] | add // 0' "$SCRATCH/report.kill")"
same "writes were answered, or told of as unknown" 0 "$(jq '[.failures[] | select(contains("OUTCOME_UNKNOWN") | not)] | length' "$SCRATCH/report.kill")"

step "a release that does not work"
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$1" != serve ] || exit 1\nexec %s "$@"\n' "$SITE/opt/primetech/releases/test-1/bin/primetech" >"$SCRATCH/bad"
chmod +x "$SCRATCH/bad"
BAD_RELEASE=$(scripts/package --binary "$SCRATCH/bad" --output "$SCRATCH/releases" --version test-bad)
begin_load bad
refuse "deploy of it fails" env PRIMETECH_READY_SECONDS=3 scripts/deploy "$BAD_RELEASE"
same "the one before serves" 'test-2 test-2' "$(release_on "$FIRST") $(release_on "$SECOND")"
end_load bad
same "and nobody noticed" 0 "$(jq .failed "$SCRATCH/report.bad")"
cp "$SECOND_RELEASE" "$SCRATCH/releases/primetech-test-3.tar.gz"
refuse "an archive under another name" scripts/deploy "$SCRATCH/releases/primetech-test-3.tar.gz"
printf x >>"$SCRATCH/releases/primetech-test-2.tar.gz"
refuse "an archive that was changed" scripts/deploy "$SECOND_RELEASE"

step "a deploy is interrupted, and given again"
THIRD_RELEASE=$(scripts/package --binary "$SCRATCH/primetech" --output "$SCRATCH/releases" --version test-4)
for moment in 'unpacked test-4' 'to test-4' 'upstream.conf'; do
    setsid scripts/deploy "$THIRD_RELEASE" >"$SCRATCH/interrupted.log" 2>&1 &
    DEPLOY=$!
    wait_until 60 "$moment" grep -q "$moment" "$SCRATCH/interrupted.log"
    kill -KILL -- "-$DEPLOY" 2>/dev/null || true
    wait "$DEPLOY" 2>/dev/null || true
    same "killed at '$moment': it serves" 200 "$(web -o /dev/null -w '%{http_code}' "$DEMO/ready")"
    check "the same command again" scripts/deploy "$THIRD_RELEASE"
    same "finishes the work" 'test-4 test-4' "$(release_on "$FIRST") $(release_on "$SECOND")"
    same "both are asked again" 0 "$(grep -c down "$SITE/etc/primetech/nginx/upstream.conf" || true)"
    scripts/rollback test-2 >/dev/null 2>&1
done

step "logs are turned over"
log=$SITE/var/log/primetech/primetech-$FIRST.log
[ -s "$log" ] || broken "there is no log"
sed "s/su primetech primetech//; s/create 0640 primetech primetech/create 0640/; s/create 0640 www-data adm/create 0640/" \
    "$SITE/etc/logrotate.d/primetech" >"$SCRATCH/logrotate"
chmod 0644 "$SCRATCH/logrotate"
chmod 0755 "$SITE/var/log/primetech" "$SITE/var/log/nginx/primetech"
check "logrotate takes the shipped file" logrotate --debug --state "$SCRATCH/logrotate.state" "$SCRATCH/logrotate"
check "logrotate turns them over" logrotate --force --state "$SCRATCH/logrotate.state" "$SCRATCH/logrotate"
web -o /dev/null "$DEMO/api/releases" && curl -sS -o /dev/null "http://127.0.0.1:$FIRST/api/releases"
wait_until 10 "the program writes to the new file" test -s "$log"
wait_until 10 "nginx writes to the new file" test -s "$SITE/var/log/nginx/primetech/access.log"
ok "the program and nginx write to their new files"
same "no address of a client, no licence key and no query is in nginx's log" "" \
    "$(grep -hE '127\.0\.0\.2"|LIC-|limit=|jane' "$SITE"/var/log/nginx/primetech/* || true)"

step "backup and restore"
check "a dry run works" scripts/backup --dry-run
BACKUP=$(scripts/backup --label first)
same "a number report is in it" 1 "$(find "$BACKUP/numbers" -name '*.json' | wc -l)"
refuse "a label that is a path" scripts/backup --label ../x
mkdir -p "$SITE"/var/backups/primetech/{20200101T000000Z-timer,20200101T000000Z-old,.partial-x}
check "the next one" scripts/backup --label timer
same "old ones and half-made ones are gone" 2 "$(find "$SITE/var/backups/primetech" -mindepth 1 -maxdepth 1 -type d | wc -l)"
check "a dry run of restore" scripts/restore --dry-run "$BACKUP"
RESTORED=$(scripts/restore "$BACKUP" 2>"$SCRATCH/restore.log") || { cat "$SCRATCH/restore.log" >&2 && broken "restore"; }
grep -q 'proved: schema' "$SCRATCH/restore.log" || broken "nothing was proved"
for table in users orders invoices receipts licences; do
    same "$table" "$(sql "SELECT count(*), md5(string_agg(t::text, '' ORDER BY id)) FROM $table t")" \
        "$(sql "SELECT count(*), md5(string_agg(t::text, '' ORDER BY id)) FROM $table t" postgres "$RESTORED")"
done
check "audit numbers is clean there" env DATABASE_URL="${PRIMETECH_OWNER_DATABASE_URL/'/primetech?'/"/$RESTORED?"}" "$PROGRAM" audit numbers --tenant demo --year "$(date -u +%Y)"
sql 'DELETE FROM receipts' >/dev/null
web -f -b "$JAR" -H 'content-type: application/json' "$DEMO/api/checkout/start" -d '{"items": [{"sku": "editor", "quantity": 1}]}' >/dev/null
check "restore takes the serving database's place" scripts/restore --switch "$BACKUP"
same "it serves what was backed up" "1 PAID" "$(sql 'SELECT count(*) FROM receipts') $(web -b "$JAR" "$DEMO/api/orders/$ORDER" | jq -r .order.status)"
same "and gives the next number" "INV-$(date -u +%Y)-000004" "$(web -f -b "$JAR" -H 'content-type: application/json' "$DEMO/api/checkout/start" -d '{"items": [{"sku": "editor", "quantity": 1}]}' | jq -r .invoice.number)"
printf x >>"$BACKUP/database.dump"
refuse "a damaged backup" scripts/restore "$BACKUP"
(
    scratch_postgres fresh
    GOOD=$(find "$SITE/var/backups/primetech" -mindepth 1 -maxdepth 1 -name '*-timer')
    OTHER=$SCRATCH/other
    mkdir -p "$OTHER/etc/primetech/"{admin,owner}
    printf '[primetech-admin]\nhost=%s\nport=%s\nuser=postgres\ndbname=primetech\n' "$SCRATCH/fresh" "$POSTGRES_PORT" >"$OTHER/etc/primetech/admin/pg_service.conf"
    printf 'DATABASE_URL=postgres://primetech_owner@localhost:%s/primetech?host=%s\n' "$POSTGRES_PORT" "$SCRATCH/fresh" >"$OTHER/etc/primetech/owner/.env"
    check "restore into an empty server, to serve" env -u PGPORT PRIMETECH_PREFIX="$OTHER" PRIMETECH_PROXY=none PRIMETECH_PROGRAM="$PROGRAM" scripts/restore --switch "$GOOD"
    check "audit numbers is clean there" env DATABASE_URL="postgres://primetech_owner@localhost:$POSTGRES_PORT/primetech?host=$SCRATCH/fresh" "$PROGRAM" audit numbers --tenant demo --year "$(date -u +%Y)"
    kill -INT "${STARTED[-1]}"
)

step "scripts/smoke on a running server"
check "smoke" scripts/smoke --url "$DEMO" --certificate "$CERTIFICATE"
refuse "smoke of nothing" scripts/smoke --url "https://demo.localhost:$(free_port)"
unset PRIMETECH_PREFIX
