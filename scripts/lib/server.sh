# shellcheck shell=bash
# Not every script uses every place.
# shellcheck disable=SC2034
# What the scripts for a server share: where things are, how a step is taken or only told of, and how the processes are
# replaced one after the other. Sourced, never run.
#
# Everything lies beneath PRIMETECH_PREFIX, which is empty on a server and a scratch folder in tests.

PREFIX=${PRIMETECH_PREFIX:-}
export PRIMETECH_PREFIX=$PREFIX
readonly PREFIX
readonly HOME_FOLDER=$PREFIX/opt/primetech
readonly RELEASES=$HOME_FOLDER/releases
readonly CURRENT=$HOME_FOLDER/current
readonly PREVIOUS=$HOME_FOLDER/previous
readonly CONFIGURATION=$PREFIX/etc/primetech
readonly STATE=$PREFIX/var/lib/primetech
readonly LOGS=$PREFIX/var/log/primetech
readonly BACKUPS=$PREFIX/var/backups/primetech
readonly UPSTREAM=$CONFIGURATION/nginx/upstream.conf

DRY_RUN=${DRY_RUN:-no}

say() { printf '%s\n' "$*" >&2; }
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Takes a step, or tells of it.
run() {
    if [ "$DRY_RUN" = yes ]; then
        say "would run: $*"
    else
        "$@"
    fi
}

# The operator's settings, of the file deploy.conf beneath the environment. See infra/environment/deploy.conf.
load_settings() {
    local name value
    local file=$CONFIGURATION/deploy.conf
    if [ -f "$file" ]; then
        while IFS='=' read -r name value; do
            case $name in
            '' | \#*) continue ;;
            PRIMETECH_[A-Z]*) ;;
            *) fail "$file: no setting is called $name" ;;
            esac
            # What is given at the command goes before the file.
            if [ -z "${!name:-}" ]; then
                value=${value%\"}
                export "$name=${value#\"}"
            fi
        done <"$file"
    fi
    export PRIMETECH_PORTS=${PRIMETECH_PORTS:-4000 4001}
    read -r -a PORTS <<<"$PRIMETECH_PORTS"
    MANAGER=${PRIMETECH_MANAGER:-pm2}
    PROXY=${PRIMETECH_PROXY:-nginx}
    local port
    for port in "${PORTS[@]}"; do
        case $port in
        *[!0-9]* | '') fail "PRIMETECH_PORTS must be port numbers, separated by blanks" ;;
        esac
    done
    case $MANAGER in pm2 | systemd) ;; *) fail "PRIMETECH_MANAGER must be pm2 or systemd" ;; esac
    case $PROXY in nginx | none) ;; *) fail "PRIMETECH_PROXY must be nginx or none" ;; esac
    read -r -a NGINX <<<"${PRIMETECH_NGINX:-nginx}"
    NGINX_PID=${PRIMETECH_NGINX_PID:-/run/nginx.pid}
}

# One at a time; the lock ends with the script, however that ends.
take_lock() {
    if [ "$DRY_RUN" = yes ]; then
        return
    fi
    mkdir -p "$HOME_FOLDER"
    exec 9>"$HOME_FOLDER/.lock"
    flock --nonblock 9 || fail "another deploy, rollback, restore or provision is at work here"
}

# Writes a text to a file, at once and as a whole, and only where it differs. Tells (by its exit code) whether it did.
write_file() {
    local target=$1 text=$2 mode=${3:-0644} owner=${4:-}
    if [ -f "$target" ] && [ "$(cat "$target")" = "$text" ]; then
        return 1
    fi
    if [ "$DRY_RUN" = yes ]; then
        say "would write: $target"
        return 0
    fi
    mkdir -p "$(dirname "$target")" || fail "cannot make a folder for $target"
    # Beside the target: only within one file system is a rename one step. Nobody may read it before it has its owner.
    (umask 077 && printf '%s\n' "$text" >"$target.new") || fail "cannot write $target"
    if [ -n "$owner" ] && [ "$(id -u)" = 0 ] && [ -z "$PREFIX" ]; then
        chown "$owner" "$target.new" || fail "cannot give $target to $owner"
    fi
    if ! chmod "$mode" "$target.new" || ! mv -f "$target.new" "$target"; then
        fail "cannot write $target"
    fi
    say "wrote $target"
}

