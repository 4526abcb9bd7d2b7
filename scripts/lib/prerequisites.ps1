# Says what this machine lacks for developing, and how to get it. Ends with 1 where that is anything.
$ErrorActionPreference = 'Stop'

# The same places as dev/src/postgres/binaries.rs looks in. By .NET's own functions: Join-Path stops at an entry of PATH
# whose drive is not there.
function Find-PostgreSQL {
    $folders = @($env:PRIMETECH_PG_BIN) + ($env:PATH -split [IO.Path]::PathSeparator)
    $folders += @(Get-ChildItem 'C:\Program Files\PostgreSQL\*\bin' -ErrorAction SilentlyContinue | ForEach-Object { $_.FullName })
    $folders | Where-Object { $_ } | ForEach-Object { $_.Trim('"') } |
        Where-Object { [IO.File]::Exists([IO.Path]::Combine($_, 'initdb.exe')) } | Select-Object -First 1
}

$missing = @()
if (-not (Get-Command cargo -ErrorAction SilentlyContinue)) { $missing += 'Rust:       winget install Rustlang.Rustup' }
if (-not (Find-PostgreSQL)) { $missing += 'PostgreSQL: winget install PostgreSQL.PostgreSQL.16' }
if ($missing.Count -gt 0) {
    Write-Host 'Missing on this machine; install, then run this again:'
    $missing | ForEach-Object { Write-Host "  $_" }
    exit 1
}
# Said, so that the caller does not read what a command of before left behind.
exit 0
