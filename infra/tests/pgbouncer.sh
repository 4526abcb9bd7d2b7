# shellcheck shell=bash
# What works behind PgBouncer, and what does not: infra/pgbouncer/README.md says it, this shows it. Sourced by
# scripts/test-infra.
# shellcheck source=infra/tests/common.sh

step "PgBouncer"
scratch_postgres pooled
POOLED=$SCRATCH/pooled
as_pooled() { env PGPORT="$POSTGRES_PORT" psql --no-psqlrc -q -h "$POOLED" -U postgres "$@"; }
check "the roles" as_pooled -d postgres -v database=primetech -f infra/postgres/roles.sql
OWNER_URL="postgres://primetech_owner@localhost:$POSTGRES_PORT/primetech?host=$POOLED"
check "the schema" env DATABASE_URL="$OWNER_URL" "$PROGRAM" migrate
check "a tenant" env DATABASE_URL="$OWNER_URL" "$PROGRAM" tenant create demo --name Demo --domain 127.0.0.1

# pgbouncer MODE [SETTING]...: starts one in a mode, with the shipped settings; its port is in BOUNCER.
start_pgbouncer() {
    local mode=$1 folder=$SCRATCH/pgbouncer-$1-$RANDOM
    shift
    BOUNCER=$(free_port)
    mkdir -p "$folder"
    printf '"primetech" ""\n"postgres" ""\n' >"$folder/users"
    {
        sed -E "s|^pool_mode = .*|pool_mode = $mode|; s|^primetech = .*|primetech = host=$POOLED port=$POSTGRES_PORT dbname=primetech|
            s|^listen_port = .*|listen_port = $BOUNCER|; s|^auth_type = .*|auth_type = trust|; s|^auth_file = .*|auth_file = $folder/users|
            s|^(logfile\|pidfile\|unix_socket_dir) = .*|\1 = $folder/\1|" infra/pgbouncer/pgbouncer.ini
        printf '%s\n' "$@"
    } >"$folder/pgbouncer.ini"
    mkdir -p "$folder/unix_socket_dir"
    if [ "$(id -u)" = 0 ]; then
        chown -R postgres "$folder"
    fi
    "${AS_POSTGRES[@]}" pgbouncer -q "$folder/pgbouncer.ini" >"$folder/out" 2>&1 &
    STARTED+=($!)
    wait_until 10 "PgBouncer" bash -c "exec 3<>/dev/tcp/127.0.0.1/$BOUNCER"
}

# serve_through PORT-OF-POSTGRESQL: a process that works through it; its port is in SERVING, its number in SERVER.
serve_through() {
    SERVING=$(free_port)
    env -i PATH="$PATH" NODE_ENV=test PORT="$SERVING" DATABASE_URL="postgres://primetech@127.0.0.1:$1/primetech" \
        SESSION_SECRET=0123456789abcdef0123456789abcdef0123 APP_BASE_URL=http://localhost:3000 STRIPE_SECRET_KEY=sk_test_x \
        STRIPE_WEBHOOK_SECRET=whsec_x STRIPE_API_BASE=http://127.0.0.1:9 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x \
        S3_BUCKET_PRIVATE=bucket MAIL_FROM=shop@example.com MAIL_DIR="$SCRATCH" RATE_LIMIT=off COOKIE_SECURE=false \
        LICENCE_SIGNING_KEY="$(head -c 32 /dev/zero | base64)" "$PROGRAM" serve >"$SCRATCH/serve.log" 2>&1 &
    SERVER=$!
    STARTED+=("$SERVER")
    wait_until 20 "the process" curl -fsS -o /dev/null "http://127.0.0.1:$SERVING/health"
}
end_server() {
    kill "$SERVER"
    wait "$SERVER" || true
}
at_work() {
    local number=$1 answer
    answer=$(curl -sS -o /dev/null -w '%{http_code}' -c "$SCRATCH/jar.$number" -H 'content-type: application/json' \
        "http://127.0.0.1:$SERVING/api/auth/register" -d "{\"email\": \"u$number@example.com\", \"password\": \"correct horse battery staple\"}")
    [ "$answer" = 201 ] || { echo "register: $answer" && return 1; }
    for _ in 1 2 3; do
        answer=$(curl -sS -o /dev/null -w '%{http_code}' -b "$SCRATCH/jar.$number" "http://127.0.0.1:$SERVING/api/auth/me")
        [ "$answer" = 200 ] || { echo "me: $answer" && return 1; }
        answer=$(curl -sS -o /dev/null -w '%{http_code}' -b "$SCRATCH/jar.$number" "http://127.0.0.1:$SERVING/api/orders")
        [ "$answer" = 200 ] || { echo "orders: $answer" && return 1; }
    done
}
many() {
    local number pids=()
    for number in $(seq "$1" $(($1 + 15))); do
        at_work "$number" &
        pids+=($!)
    done
    for number in "${pids[@]}"; do
        wait "$number" || return 1
    done
}
tenant_is_off() { [ "$(curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$SERVING/api/releases")" = 403 ]; }
tenant_is_on() { [ "$(curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$SERVING/api/releases")" = 200 ]; }

start_pgbouncer session
serve_through "$BOUNCER"
check "session mode: ready" curl -fsS "http://127.0.0.1:$SERVING/ready"
check "session mode: sixteen at once register, and read" many 100
tenant_is_on || broken "the tenant is there"
check "session mode: a tenant is switched off" env DATABASE_URL="$OWNER_URL" "$PROGRAM" tenant deactivate demo
wait_until 2 "session mode: the announcement is heard" tenant_is_off
ok "session mode: the announcement is heard"
check "and on again" env DATABASE_URL="$OWNER_URL" "$PROGRAM" tenant activate demo
same "session mode: caches are trusted" 0 "$(grep -c 'announcements cannot be heard' "$SCRATCH/serve.log" || true)"
same "the role holds through the pooler" "primetech_app f" "$(psql --no-psqlrc -qAtF ' ' "postgres://primetech@127.0.0.1:$BOUNCER/primetech" -c \
    "SELECT current_user, rolbypassrls FROM pg_roles WHERE rolname = current_user")"
end_server

version=$(pgbouncer --version | sed -n 's/^PgBouncer \([0-9.]*\).*/\1/p')
start_pgbouncer transaction
serve_through "$BOUNCER"
if many 200 >"$SCRATCH/transaction.log" 2>&1; then
    transaction=works
else
    transaction=fails
fi
printf '   transaction mode, PgBouncer %s: it %s (%s)\n' "$version" "$transaction" \
    "$(sort "$SCRATCH/transaction.log" | uniq -c | sort -rn | head -n 2 | tr -s ' \n' ' ')" >&2
# The page says so; where another version does better, the page has to say that.
case $version in
1.[0-9].* | 1.1[0-9].* | 1.20.*) same "transaction mode, before 1.21: named statements break it" fails "$transaction" ;;
esac
end_server
