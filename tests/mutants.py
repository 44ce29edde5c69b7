#!/usr/bin/python3
"""Breaks the cores that the contract rests on, one operator at a time, and sees who notices.

    tests/mutants.py [--build build] [--more] [--sample N] [--seconds S] [FILE...]

Each mutant of FILE (default: the outbox, the session and the committer) is compiled alone, linked in front
of its library into that module's unit tests and the simulator, and run: the tests first, then S seconds of
seeds. --more also deletes statements and changes 0 and 1. One that compiles to the very same code is no mutant. What nobody notices is listed, to be read: a test
is missing, or the code says the same thing twice. Needs the builds that CI leaves: the tests are
those under ASan and UBSan, the simulator is the release's.
"""
import argparse
import concurrent.futures
import hashlib
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

TESTS = {
    "agent/outbox.c": ["agent/test_outbox", "agent/test_outbox_states", "agent/test_outbox_restore",
                       "agent/test_outbox_edges", "agent/test_outbox_contract", "agent/test_delivery",
                       "agent/test_delivery_spool"],
    "relay/session_fsm.c": ["relay/test_session_fsm", "relay/test_session_edges", "relay/test_committer_session"],
    "relay/committer.c": ["relay/test_committer", "relay/test_committer_edges", "relay/test_committer_refusal",
                          "relay/test_committer_session", "relay/test_delivery"],
}
COMPILE = "cc -std=c11 -D_GNU_SOURCE -I. -I{gen} -isystem /usr/include/hiredis -O1 -w -fPIE -c".split()
CHECKED = "-fsanitize=address,undefined -fno-sanitize-recover=undefined".split()
UNIT_SECONDS = 60

SKIPPED = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|'
                     r'(?m:^[ \t]*#(?:\\\n|[^\n])*)|\bassert\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\);', re.S)
TOKEN = re.compile(r"->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||\+=|-=|\|=|&=|[-+<>!]|\b\w+\b|[^\s\w]")
SWAPS = {"==": ["!="], "!=": ["=="], "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="],
         ">=": [">", "<"], "&&": ["||"], "||": ["&&"], "++": ["--"], "--": ["++"], "+=": ["-="],
         "-=": ["+="], "|=": ["="], "&=": ["="], "true": ["false"], "false": ["true"]}
NUMBERS = {"0": ["1"], "1": ["0", "2"]}
STATEMENT = re.compile(r"^\t+(?!return\b|goto\b|else\b|case\b|default\b|struct\b|enum\b|const\b|static\b)"
                       r"(?:(?:continue|break|return);|[A-Za-z_(*][\w>.\[\]()*-]*"
                       r"(?:\(| [-+|&]?= |\+\+;|--;)[^\n;]*;|\(void\)[^\n;]*;)$", re.M)


def blank(source):
    """The source with what is never mutated blanked out, at the same places."""
    return SKIPPED.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), source)


def mutants_of(source, more):
    """[(offset, old, new)] of a C file."""
    swaps = {**SWAPS, **(NUMBERS if more else {})}
    text, found, before = blank(source), [], ""
    for m in TOKEN.finditer(text):
        token = m.group()
        binary = re.match(r"[\w\])]", before[-1:] or " ") and before not in ("return", "case")
        for new in swaps.get(token, []):
            found.append((m.start(), token, new))
        if token in "+-" and binary:
            found.append((m.start(), token, "-" if token == "+" else "+"))
        if token == "!":
            found.append((m.start(), token, ""))
        before = token
    if more:
        found += [(m.start(), m.group(), "\t;") for m in STATEMENT.finditer(text)
                  if source[m.start():m.end()] == m.group()]
    return found


