"""Whether PowerShell scripts can be read at all: names each place that cannot. powershell.py FILE..."""

import sys
from pathlib import Path

import tree_sitter_powershell
from tree_sitter import Language, Parser


def faults(node):
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        if child.has_error or child.is_missing:
            yield from faults(child)


parser = Parser(Language(tree_sitter_powershell.language()))
found = 0
for name in sys.argv[1:]:
    for node in faults(parser.parse(Path(name).read_bytes()).root_node):
        line, column = node.start_point
        print(f"{name}:{line + 1}:{column + 1}: not PowerShell: {node.text[:40]!r}")
        found += 1
sys.exit(1 if found or len(sys.argv) < 2 else 0)
