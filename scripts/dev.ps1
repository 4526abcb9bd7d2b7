# The twin of scripts/dev for Windows. Arguments go to `primetech dev`.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..')

& (Join-Path $PSScriptRoot 'lib/prerequisites.ps1')
cargo run --bin primetech -- dev @args
exit $LASTEXITCODE
