# SPDX-License-Identifier: MIT
"""caselist.py: reads and checks the case files. cases.ini says what the keys mean."""

import configparser
import glob
import re
import shlex

GROUPS = {
    "monitor": ["kvm", "hw"],
    "qemu": ["tcg", "kvm-qemu", "hw-qemu"],
}
LANES = GROUPS["monitor"] + GROUPS["qemu"]
KEYS = set(
    "image args cmdline mem monitor disk net setup status stdout output never after script lanes short alone jail timeout".split()
)


class CaseError(Exception):
    pass


class Disk:
    """One line of `disk`."""

    def __init__(self, line):
        words = shlex.split(line)
        if len(words) < 2 or words[1] not in ("ext4", "raw"):
            raise CaseError(f"disk '{line}': ID ext4|raw ...")
        self.id, self.kind = words[:2]
        self.ro, self.dir, self.size, self.opts = False, None, None, None
        for word in words[2:]:
            key, _, value = word.partition("=")
            if word == "ro":
                self.ro = True
            elif key in ("dir", "size", "opts") and value:
                setattr(self, key, value)
            else:
                raise CaseError(f"disk '{line}': what is '{word}'?")
        if self.kind == "raw" and not self.size:
            raise CaseError(f"disk '{line}': raw needs size=")


class Case:
    def __init__(self, name, keys, where):
        unknown = set(keys) - KEYS
        if unknown:
            raise CaseError(f"{where}: [{name}]: unknown key '{min(unknown)}'")
        get = keys.get
        self.name, self.where = name, where
        self.image = get("image", f"guests/{name}")
        self.args, self.cmdline, self.monitor = get("args", ""), get("cmdline", ""), get("monitor", "")
        self.mem = get("mem", "64M")
        self.disks = [Disk(line) for line in lines(get("disk", ""))]
        self.net = shlex.split(get("net", ""))
        if self.net and self.net[0] not in ("tap", "user"):
            raise CaseError(f"{where}: [{name}]: net is tap or user")
        self.setup, self.after, self.script = get("setup"), get("after"), get("script")
        self.status = int(get("status", "0"))
        self.stdout = patterns(get("stdout", ""))
        self.output = patterns(get("output", ""))
        self.never = patterns(get("never", ""))
        self.lanes = parse_lanes(get("lanes", "monitor qemu"), where)
        self.short = get("short", "yes") == "yes"
        self.alone = get("alone", "no") == "yes"
        jail, _, self.why_no_jail = get("jail", "yes").partition(": ")
        self.jail = jail == "yes"
        if not self.jail and not self.why_no_jail:
            raise CaseError(f"{where}: [{name}]: jail = no: and the reason")
        self.timeout = float(get("timeout", "60"))


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def patterns(text):
    return [re.compile(line, re.MULTILINE) for line in lines(text)]


def parse_lanes(text, where):
    on = []
    for word in text.split():
        off = word.startswith("!")
        names = GROUPS.get(word.lstrip("!"), [word.lstrip("!")])
        for name in names:
            if name not in LANES:
                raise CaseError(f"{where}: no lane '{name}'; there are {' '.join(LANES)}")
        on = [lane for lane in on if lane not in names] if off else on + names
    return set(on)


def load(root):
    """All cases in order of file and section; a name that is there twice is an error."""
    cases = {}
    files = [f"{root}/tests/guest/cases.ini"] + sorted(glob.glob(f"{root}/tests/guest/*/cases.ini"))
    for path in files:
        parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
        try:
            parser.read(path)
            for name in parser.sections():
                if name in cases:
                    raise CaseError(f"{path}: [{name}] is in {cases[name].where} too")
                cases[name] = Case(name, dict(parser[name]), path)
        except (configparser.Error, ValueError, re.error) as e:
            raise CaseError(f"{path}: {e}") from e
    return list(cases.values())
