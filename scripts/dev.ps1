# The twin of scripts/dev for Windows. Arguments go to `primetech dev`.
$ErrorActionPreference = 'Stop'
Set-Location (Join-Path $PSScriptRoot '..')

# A script's `exit` ends that script alone.
& (Join-Path $PSScriptRoot 'lib/prerequisites.ps1')
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
# Quoted: a bare -- is PowerShell's own in some of its versions.
$words = @('run', '--bin', 'primetech', '--', 'dev') + $args
cargo @words
exit $LASTEXITCODE
