#!/bin/bash
# Run by the image of PostgreSQL when its volume is new: the database, its roles and their passwords.
set -euo pipefail
psql --no-psqlrc -q -U "$POSTGRES_USER" -d postgres -v database=primetech -f /etc/primetech/roles.sql
# By the environment, not by arguments, which others could read.
psql --no-psqlrc -q -U "$POSTGRES_USER" -d postgres -v ON_ERROR_STOP=1 <<'SQL'
\getenv owner OWNER_PASSWORD
\getenv serve SERVE_PASSWORD
ALTER ROLE primetech_owner PASSWORD :'owner';
ALTER ROLE primetech PASSWORD :'serve';
SQL
