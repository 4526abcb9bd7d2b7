# shellcheck shell=bash
# What needs a cluster, a container engine or another machine, checked by what reads it: linters and schemas. Sourced by
# scripts/test-infra.
# shellcheck source=infra/tests/common.sh

PYTHON=$TOOLS/python/bin

step "scripts"
mapfile -t SCRIPTS < <(grep -lE '^#!.*\b(ba)?sh\b' scripts/* scripts/lib/* infra/docker/* infra/tests/* 2>/dev/null || true)
check "shellcheck" shellcheck --external-sources "${SCRIPTS[@]}" infra/tests/*.sh
for script in provision deploy rollback migrate backup restore; do
    same "scripts/$script is set to stop at a failure" 'set -euo pipefail' "$(grep -m 1 '^set ' "scripts/$script")"
    check "scripts/$script --help" "scripts/$script" --help
done

check "PowerShell can read its scripts" "$PYTHON/python" infra/tests/powershell.py scripts/*.ps1 scripts/lib/*.ps1
printf 'if (1 { exit 1 }\n' >"$SCRATCH/bad.ps1"
refuse "and a faulty one is found out" "$PYTHON/python" infra/tests/powershell.py "$SCRATCH/bad.ps1"

step "the licence client in JavaScript"
typescript() {
    "$TOOLS/typescript/node_modules/.bin/tsc" --noEmit --allowJs --checkJs --strict --target es2022 --module nodenext \
        --types node --typeRoots "$TOOLS/typescript/node_modules/@types" "$@"
}
check "its types hold" typescript examples/licence-clients/javascript/*.mjs
printf "import {LicenceClient} from '%s/examples/licence-clients/javascript/licence-client.mjs';\nnew LicenceClient({server: 7});\n" \
    "$PWD" >"$SCRATCH/wrong.mts"
same "TypeScript reads them" "is not assignable to type 'string'" \
    "$(typescript "$SCRATCH/wrong.mts" | grep -o "is not assignable to type 'string'" || true)"

step "the image"
check "hadolint" "$PYTHON/hadolint" infra/docker/Dockerfile
same "it does not run as root" 'USER 10001:10001' "$(grep '^USER' infra/docker/Dockerfile | tail -n 1)"
# No path holds a blank.
# shellcheck disable=SC2013
for copied in $(sed -nE 's/^COPY (--chmod=[0-9]+ )?([a-z].*) [^ ]+$/\2/p' infra/docker/Dockerfile); do
    [ -e "$copied" ] || broken "the image copies $copied, which is not there"
    grep -qxF "!$copied" infra/docker/Dockerfile.dockerignore || broken "$copied does not get to the builder"
done
ok "all that it copies is there, and gets to the builder"
# The folders of the workspace's members without the root. No folder's name holds a blank.
members=$(cargo metadata --no-deps --locked --offline --format-version 1 |
    jq -r '(.workspace_root + "/") as $root | .packages[].manifest_path | ltrimstr($root) | rtrimstr("Cargo.toml") | rtrimstr("/") | select(. != "")')
[ -n "$members" ] || broken "the workspace has no members"
is_copied() {
    local folder=$1
    until [ "$folder" = . ]; do
        grep -qE "^COPY (--chmod=[0-9]+ )?$folder " infra/docker/Dockerfile && return
        folder=$(dirname "$folder")
    done
    return 1
}
for member in $members; do
    is_copied "$member" || broken "the image does not copy $member, a member of the workspace"
done
ok "every member of the workspace is copied"
# What the program needs of the system must be in Debian's base, or installed.
same "it needs no library that the base lacks" "" "$(ldd "$PROGRAM" | awk '{print $1}' | grep -vE '^(linux-vdso|libgcc_s|libm|libc|libdl|libpthread|librt|/lib.*ld-linux)' || true)"
check "compose.yaml against its schema" "$PYTHON/check-jsonschema" --builtin-schema vendor.compose-spec infra/docker/compose.yaml
check "yamllint" "$PYTHON/yamllint" --strict -d '{extends: default, rules: {line-length: {max: 160}, document-start: disable, braces: {max-spaces-inside: 1}, truthy: {check-keys: false}, comments: {min-spaces-from-content: 1}}}' infra .github

step "the cluster's manifests"
python_manifests() {
    "$PYTHON/python" - "$@" <<'PYTHON'
import pathlib, sys, yaml
documents = [d for p in sorted(pathlib.Path("infra/kubernetes").rglob("*.yaml")) for d in yaml.safe_load_all(p.read_text())]
kinds = {d["kind"]: d for d in documents}
for kustomization in pathlib.Path("infra/kubernetes").rglob("kustomization.yaml"):
    named = set(yaml.safe_load(kustomization.read_text())["resources"])
    there = {p.name for p in kustomization.parent.glob("*.yaml")} - {"kustomization.yaml"}
    assert named == there, f"{kustomization}: {named ^ there}"
deployment, job = kinds["Deployment"], kinds["Job"]
labels = deployment["spec"]["template"]["metadata"]["labels"]
selects = lambda selector: selector.items() <= labels.items()
assert selects(deployment["spec"]["selector"]["matchLabels"])
assert selects(kinds["Service"]["spec"]["selector"])
assert selects(kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"])
assert selects(kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"])
assert not selects(job["spec"]["template"]["metadata"]["labels"]), "the job's pod must not get requests"
target = kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
assert "replicas" not in deployment["spec"], "two would change one number"
assert kinds["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2
for d in documents:
    if d["kind"] not in ("Namespace", "Kustomization"):
        assert d["metadata"]["namespace"] == kinds["Namespace"]["metadata"]["name"], d["kind"]
for pod in (deployment["spec"]["template"]["spec"], job["spec"]["template"]["spec"]):
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"] and context["capabilities"]["drop"] == ["ALL"]
        assert "memory" in container["resources"]["limits"] and "cpu" in container["resources"]["requests"]
container = deployment["spec"]["template"]["spec"]["containers"][0]
paths = {probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
assert paths == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}
settings = kinds["ConfigMap"]["data"]
assert container["ports"][0]["containerPort"] == int(settings["PORT"]) and settings["BIND_ADDRESS"] == "0.0.0.0"
readme = pathlib.Path("README.md").read_text()
unknown = [name for name in settings if f"`{name}`" not in readme]
assert not unknown, f"README.md knows no {unknown}"
secrets = {"DATABASE_URL", "SESSION_SECRET", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "LICENCE_SIGNING_KEY", "SMTP_URL", "REDIS_URL"}
assert not secrets & settings.keys(), "a secret in a ConfigMap"
for rule in kinds["Ingress"]["spec"]["rules"]:
    assert not any(p["path"] in ("/", "/metrics") for p in rule["http"]["paths"]), "/metrics is not for everyone"
PYTHON
}
manifests() { find infra/kubernetes -name '*.yaml' ! -name kustomization.yaml -print0 | xargs -0 "$PYTHON/kubernetes-validate" --strict; }
check "against the schemas of Kubernetes" manifests
check "what they say of each other, and the restricted standard" python_manifests

step "systemd"
mkdir -p "$SCRATCH/units"
for unit in infra/systemd/*; do
    # The real program, so that what is to be run is there; users that this machine has.
    sed -E "s|/opt/primetech/current/bin/primetech|$PROGRAM|; s|/opt/primetech/current/scripts/backup|$PWD/scripts/backup|; s|@PM2@|/bin/true|; s|@PRIMETECH_PORTS@|4000 4001|; s/^(User|Group)=primetech$/\1=daemon/" \
        "$unit" >"$SCRATCH/units/$(basename "$unit")"
done
cp "$SCRATCH/units/primetech@.service" "$SCRATCH/units/primetech@4000.service"
verify() {
    # Units of others that are not installed here are no fault of ours.
    systemd-analyze verify --man=no --recursive-errors=no "$@" 2>&1 | grep -F "$SCRATCH/units" >"$SCRATCH/verify" || true
    cat "$SCRATCH/verify"
    [ ! -s "$SCRATCH/verify" ]
}
check "systemd-analyze verify" verify "$SCRATCH"/units/*
same "verify finds a fault where there is one" found "$(sed 's/^KillSignal=.*/KillSignal=SIGNOPE/' "$SCRATCH/units/primetech@.service" >"$SCRATCH/units/bad@1.service"
    verify "$SCRATCH/units/bad@1.service" >/dev/null && echo none || echo found)"
