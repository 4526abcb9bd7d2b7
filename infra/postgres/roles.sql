-- The database and its roles; run by scripts/provision as an administrator, as often as one likes. `psql -v database=…`
--
-- primetech_owner owns the schema and migrates it. primetech serves: it can become primetech_app and nothing else, and
-- is it from its login on, so that row-level security holds even where a pooler loses the SET ROLE of a connection.
-- With PostgreSQL on this machine both log in by their user's name (peer) and have no password.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
-- `primetech dev` has a superuser of this name, in a server of its own that this file must never touch.
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'primetech' AND rolsuper) THEN
        RAISE EXCEPTION 'the role primetech is a superuser here: this is not a server for serving';
    END IF;
END $$;
SELECT 'CREATE ROLE primetech_app NOLOGIN' WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'primetech_app') \gexec
SELECT 'CREATE ROLE primetech_owner LOGIN' WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'primetech_owner') \gexec
SELECT 'CREATE ROLE primetech LOGIN' WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'primetech') \gexec
ALTER ROLE primetech_app NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
ALTER ROLE primetech NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
ALTER ROLE primetech_owner NOSUPERUSER NOBYPASSRLS NOCREATEDB;
GRANT primetech_app TO primetech;
GRANT primetech_app TO primetech_owner;
ALTER ROLE primetech SET role = 'primetech_app';
SELECT format('CREATE DATABASE %I OWNER primetech_owner TEMPLATE template0 ENCODING ''UTF8''', :'database')
    WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = :'database') \gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO primetech, primetech_app;
\connect :"database"
-- The first migration makes sure of primetech_app, and PostgreSQL wants CREATEROLE of whoever asks, even where the role
-- is there. When the schema is, the right is taken back.
SELECT CASE WHEN to_regclass('public._sqlx_migrations') IS NULL THEN 'ALTER ROLE primetech_owner CREATEROLE'
            ELSE 'ALTER ROLE primetech_owner NOCREATEROLE' END \gexec
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO primetech_owner;
-- What the program asks for itself when it connects, for where a pooler does not pass that on.
ALTER ROLE primetech SET statement_timeout = '15s';
ALTER ROLE primetech SET idle_in_transaction_session_timeout = '30s';
