#!/usr/bin/env bash
# Finds out what this machine lacks for developing, and installs it where that is Debian or Ubuntu.
#
#   scripts/lib/prerequisites.sh [--dry-run] dev|test
#
# Silent when nothing is missing. With --dry-run it says what it would install, and installs nothing.
set -euo pipefail

readonly OLDEST_POSTGRESQL=14

have() { command -v "$1" >/dev/null 2>&1; }

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

is_debian() { have apt-get && have dpkg; }

# The same places as dev/src/postgres/binaries.rs looks in, as far as this script can install for them.
have_postgresql() {
    local folder version
    local folders=()
    if [ -n "${PRIMETECH_PG_BIN:-}" ]; then
        folders=("$PRIMETECH_PG_BIN")
    else
        IFS=: read -r -a folders <<<"$PATH"
        folders+=(/usr/lib/postgresql/*/bin /usr/pgsql-*/bin
            /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin
            /home/linuxbrew/.linuxbrew/opt/postgresql@*/bin
            /Applications/Postgres.app/Contents/Versions/*/bin /Library/PostgreSQL/*/bin)
    fi
    for folder in "${folders[@]}"; do
        if [ ! -x "$folder/initdb" ] || [ ! -x "$folder/postgres" ]; then
            continue
        fi
        version=$("$folder/postgres" --version 2>/dev/null | sed -n 's/.*(PostgreSQL) \([0-9]*\).*/\1/p')
        if [ "${version:-0}" -ge "$OLDEST_POSTGRESQL" ]; then
            return 0
        fi
    done
    return 1
}

have_python_venv() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

have_certificates() {
    [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] || [ "$(uname -s)" = Darwin ]
}

# Debian's names of what is missing, one a line.
missing_packages() {
    have_postgresql || echo postgresql
    have cc || printf '%s\n' gcc libc6-dev
    have pkg-config || echo pkg-config
    have curl || echo curl
    have jq || echo jq
    have_certificates || echo ca-certificates
    if [ "$1" = test ]; then
        have_python_venv || printf '%s\n' python3 python3-venv
        have shellcheck || echo shellcheck
        have redis-server || echo redis-server
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        fail "This needs root, and there is no sudo. As root, run: $*"
    fi
}

apt_install() {
    # Nothing may wait for an answer: there may be nobody to give one.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# Debian's package makes and starts a server of its own. Nobody asked for one, and it would take the usual port.
keep_postgresql_from_starting() {
    local configuration=/etc/postgresql-common/createcluster.conf
    if [ -e "$configuration" ]; then
        return # Someone uses PostgreSQL here already, and has decided.
    fi
    apt_install postgresql-common
    as_root sed -i 's/^#\{0,1\}create_main_cluster.*/create_main_cluster = false/' "$configuration"
}

# The same of Redis. The tests start their own.
keep_redis_from_starting() {
    local policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        apt_install redis-server # Whoever wrote it has decided what may start.
    else
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
        local installed=yes
        apt_install redis-server || installed=no
        as_root rm -f "$policy"
        [ "$installed" = yes ] || fail "redis-server could not be installed."
    fi
    if have systemctl; then
        as_root systemctl disable --quiet redis-server 2>/dev/null || true
    fi
}

install_on_debian() {
    as_root apt-get update -q
    case " $* " in
    *" postgresql "*) keep_postgresql_from_starting ;;
    esac
    case " $* " in
    *" redis-server "*) keep_redis_from_starting ;;
    esac
    apt_install "$@"
}

explain_elsewhere() {
    case "$(uname -s)" in
    Darwin)
        have_postgresql || echo "  brew install postgresql@16" >&2
        have cc || echo "  xcode-select --install" >&2
        ;;
    *)
        have_postgresql || echo "  PostgreSQL $OLDEST_POSTGRESQL or newer (Fedora: dnf install postgresql-server)" >&2
        have cc || echo "  a C compiler (Fedora: dnf install gcc)" >&2
        ;;
    esac
}

require_rust() {
    have cargo || fail "Rust is missing: install it from https://rustup.rs, then run this again."
    if [ "$1" = test ]; then
        cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
        cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
    fi
}

main() {
    local dry_run=no
    if [ "${1:-}" = --dry-run ]; then
        dry_run=yes
        shift
    fi
    local purpose=${1:-dev}
    local packages=()
    local package
    while read -r package; do
        packages+=("$package")
    done < <(missing_packages "$purpose")

    if [ "${#packages[@]}" -gt 0 ]; then
        if [ "$dry_run" = yes ]; then
            echo "missing: ${packages[*]}"
        elif is_debian; then
            echo "Installing what is missing: ${packages[*]}" >&2
            install_on_debian "${packages[@]}"
            have_postgresql || fail "Installed PostgreSQL, but none of version $OLDEST_POSTGRESQL or newer was found."
        elif have_postgresql && have cc; then
            : # The rest is for comfort, or is missed by the step that needs it.
        else
            echo "Missing on this machine; install, then run this again:" >&2
            explain_elsewhere
            exit 1
        fi
    fi
    require_rust "$purpose"
}

main "$@"