class Judge:
    """Compiles, links and runs mutants of one file."""

    def __init__(self, path, build, folder, seconds):
        self.path, self.build, self.folder, self.seconds = path, build, folder, seconds
        self.compile = [w.format(gen=f"{build}/gen") for w in COMPILE]
        self.links = [(name, self.link_line(f"{build}/asan/unit/{name}", "MODE=asan"))
                      for name in TESTS.get(path) or sys.exit(f"no tests are named for {path}")]
        self.simulator = self.link_line(f"{build}/release/sim")
        with open(path) as source:
            self.source = source.read()
        self.code = self.object(self.source, f"{folder}/whole")[0]

    @staticmethod
    def link_line(program, *more):
        """make's own command: what comes before the first library, the rest, and where its output is."""
        said = subprocess.run(["make", "-n", "-B", "V=1", *more, program], capture_output=True,
                              text=True, check=True).stdout
        words = shlex.split([line for line in said.splitlines() if f"-o {program} " in line][-1])
        first = next(i for i, w in enumerate(words) if w.endswith(".a"))
        return words[:first], words[first:], words.index(program)

    def object(self, source, place, *more):
        """(what the code is, object file); (None, None): it does not compile."""
        # The same name each time: it is part of the object.
        os.makedirs(place, exist_ok=True)
        with open(f"{place}/m.c", "w") as out:
            out.write(source)
        done = subprocess.run([*self.compile, *more, "-o", f"{place}/m.o", f"{place}/m.c"],
                              capture_output=True)
        if done.returncode:
            return None, None
        text = subprocess.run(["objdump", "-d", "-r", "-s", "-j", ".text", "-j", ".rodata", "-j",
                               ".data.rel.ro.local", f"{place}/m.o"], capture_output=True).stdout
        text = text.replace(place.encode(), b"")
        return hashlib.sha256(text).digest(), f"{place}/m.o"

    def run(self, name, link, made, place, seconds):
        """Whether this program noticed; the simulator runs for so long, a test at most."""
        before, after, at = link
        words = before[:at] + [f"{place}/p"] + before[at + 1:] + [made] + after
        if subprocess.run(words, capture_output=True).returncode:
            return True
        command, most = [f"{place}/p"], seconds
        if name == "sim":
            command, most = [*command, "--seconds", str(seconds)], 10 * seconds + 60
        try:
            return subprocess.run(command, capture_output=True, timeout=most, cwd=place,
                                  stdin=subprocess.DEVNULL).returncode != 0
        except subprocess.TimeoutExpired:
            return True

    def noticed(self, source, place):
        """Who notices that this is not the source: a program, or "" nobody."""
        made = self.object(source, place, *CHECKED)[1]
        for name, link in self.links:
            if self.run(name, link, made, place, UNIT_SECONDS):
                return name
        made = self.object(source, place)[1]
        return "sim" if self.run("sim", self.simulator, made, place, self.seconds) else ""

    def judge(self, mutant):
        """Who noticed; "same" or "invalid": it is no mutant at all."""
        offset, old, new = mutant
        place = f"{self.folder}/{offset}-{abs(hash(new))}"
        source = self.source[:offset] + new + self.source[offset + len(old):]
        code, made = self.object(source, place)
        try:
            if made is None or code == self.code:
                return mutant, "invalid" if made is None else "same"
            return mutant, self.noticed(source, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)


def judge_file(path, args, folder):
    """Prints one file's figures and survivors; (mutants, caught)."""
    judge = Judge(path, args.build, folder, args.seconds)
    if who := judge.noticed(judge.source, f"{folder}/whole"):
        sys.exit(f"{path}: {who} fails with the whole file already")
    todo = mutants_of(judge.source, args.more)
    if args.sample:
        todo = random.Random(args.seed).sample(todo, min(args.sample, len(todo)))
    by, survivors = {}, []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for mutant, who in pool.map(judge.judge, todo):
            by[who] = by.get(who, 0) + 1
            if who == "":
                survivors.append(mutant)
    count = sum(n for who, n in by.items() if who not in ("same", "invalid"))
    caught = count - len(survivors)
    print(f"{path}: {count} mutants, {caught} caught ({100 * caught / max(1, count):.1f} %), by " +
          ", ".join(f"{who} {n}" for who, n in by.items() if who), flush=True)
    for offset, old, new in sorted(survivors):
        line = judge.source.count("\n", 0, offset) + 1
        text = judge.source.splitlines()[line - 1].strip()
        what = "deleted" if new == "\t;" else f"`{old}` -> `{new}`"
        print(f"  {path}:{line}: {what}: {text}", flush=True)
    return count, caught


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--more", action="store_true", help="not operators alone")
    parser.add_argument("--sample", type=int, help="only so many of each file")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--seconds", type=int, default=5, help="of the simulator, for what tests let pass")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("files", nargs="*", default=list(TESTS))
    args = parser.parse_args()
    count = caught = 0
    for path in args.files:
        with tempfile.TemporaryDirectory(prefix="hourglass-mutants-") as folder:
            more = judge_file(path, args, folder)
        count, caught = count + more[0], caught + more[1]
    print(f"{caught} of {count} mutants caught ({100 * caught / max(1, count):.1f} %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
