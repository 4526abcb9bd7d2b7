# shellcheck shell=bash
# What the tests of infra/ share. Sourced by scripts/test-infra, in the repository's root.
# shellcheck disable=SC2034

TOOLS=$PWD/target/infra-tools
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/primetech-infra.XXXXXX")
# Others (PostgreSQL's user, nginx's workers) pass through it.
chmod 0755 "$SCRATCH"
STARTED=()
CHECKS=0

# Ends what was started, the last one first, each by its own number.
cleanup() {
    local status=$? pid at
    trap - EXIT
    set +e
    if [ -d "$SCRATCH/site/var/lib/primetech/pm2" ]; then
        HOME=$SCRATCH/site PM2_HOME=$SCRATCH/site/var/lib/primetech/pm2 "$TOOLS/pm2/node_modules/.bin/pm2" kill >/dev/null 2>&1
    fi
    for ((at = ${#STARTED[@]} - 1; at >= 0; at--)); do
        pid=${STARTED[at]}
        kill -INT "$pid" 2>/dev/null
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$pid" 2>/dev/null
    done
    if [ "$status" = 0 ]; then
        rm -rf "$SCRATCH"
    else
        echo "test-infra: what it worked on is in $SCRATCH" >&2
    fi
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { printf '\n== %s\n' "$*" >&2; }
ok() {
    CHECKS=$((CHECKS + 1))
    printf '   ok: %s\n' "$*" >&2
}
broken() {
    printf '   BROKEN: %s\n' "$*" >&2
    exit 1
}

# check WHAT COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    if "$@" >"$SCRATCH/check.log" 2>&1; then
        ok "$what"
    else
        cat "$SCRATCH/check.log" >&2
        broken "$what"
    fi
}
# refuse WHAT COMMAND...: it must fail.
refuse() {
    local what=$1
    shift
    if "$@" >"$SCRATCH/check.log" 2>&1; then
        cat "$SCRATCH/check.log" >&2
        broken "$what"
    else
        ok "$what"
    fi
}
same() {
    if [ "$2" = "$3" ]; then
        ok "$1: $2"
    else
        broken "$1: wanted '$2', found '$3'"
    fi
}
# wait_until SECONDS WHAT COMMAND...: the command succeeds within the limit.
wait_until() {
    local limit=$1 what=$2 began=$SECONDS
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ $((SECONDS - began)) -ge "$limit" ]; then
            broken "$what: not within $limit s"
        fi
        sleep 0.1
    done
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# As PostgreSQL's user where this is root, who PostgreSQL does not start for. Words of a command, not a function: what is
# started by a function in the background is not what its number names.
AS_POSTGRES=()
if [ "$(id -u)" = 0 ]; then
    AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --clear-groups --)
fi

postgresql_binaries() {
    find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -n | tail -n 1 | sed 's|.*|/usr/lib/postgresql/&/bin|'
}

# scratch_postgres NAME: a server of its own under the shipped settings; its socket lies in $SCRATCH/NAME, and in
# POSTGRES_PORT its port.
scratch_postgres() {
    local name=$1 folder=$SCRATCH/$1 binaries
    binaries=$(postgresql_binaries)
    mkdir -p "$folder"
    if [ "$(id -u)" = 0 ]; then
        chown postgres "$folder"
    fi
    "${AS_POSTGRES[@]}" "$binaries/initdb" --username=postgres --auth=trust --encoding=UTF8 --no-sync -D "$folder/data" >"$SCRATCH/$name.initdb.log" 2>&1
    POSTGRES_PORT=$(free_port)
    {
        cat infra/postgres/primetech.conf
        # Of this machine, not of the server that the settings are for.
        printf "port = %s\nunix_socket_directories = '%s'\nshared_buffers = 128MB\n" "$POSTGRES_PORT" "$folder"
    } >>"$folder/data/postgresql.conf"
    "${AS_POSTGRES[@]}" "$binaries/postgres" -D "$folder/data" >"$SCRATCH/$name.log" 2>&1 &
    STARTED+=($!)
    wait_until 30 "PostgreSQL $name" "$binaries/pg_isready" -q -h "$folder" -p "$POSTGRES_PORT"
}
