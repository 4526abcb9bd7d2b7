# The twin of scripts/test for Windows: format, lints, and all tests against a private PostgreSQL.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..')

function Invoke-Step {
    param([string] $Name, [string[]] $Command)
    Write-Host "`n== $Name"
    & $Command[0] $Command[1..($Command.Length - 1)]
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

& (Join-Path $PSScriptRoot 'lib/prerequisites.ps1')
Invoke-Step 'format' @('cargo', 'fmt', '--all', '--check')
Invoke-Step 'lints' @('cargo', 'clippy', '--workspace', '--all-targets', '--', '-D', 'warnings')

$runner = @('cargo', 'test', '--workspace', '--all-targets', '--no-fail-fast')
cargo nextest --version *> $null
if ($LASTEXITCODE -eq 0) { $runner = @('cargo', 'nextest', 'run', '--workspace') }
# Run as a built program: a running `cargo run` would keep its own file from being built again.
Invoke-Step 'building' @('cargo', 'build', '--example', 'with_postgres')
Invoke-Step 'tests' (@('cargo', 'run', '--quiet', '--example', 'with_postgres', '--') + $runner + $args)
