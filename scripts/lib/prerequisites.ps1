# Says what this machine lacks for developing, and how to get it.
$ErrorActionPreference = 'Stop'

function Find-PostgreSQL {
    $folders = @($env:PRIMETECH_PG_BIN) + ($env:PATH -split [IO.Path]::PathSeparator)
    $folders += @(Get-ChildItem 'C:\Program Files\PostgreSQL\*\bin' -ErrorAction SilentlyContinue | ForEach-Object FullName)
    $folders | Where-Object { $_ -and (Test-Path (Join-Path $_ 'initdb.exe')) } | Select-Object -First 1
}

$missing = @()
if (-not (Get-Command cargo -ErrorAction SilentlyContinue)) { $missing += 'Rust:       winget install Rustlang.Rustup' }
if (-not (Find-PostgreSQL)) { $missing += 'PostgreSQL: winget install PostgreSQL.PostgreSQL.16' }
if ($missing.Count -gt 0) {
    Write-Host 'Missing on this machine; install, then run this again:'
    $missing | ForEach-Object { Write-Host "  $_" }
    exit 1
}