rm "$SCRATCH/units/bad@1.service"
exposure=$(systemd-analyze security --offline=true --no-pager "$SCRATCH/units/primetech@4000.service" 2>/dev/null | sed -n 's/.*Overall exposure level[^:]*: *\([0-9.]*\).*/\1/p' | tail -n 1)
if awk "BEGIN {exit !(${exposure:-10} <= 1.5)}"; then
    ok "the service's exposure is $exposure of 10"
else
    broken "the service's exposure is ${exposure:-unknown} of 10, more than 1.5"
fi
check "the timer's times" systemd-analyze calendar hourly

step "figures"
check "promtool check rules" promtool check rules infra/prometheus/alerts.yml
check "promtool check config" promtool check config infra/prometheus/prometheus.yml
(cd infra/prometheus && check "promtool test rules" promtool test rules alerts.test.yml)
check "the dashboard's queries" "$PYTHON/python" infra/tests/figures.py rules "$SCRATCH/panels.yml"
check "are PromQL" promtool check rules "$SCRATCH/panels.yml"
touch "$SCRATCH/metrics"
check "alerts and dashboard ask for figures that there are" "$PYTHON/python" infra/tests/figures.py names "$SCRATCH/metrics"

step "PostgreSQL's settings"
scratch_postgres settings
same "the server takes them all" "" "$(psql --no-psqlrc -qAt -h "$SCRATCH/settings" -p "$POSTGRES_PORT" -U postgres -c "SELECT name, error FROM pg_file_settings WHERE error IS NOT NULL")"
connections=$(sed -n 's/^max_connections = //p' infra/postgres/primetech.conf)
pool=$(sed -n 's/^const DATABASE_CONNECTIONS: u32 = \([0-9]*\);/\1/p' src/app.rs)
# Two processes on two cores, and one more of them for the moment of a deploy. Each has beside the pool three connections a
# core for its queues of batches, and four.
[ "$connections" -ge $(((pool + 2 * 3 + 4) * 3 + 15)) ] || broken "max_connections of $connections is too few for pools of $pool"
ok "max_connections of $connections is enough for three processes with pools of $pool"

step "the workflows"
for workflow in .github/workflows/*.yml; do
    check "$workflow against its schema" "$PYTHON/check-jsonschema" --builtin-schema vendor.github-workflows "$workflow"
done
check "zizmor finds no weakness in the deploy" "$PYTHON/zizmor" --offline --no-progress --min-severity low .github/workflows/deploy.yml
# shellcheck disable=SC2013
for script in $(grep -ohE 'scripts/[a-z-]+' .github/workflows/deploy.yml | sort -u); do
    [ -x "$script" ] || broken "the deploy runs $script, which is not there"
done
ok "the deploy runs scripts that are there"
