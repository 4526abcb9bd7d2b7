# The twin of scripts/test for Windows: format, lints, and all tests against a private PostgreSQL.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..')

function Invoke-Step {
    param([string] $Name, [string[]] $Command)
    Write-Host "`n== $Name"
    $program, $words = $Command
    & $program @words
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

# A script's `exit` ends that script alone.
& (Join-Path $PSScriptRoot 'lib/prerequisites.ps1')
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
Invoke-Step 'format' @('cargo', 'fmt', '--all', '--check')
# Of all platforms: tests/supply_chain reads about those that this machine does not build too.
Invoke-Step 'libraries' @('cargo', 'fetch', '--quiet', '--locked')
Invoke-Step 'lints' @('cargo', 'clippy', '--workspace', '--all-targets', '--', '-D', 'warnings')

# Looked for as a command: what cargo says of one that it does not know would stop Windows PowerShell here.
$runner = @('cargo', 'test', '--workspace', '--all-targets', '--no-fail-fast')
if (Get-Command cargo-nextest -ErrorAction SilentlyContinue) { $runner = @('cargo', 'nextest', 'run', '--workspace') }

# From a copy: Windows lets nobody write to a program that runs, and the tests build this one again.
Invoke-Step 'building' @('cargo', 'build', '--example', 'with_postgres')
$target = if ($env:CARGO_TARGET_DIR) { $env:CARGO_TARGET_DIR } else { 'target' }
$copy = [IO.Path]::Combine($target, 'with_postgres.exe')
Copy-Item ([IO.Path]::Combine($target, 'debug', 'examples', 'with_postgres.exe')) $copy
# A relative name without a folder would be looked for in PATH.
Invoke-Step 'tests' (@((Resolve-Path $copy).Path) + $runner + $args)
