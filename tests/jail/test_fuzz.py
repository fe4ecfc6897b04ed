#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_fuzz.py: real jailers with mutated options: whatever is said, either a whole jail is made and the program's
status handed on, or there is one line of error, exit status 2, and nothing on the host. JAIL_FUZZ=rounds, JAIL_SEED."""
import os, random, subprocess

from harness import *

ROUNDS = int(os.environ.get("JAIL_FUZZ", "150"))
SEED = int(os.environ.get("JAIL_SEED", "1"))
STATUS = 9  # of the program, when it runs

NASTY = ["", " ", ".", "..", "/", "//", "/..", "../..", "-", "--", "=", ":", ":ro", "a" * 65, "a" * 300, "0", "-1", "1", "2",
         "4294967295", "4294967296", "18446744073709551616", "99999999999999999999", "%s%n", "\n", "\t", "\x7f", "\u00e9",
         "'\"$(id)`", "host", "self", "max", "/proc/self/root", "/proc/1/ns/net", "/dev/zero", "/etc/passwd", "/sys/fs/cgroup",
         "0x10", "1e3", "+5", "007", "memory.max=0", "pids.max=-5", "pids.max=max", "cgroup.procs=1", "a.b=c", "no-file=3", "as=1"]


def seeds(w):
    """Options as they are right, each a list of words."""
    ro = w.file("input", "image")
    # The default of --parent-cgroup is the name of the program.
    probe = w.path(w.group)
    os.rename(w.probe, probe)
    options = [["--id", "fuzz"], ["--exec-file", probe], ["--uid", str(UID)], ["--gid", str(UID)],
               ["--chroot-base-dir", w.base], ["--bind", f"{ro}:/kernel:ro"], ["--bind", f"{ro}:/a/b/c"],
               ["--resource-limit", "no-file=64"], ["--resource-limit", "fsize=1000000"], ["--netns", "host"],
               ["--parent-cgroup", w.group], ["--cgroup-version", str(controller("pids")[1] or 2)], ["--cleanup", "other"],
               ["--fd", "x=0"], ["--fd", "exec=5"], ["--userns"], ["--json"], ["--timing"], ["--pool", "0"]]
    if controller("pids")[1]:
        options.append(["--cgroup", "pids.max=20"])
    return options


def mutate(rng, text):
    kind = rng.randrange(6)
    at = rng.randrange(len(text) + 1)
    if kind == 0:
        return rng.choice(NASTY)
    if kind == 1:
        return text[:at] + rng.choice(NASTY) + text[at:]
    if kind == 2:
        return text[:at]
    if kind == 3:
        return text * rng.choice((2, 40))
    if kind == 4:
        return text[:at] + chr(rng.choice((1, 9, 10, 31, 47, 58, 61, 127, 233))) + text[at + 1:]
    return text[::-1]


def command(rng, options):
    """Required options mostly, some of the others; each word changed now and then; sometimes twice."""
    chosen = [o for o in options[:5] if rng.random() < 0.97] + [o for o in options[5:] if rng.random() < 0.15]
    rng.shuffle(chosen)
    words = []
    for option in chosen + ([rng.choice(options)] if rng.random() < 0.1 else []):
        changed = [mutate(rng, word) if rng.random() < (0.02 if word.startswith("--") else 0.12) else word for word in option]
        words += [f"{changed[0]}={changed[1]}"] if len(changed) == 2 and rng.random() < 0.3 else changed
    return words


def host(w):
    """All of the host that a jail could have changed."""
    groups = sorted(os.path.join(base, d) for where, _, _ in cgroup_mounts() for base, dirs, _ in os.walk(where) for d in dirs
                    if base.count("/") - where.count("/") < 3)
    files = sorted(os.path.join(base, f) for base, _, names in os.walk(w.dir) for f in names)
    return {"groups": [g for g in groups if w.group in g.split("/")], "files": files, "mounts": w.mount_list()}


def drop_parents(words, before):
    """Groups above jails stay, as they must; ours go where a mutated option has made them."""
    for where, _, _ in cgroup_mounts():
        for word in words:
            path = os.path.normpath(f"{where}/{word.partition('=')[2] or word}")
            while path.startswith(where + "/") and path not in before and os.path.isdir(path):
                try:
                    os.rmdir(path)
                except OSError:
                    break
                path = os.path.dirname(path)


def all_groups():
    return {os.path.join(base, d) for where, _, _ in cgroup_mounts() for base, dirs, _ in os.walk(where) for d in dirs}


def main():
    w = World()
    options = seeds(w)
    w.run(w.argv("warm", exec_file=w.path(w.group), args=["exit", "0"]))
    before, rng, made, bad = host(w), random.Random(SEED), 0, []
    groups, said = all_groups(), []
    for i in range(ROUNDS):
        words = command(rng, options)
        argv = [a.encode("utf-8", "surrogateescape") for a in [JAILER, *words, "--", "exit", str(STATUS)]]
        r = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE)
        said += words if "--parent-cgroup" in " ".join(words) else []
        lines = errors(r)
        whole = r.returncode == STATUS and r.stdout == b"x" and not lines
        # A word that became "--": what follows is the program's, which does not know it.
        whole |= "--" in words and r.returncode in (0, 1) and r.stdout == b"x" and not lines
        whole |= r.returncode == 128 + 9 and not lines  # a limit of its own has ended the program
        refused = r.returncode == 2 and len(lines) == 1 and not r.stdout
        answered = r.returncode == 0 and any(word.startswith(("--cleanup", "--help", "--version")) for word in words)
        made += whole
        if not (whole or refused or answered):
            bad.append((words, r.returncode, r.stdout[:80], r.stderr[-200:]))
        now = host(w)
        if now != before:
            bad.append((words, {k: sorted(set(now[k]) ^ set(before[k])) for k in now if now[k] != before[k]}))
            before = now
    ok(not bad, f"{ROUNDS} mutated command lines (seed {SEED}): one line of error and status 2, or a whole jail ({made})", bad[:3])
    ok(0 < made < ROUNDS, "of both kinds", made)
    drop_parents(said, groups)
    w.remove()
    finish()


if __name__ == "__main__":
    main()
