// The product under PM2: the program itself, no interpreter, one process for each port. Two of them, so that one serves
// while the other is replaced (scripts/deploy does that one after the other, and waits for each to be ready).
//
// Settings and secrets come from the .env file of the working directory, which the program reads by itself. Nothing of
// them is here: PM2 writes what it is given into its own dump.
'use strict';

const path = require('node:path');

const prefix = process.env.PRIMETECH_PREFIX || '';
const ports = (process.env.PRIMETECH_PORTS || '4000 4001').split(' ').filter(Boolean);
const logs = path.join(prefix || '/', 'var/log/primetech');

module.exports = {
  apps: ports.map((port) => ({
    name: `primetech-${port}`,
    // Through the link: a process that is started again is of the release that the link leads to.
    script: path.join(prefix || '/', 'opt/primetech/current/bin/primetech'),
    args: 'serve',
    interpreter: 'none',
    exec_mode: 'fork',
    instances: 1,
    cwd: path.join(prefix || '/', 'etc/primetech'),
    // What the operator's shell happens to hold must not reach the program: it would go before the .env file.
    filter_env: true,
    env: { PORT: port },
    // SIGINT, then ten seconds: the program says "not ready", refuses connections, and finishes what it has.
    kill_timeout: 10000,
    autorestart: true,
    min_uptime: 5000,
    // Tries on and on, ever more slowly, to 15 s: the database may be away for long.
    exp_backoff_restart_delay: 200,
    // Far beyond what it uses; a leak must not take PostgreSQL's memory.
    max_memory_restart: '1G',
    // The program's lines are JSON with a time of their own.
    error_file: path.join(logs, `primetech-${port}.log`),
    out_file: path.join(logs, `primetech-${port}.log`),
    merge_logs: true,
  })),
};