# Fills @NAME@ in from the variables of the environment; a name that has none is a fault.
render() {
    local text name
    text=$(cat "$1")
    while read -r name; do
        [ -n "${!name+set}" ] || fail "$1 asks for $name"
        text=${text//"@$name@"/"${!name}"}
    done < <(grep -oE '@[A-Z][A-Z_]+@' "$1" | tr -d @ | sort -u)
    printf '%s\n' "$text"
}

# Lets a link lead to a release, in one step: nobody ever finds it missing.
point() {
    local link=$1 target=$2
    if [ "$DRY_RUN" = yes ]; then
        say "would point: $link -> $target"
        return
    fi
    ln -sfn "$target" "$link.new"
    mv -Tf "$link.new" "$link"
}

# The release that a link leads to, or nothing.
release_of() {
    local target
    target=$(readlink "$1" 2>/dev/null) || return 0
    basename "$target"
}

# Runs a command as one of the product's users. In a scratch folder, and for whoever is that user, as oneself.
as_user() {
    local user=$1
    shift
    if [ "$(id -u)" = 0 ] && [ -z "$PREFIX" ]; then
        runuser -u "$user" -- "$@"
    else
        "$@"
    fi
}

pm2() {
    # A bare environment: PM2 gives its own to what it starts. Not the lock either, which its daemon would keep.
    as_user primetech env -i PATH="$PATH" HOME="$STATE" PM2_HOME="$STATE/pm2" PRIMETECH_PREFIX="$PREFIX" \
        PRIMETECH_PORTS="$PRIMETECH_PORTS" \
        "${PRIMETECH_PM2:-pm2}" "$@" 9>&-
}

# The number of the process on a port, or nothing.
process_of() {
    local pid
    if [ "$MANAGER" = pm2 ]; then
        pid=$(pm2 pid "primetech-$1" 2>/dev/null | tail -n 1) || return 0
    else
        pid=$(systemctl show --property MainPID --value "primetech@$1") || return 0
    fi
    case $pid in
    '' | 0 | *[!0-9]*) ;;
    *) printf '%s\n' "$pid" ;;
    esac
}

