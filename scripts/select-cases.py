#!/usr/bin/env python3
"""Leaves out the acceptance cases whose Corefiles name a plugin that is not served yet, and says which.

    select-cases.py CASES NOT-SERVED OUT [--within PLUGIN,...]

CASES is the cases.json of either check; NOT-SERVED is a file of plugin names. A case says which plugins it is
about, which is not all that its Corefiles name. With --within only the cases about those are counted.
"""
import argparse
import json


def directives(corefile):
    """The first word of each line directly inside a server block or a snippet."""
    depth, found = 0, set()
    for line in corefile.splitlines():
        words = line.split("#")[0].split()
        if words and depth == 1 and words[0] != "}":
            found.add(words[0])
        depth += sum((word.endswith("{") and not word.startswith("${")) - (word == "}") for word in words)
    return found


def corefiles(value):
    """Every text in a case that may be a Corefile or a part of one."""
    if isinstance(value, str):
        if "{\n" in value:
            yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from corefiles(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from corefiles(item)


def main():
    arguments = argparse.ArgumentParser()
    for name in ("cases", "not_served", "out"):
        arguments.add_argument(name)
    arguments.add_argument("--within", default="")
    given = arguments.parse_args()
    within = set(given.within.split(",")) - {""}
    with open(given.not_served) as file:
        not_served = set(file.read().split())
    with open(given.cases) as file:
        data = json.load(file)

    def lacks(value):
        return sorted(not_served & set().union(*map(directives, corefiles(value))))

    cases = data["groups"] if isinstance(data, dict) else data
    kept = []
    for case in cases:
        if within and not within.issuperset(case["plugins"]):
            continue
        name = case.get("id") or f"{case['file']} {case['test']}"
        steps = "questions" if "questions" in case else "cases"
        if case.get("start") == "none":
            # A table of Corefiles: what is left of it is still a case.
            table = [step for step in case[steps] if not lacks(step)]
            if table and len(table) < len(case[steps]):
                print(f"left out of {name}: {len(case[steps]) - len(table)} of {len(case[steps])} Corefiles")
            case = {**case, steps: table}
            missing = [] if table else ["anything it names"]
        else:
            missing = lacks(case)
        if missing:
            print(f"left out: {name}: not served yet: {', '.join(missing)}")
        else:
            kept.append(case)
    with open(given.out, "w") as file:
        json.dump({**data, "groups": kept} if isinstance(data, dict) else kept, file)
    print(f"{len(kept)} cases or groups left")


main()
