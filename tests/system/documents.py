# SPDX-License-Identifier: Apache-2.0
"""What the documents say, taken apart: examples that are typed, answers that are shown, tables.

An example is an indented line that begins with `$` (a command) or `/` (a path of queryd's); what is
indented below it is its answer. In answers `…` stands for any value, and for what is left out.
"""
import json
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted(p for p in ROOT.rglob("*.md") if "build" not in p.relative_to(ROOT).parts
                   and not any(part.startswith(".") for part in p.parts[len(ROOT.parts):]))
ANY = "…"


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def examples(name):
    """[(what is typed or asked, the answer's text)] of a document, in its order."""
    found, block = [], []
    for line in text_of(name).splitlines() + [""]:
        if line.startswith("    "):
            block.append(line[4:])
            continue
        at = None
        for shown in block:
            if shown.startswith(("$ ", "/")) and not shown.startswith("/*"):
                at = [shown.removeprefix("$ "), []]
                found.append(at)
            elif at:
                at[1].append(shown)
        block = []
    return [(asked, "\n".join(answer).strip()) for asked, answer in found]


def table(name, heading):
    """The cells of the rows of the first table below a heading, without its head."""
    rows, inside = [], False
    for line in text_of(name).split(f"\n## {heading}\n", 1)[1].splitlines():
        if line.startswith("|"):
            inside = True
            rows.append([cell.strip().replace("\\|", "|")
                         for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])])
        elif inside:
            break
    return rows[2:]


def codes(cell):
    """The texts between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def answer_of(shown):
    """A documented JSON answer as Python has it; ANY where it says so."""
    shown = re.sub(r"\s*\n\s*", "", shown)
    shown = re.sub(r'<[^">]+>(?=")', ANY, shown)            # "<32 hex digits>"
    shown = re.sub(r":…", f':"{ANY}"', shown)
    shown = re.sub(r",…\]", "]", shown)
    shown = re.sub(r",…}", f',"{ANY}":0}}', shown)
    return json.loads(shown)


def differs(shown, real, where="answer"):
    """In what a real answer has another form than the one shown; None when in nothing. Fields and their
    order are the form, and of values their types; lists are as long as they happen to be."""
    if shown == ANY or isinstance(shown, str) and isinstance(real, str):
        return None
    if real is None and ".by." in where:    # keys without the tag are a group too
        return None
    if isinstance(shown, dict) and isinstance(real, dict):
        known = [key for key in shown if key != ANY]
        if ANY in shown:
            real = {key: real[key] for key in real if key in known}
        if list(real) != known:
            return f"{where}: {known} are shown, {list(real)} come"
        return next((d for d in (differs(shown[k], real[k], f"{where}.{k}") for k in known) if d), None)
    if isinstance(shown, list) and isinstance(real, list):
        if shown and not real:
            return f"{where}: nothing came"
        return next((d for d in (differs(shown[0], one, f"{where}[]") for one in real if shown) if d), None)
    if isinstance(shown, bool) or isinstance(real, bool):
        return None if shown is real else f"{where}: {shown} is shown, {real} comes"
    if isinstance(shown, (int, float)) and isinstance(real, (int, float)):
        return None
    return f"{where}: {shown!r} is shown, {real!r} comes"


def relative_links(path):
    """Targets of a document's links that are files, and the heading in each that is meant or ""."""
    for target, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            yield os.path.normpath(path.parent / target) if target else str(path), heading


def anchors(path):
    """The names that GitHub gives to a document's headings."""
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"(?m)^#+ (.+)$", pathlib.Path(path).read_text(encoding="utf-8"))}


def spread(name):
    """`test_{a,b}.c` as [test_a.c, test_b.c]; any other name as itself."""
    parts = re.fullmatch(r"(.*)\{(.*)\}(.*)", name)
    return [parts[1] + one + parts[3] for one in parts[2].split(",")] if parts else [name]


def sources(folder):
    """The names of a folder's C files, without .c and .h."""
    return {p.stem for p in folder.iterdir() if p.suffix in (".c", ".h")}
