"""Whether alerts and dashboard ask only for figures that the product gives: by name and by label.

usage: figures.py rules OUTPUT    writes the dashboard's queries as a rule file, for promtool to read
       figures.py names METRICS   looks for each figure in docs/metrics.md, and its labels in what a process showed
"""

import json
import re
import sys

import yaml

FOREIGN = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"}
SUFFIX = re.compile(r"_(bucket|count|sum)$")


def panels():
    dashboard = json.load(open("infra/grafana/primetech.json", encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def alerts():
    for group in yaml.safe_load(open("infra/prometheus/alerts.yml", encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"], rule


if sys.argv[1] == "rules":
    rules = [{"record": f"panel:{at}", "expr": expr.replace("$__rate_interval", "5m").replace("$instance", ".*")}
             for at, (_, expr) in enumerate(panels())]
    with open(sys.argv[2], "w", encoding="utf-8") as output:
        json.dump({"groups": [{"name": "panels", "rules": rules}]}, output)
    sys.exit()

shown = open(sys.argv[2], encoding="utf-8").read()
described = set(re.findall(r"^\| `(\w+)`", open("docs/metrics.md", encoding="utf-8").read(), re.MULTILINE))
recorded = {name for name, _, _ in alerts() if ":" in name}
handbook = open("docs/operate.md", encoding="utf-8").read()
anchors = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
           for line in handbook.splitlines() if line.startswith("#")}
faults, asked = [], 0
for where, expr in [(name, expr) for name, expr, _ in alerts()] + list(panels()):
    for name, labels in re.findall(r"\b([a-z][a-z0-9_:]+)\{([^}]*)\}", expr):
        asked += 1
        if name in FOREIGN:
            continue
        if SUFFIX.sub("", name) not in described:
            faults.append(f"{where}: nobody counts {name}")
        for label in re.findall(r"(\w+)\s*[=!]~?", labels):
            # Where a process has shown the figure, it has shown the label.
            if label not in ("job", "instance") and f"\n{name}{{" in shown and not re.search(rf'\n{name}\{{[^}}]*\b{label}="', shown):
                faults.append(f"{where}: {name} has no label {label}")
    for name in re.findall(r"\b([a-z]+:[a-z0-9_:]+)", expr):
        if name not in recorded:
            faults.append(f"{where}: nobody records {name}")
for name, _, rule in alerts():
    if "alert" in rule:
        page = rule["annotations"]["runbook"]
        if not page.startswith("docs/operate.md#") or page.split("#")[1] not in anchors:
            faults.append(f"{name}: there is no {page}")
print("\n".join(faults) or f"{asked} uses of figures, all of them given")
sys.exit(bool(faults))