# The release that the process on a port is of, or nothing.
running_release() {
    local pid program
    pid=$(process_of "$1")
    [ -n "$pid" ] || return 0
    program=$(readlink "/proc/$pid/exe") || return 0
    case $program in
    "$RELEASES"/*)
        program=${program#"$RELEASES"/}
        printf '%s\n' "${program%%/*}"
        ;;
    esac
}

restart_process() {
    if [ "$MANAGER" = pm2 ]; then
        run pm2 startOrRestart "$CURRENT/infra/pm2/ecosystem.config.js" --only "primetech-$1" --update-env >/dev/null
    else
        run systemctl restart "primetech@$1"
    fi
}

stop_process() {
    if [ "$MANAGER" = pm2 ]; then
        run pm2 stop "primetech-$1" >/dev/null
    else
        run systemctl stop "primetech@$1"
    fi
}

is_ready() { curl -fsS --max-time 3 -o /dev/null "http://127.0.0.1:$1/ready" 2>/dev/null; }

# Until the process on a port is ready and of the current release.
wait_ready() {
    local port=$1 limit=${PRIMETECH_READY_SECONDS:-30} began=$SECONDS
    if [ "$DRY_RUN" = yes ]; then
        say "would wait: until port $port is ready"
        return
    fi
    while ! { is_ready "$port" && [ "$(running_release "$port")" = "$(release_of "$CURRENT")" ]; }; do
        if [ $((SECONDS - began)) -ge "$limit" ]; then
            say "port $port was not ready within $limit s"
            return 1
        fi
        sleep 0.2
    done
}

nginx_runs() { [ "$PROXY" = nginx ] && [ -s "$NGINX_PID" ] && kill -0 "$(cat "$NGINX_PID")" 2>/dev/null; }

# Which processes nginx may ask: all, but for the one that is named.
upstream_without() {
    local resting=${1:-} port
    for port in "${PORTS[@]}"; do
        if [ "$port" = "$resting" ]; then
            printf 'server 127.0.0.1:%s down;\n' "$port"
        else
            printf 'server 127.0.0.1:%s max_fails=1 fail_timeout=2s;\n' "$port"
        fi
    done
}

write_upstream() { write_file "$UPSTREAM" "$(upstream_without "${1:-}")"; }

# Lets nginx follow, and waits until the workers that know the old ways have ended: they still send to a process that
# was taken out.
reload_nginx() {
    local master workers pid began=$SECONDS
    master=$(cat "$NGINX_PID")
    workers=$(pgrep -P "$master" || true)
    "${NGINX[@]}" -t -q || fail "nginx does not accept its configuration"
    "${NGINX[@]}" -s reload
    for pid in $workers; do
        # A worker that serves a slow client may stay; what it sends to a process that has left goes to the next one.
        while kill -0 "$pid" 2>/dev/null && [ $((SECONDS - began)) -lt 10 ]; do
            sleep 0.05
        done
    done
}

# Gives all requests to the other processes. Nothing, where there are none or no nginx.
take_out() {
    if [ "${#PORTS[@]}" -lt 2 ] || ! nginx_runs; then
        return
    fi
    if [ "$DRY_RUN" = yes ]; then
        say "would take port $1 out of nginx's upstream"
    elif write_upstream "$1"; then
        reload_nginx
    fi
}

put_back() {
    [ "$PROXY" = nginx ] || return 0
    if [ "$DRY_RUN" = yes ]; then
        say "would put all ports into nginx's upstream"
    elif write_upstream && nginx_runs; then
        reload_nginx
    fi
}

# Replaces each process that is not of the current release, one after the other, while the others serve.
replace_processes() {
    local port
    for port in "${PORTS[@]}"; do
        if [ "${FORCE:-no}" = no ] && [ "$DRY_RUN" = no ] && is_ready "$port" &&
            [ "$(running_release "$port")" = "$(release_of "$CURRENT")" ]; then
            say "port $port runs $(release_of "$CURRENT") already"
            continue
        fi
        say "port $port: to $(release_of "$CURRENT")"
        take_out "$port"
        restart_process "$port" || return 1
        wait_ready "$port" || return 1
        put_back
    done
    put_back
}

# A line for whoever asks later what happened here.
record() {
    [ "$DRY_RUN" = yes ] && return
    printf '%s %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${SUDO_USER:-$(id -un)}" "$*" >>"$HOME_FOLDER/history"
}

# A psql, pg_dump and the like as the administrator of the database: the service `primetech-admin` of libpq's own file,
# so that no password stands in a command line.
admin() {
    local program=$1
    shift
    as_user "${PRIMETECH_ADMIN_USER:-postgres}" env PGSERVICEFILE="$CONFIGURATION/admin/pg_service.conf" "$program" "$@"
}

# Runs a release's program as the owner of the schema.
as_owner() {
    local release=$1
    shift
    (cd "$CONFIGURATION/owner" && as_user primetech_owner env -u DATABASE_URL "$release/bin/primetech" "$@")
}

# The URL of the schema's owner, from its .env file, in each form in which the program reads it: `export `, blanks, quotes
# and comments do not count.
owner_database_url() {
    sed -nE 's/^[[:blank:]]*(export[[:blank:]]+)?DATABASE_URL[[:blank:]]*=[[:blank:]]*//p' "$CONFIGURATION/owner/.env" |
        tail -n 1 | tr -d '\r' | sed -E 's/[[:blank:]]+#.*$//; s/[[:blank:]]+$//; s/^"(.*)"$/\1/; s/^'"'(.*)'"'$/\1/'
}
