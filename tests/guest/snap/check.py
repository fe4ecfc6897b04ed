#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py WHAT [N]: snapshots, clones and forks of the guest beside it, by the monitor's command line.

Runs inside a lane (tests/guest/run.py): O is the build folder, IMAGE the guest, WORK a folder of our own, SLOW the
lane's factor. A clone's network is a socket of ours: we are its only neighbour and see its first SYN.
"""

import concurrent.futures
import hashlib
import http.client
import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/overlay")
import merge  # noqa: E402

TOOL = os.path.join(os.environ.get("O", "build"), "bin", "mayfly-snapshot")
MONITOR = os.environ.get("MONITOR", os.path.join(os.environ.get("O", "build"), "bin", "mayfly-monitor"))
IMAGE = os.environ.get("IMAGE", "build/guests/snap")
OWNER = int(os.environ.get("MONITOR_UID", os.geteuid()))
JAILED = OWNER != os.geteuid()
WORK = os.environ.get("WORK", "/var/tmp/snap")
PATIENCE = 60 * float(os.environ.get("SLOW", "1"))
STATE = f"{WORK}/vm"
NET = ["--net", "id=eth0,fd={fd}"]
BOOT = "mayfly.ip=10.0.0.2/24 mayfly.gw=10.0.0.1 -- who"


def run(args, status=0, pass_fds=()):
    """Output of the monitor, which has to end with that status."""
    r = subprocess.run([MONITOR] + args, capture_output=True, text=True, timeout=PATIENCE, pass_fds=pass_fds, check=False)
    if r.returncode != status:
        sys.exit(f"{args}: status {r.returncode}, not {status}\n{r.stdout}{r.stderr}")
    return r.stdout + r.stderr


def give(path):
    """A file of ours to the monitor's user, who may be in a jail."""
    if JAILED:
        os.chown(path, OWNER, OWNER)


def must(text, pattern):
    m = re.search(pattern, text, re.M)
    if not m:
        sys.exit(f"no /{pattern}/ in:\n{text}")
    return m.group(1) if m.groups() else m.group(0)


def net_args(fd):
    return [a.format(fd=fd) for a in NET]


def take(*more):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        return run(
            ["--kernel", IMAGE, "--mem", "16M", "--cmdline", BOOT, "--snapshot", f"path={STATE}"]
            + net_args(theirs.fileno())
            + list(more),
            pass_fds=[theirs.fileno()],
        )


# --- a neighbour on the wire ---


def arp_reply(frame):
    mac, ip, want = frame[22:28], frame[28:32], frame[38:42]
    me = b"\x02\0\0\0\0\1"
    return mac + me + b"\x08\x06" + frame[14:20] + b"\0\2" + me + want + mac + ip


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def reset_of(frame):
    """The RST that refuses a SYN."""
    ip, tcp = frame[14:34], frame[34:54]
    src, dst = ip[12:16], ip[16:20]
    sport, dport, seq = struct.unpack("!HHI", tcp[:8])
    seg = struct.pack("!HHIIBBHHH", dport, sport, 0, (seq + 1) & 0xFFFFFFFF, 0x50, 0x14, 0, 0, 0)
    seg = seg[:16] + struct.pack("!H", checksum(dst + src + b"\0\6" + struct.pack("!H", 20) + seg)) + seg[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + dst + src
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return frame[6:12] + frame[:6] + b"\x08\0" + head + seg


def serve_wire(sock, proc):
    """Answers ARP, refuses connections; the sequence number of the first SYN, when the guest has ended."""
    seq, end = None, time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not select.select([sock], [], [], 0.05)[0]:
            if proc.poll() is not None:
                return seq
            continue
        try:
            frame = sock.recv(65536)
            if not frame:
                return seq
            kind = frame[12:14]
            if kind == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == b"\x0a\0\0\1":
                sock.send(arp_reply(frame))
            elif kind == b"\x08\0" and frame[23] == 6 and frame[47] & 0x12 == 2:
                seq = struct.unpack("!I", frame[38:42])[0]
                sock.send(reset_of(frame))
        except (ConnectionResetError, BrokenPipeError):  # it ended before it had read all
            return seq
    proc.kill()
    sys.exit(f"a clone did not end; seq {seq}; it said: {proc.stdout.read()}")


def clone(i):
    """Everything that has to be this clone's own."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ip = f"10.0.{1 + i // 200}.{1 + i % 200}"
    argv = [MONITOR, "--restore", f"path={STATE}", "--hostname", f"clone-{i}", "--env", "CLONE_TCP=1"]
    argv += ["--env", f"CLONE_NR={i}", "--net", f"fd={theirs.fileno()},ip={ip}/16"]
    with ours, theirs, subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=[theirs.fileno()]
    ) as proc:
        theirs.close()
        seq = serve_wire(ours, proc)
        out = proc.stdout.read()
    if proc.returncode:
        sys.exit(f"clone {i}: status {proc.returncode}\n{out}")
    for want in ("why 2", "told 1", f"hostname clone-{i}", f"env CLONE_NR={i}", f"ip {ip}", "refused"):
        must(out, f"^{re.escape(want)}$")
    if seq is None:
        sys.exit(f"clone {i} sent no SYN\n{out}")
    return {
        "random": must(out, r"^random (\w+)"),
        "generation": must(out, r"^generation (\w+)"),
        "mac": must(out, r"^mac (\w+)"),
        "isn": seq,
    }


def check_clone(n=20):
    take()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        clones = list(pool.map(clone, range(int(n))))
    for key in ("random", "generation", "mac", "isn"):
        values = [c[key] for c in clones]
        if len(set(values)) != len(values):
            sys.exit(f"two clones of {n} have the same {key}")
    print(f"{n} clones, no two alike")


def check_refused(_=None):
    """What is not as it was is not restored, and the message says what and where."""
    take()
    fd = ["--net", "user"]

    def refuse(pattern, *more, state=STATE):
        must(run(["--restore", f"path={state}", *more], status=2), pattern)

    refuse("its host side has to be given anew")
    refuse("is part of the snapshot", *fd, "--mem", "32M")
    refuse("has no net 'eth7'; it has eth0", "--net", "id=eth7,user")
    refuse("no disk that could be re-bound", *fd, "--block", "path=/dev/null")
    data = open(STATE, "rb").read()

    def with_state(new, pattern):
        with open(STATE, "wb") as f:
            f.write(new)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            args = ["--restore", f"path={STATE}", *net_args(theirs.fileno())]
            must(run(args, status=2, pass_fds=[theirs.fileno()]), pattern)

    check_foreign(data, with_state)
    with_state(data[:-8], "is truncated")
    with_state(data[:3000] + bytes([data[3000] ^ 1]) + data[3001:], "checksum does not match")
    with_state(data[:8] + b"\x09" + data[9:], "format version 9")
    with_state(b"\x7fELF" + data[4:], "is not the state file")
    with_state(data, "mem: was altered") if touch_memory() else None
    os.truncate(f"{STATE}.mem", 4096)
    with_state(data, "is truncated")
    os.unlink(f"{STATE}.mem")
    refuse("No such file", *fd)


def sealed(data, off, new):
    """The state file with other bytes at off and a checksum that is right again (monitor/snapshot/format.h)."""
    data = data[:off] + new + data[off + len(new) :]
    return data[:16] + hashlib.blake2b(data[48:], digest_size=32).digest() + data[48:]


def check_foreign(data, with_state):
    """Well made, but by another CPU, or by somebody who means harm: SNAP_CPU and SNAP_CONFIG rewritten."""
    cpu, _, config, size = struct.unpack_from("<4Q", data, 160)
    run(["--restore", f"path={STATE}", "--net", "user", "--dry-run"])  # the offsets are those of a good file
    with_state(sealed(data, cpu, b"AnotherMaker"), "was taken on a CPU by 'AnotherMaker'")
    with_state(sealed(data, cpu + 12 + 4 * 5, b"\xff" * 4), "with features that this one lacks: .*7.1.EAX bit")
    with_state(sealed(data, cpu + 12, b"\xff" * 44), "take it again here")
    text = data[config : config + size - 1]
    with_state(sealed(data, config, text.replace(b'"mem"', b'"api"')), "its configuration is not one of this version")
    with_state(sealed(data, config, b"\0" + text[1:]), "has a damaged configuration")


def touch_memory():
    with open(f"{STATE}.mem", "r+b") as f:
        f.seek(0x1000)
        b = f.read(1)
        f.seek(0x1000)
        f.write(bytes([b[0] ^ 1]))
    return True


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=PATIENCE)


def check_signed(_=None):
    run(["--kernel", IMAGE, "--mem", "16M", "--snapshot", f"path={STATE}", "--cmdline", "-- who"])
    key, pub, other = f"{WORK}/key.pem", f"{WORK}/key.pub", f"{WORK}/other.pem"
    for k in (key, other):
        openssl("genpkey", "-algorithm", "ed25519", "-out", k)
    openssl("pkey", "-in", key, "-pubout", "-outform", "DER", "-out", pub)
    restore = ["--restore", f"path={STATE},key={pub}"]
    must(run(restore, status=2), r"vm\.sig: No such file")
    openssl("pkeyutl", "-sign", "-inkey", other, "-rawin", "-in", STATE, "-out", f"{STATE}.sig")
    must(run(restore, status=2), "is not the signature of this snapshot")
    openssl("pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", STATE, "-out", f"{STATE}.sig")
    if JAILED:
        # A jail has no /dev/userfaultfd unless its jailer is told so: there "lazy" is refused, and "auto" copies.
        must(run([restore[0], f"{restore[1]},verify=lazy"], status=2), "userfaultfd: .* say verify=copy")
        must(run(restore), "^why 2$")
        os.environ["MONITOR_JAIL"] = "--userfaultfd"
    for mode in ("auto", "copy", "lazy"):
        must(run([restore[0], f"{restore[1]},verify={mode}"]), "^why 2$")
    must(run([restore[0], f"{restore[1]},verify=none"], status=2), "verify=none does not go with key")
    touch_memory()
    must(run([restore[0], f"{restore[1]},verify=copy"], status=2), "mem: was altered")
    must(run([restore[0], f"{restore[1]},verify=lazy"], status=2), "was altered")


def tool(*args, status=0):
    r = subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=PATIENCE, check=False)
    if r.returncode != status:
        sys.exit(f"mayfly-snapshot {args}: status {r.returncode}, not {status}\n{r.stdout}{r.stderr}")
    return r.stdout + r.stderr


def check_pack(_=None):
    """Packed, unpacked elsewhere, restored: the guest finds its memory as it was. Packed it is told from damaged."""
    run(["--kernel", IMAGE, "--mem", "16M", "--snapshot", f"path={STATE}", "--cmdline", "-- who"])
    packed, there = f"{WORK}/packed", f"{WORK}/there"
    info = json.loads(tool("info", STATE, "--json"))
    must(tool("pack", STATE, packed), "KiB, of")
    if json.loads(tool("info", packed, "--json"))["id"] != info["id"] or not info["at_freeze_point"]:
        sys.exit(f"another snapshot was packed: {info}")
    give(packed)
    must(run(["--restore", f"path={packed}"], status=2), "is a packed snapshot; unpack it first: mayfly-snapshot unpack")
    os.unlink(STATE)
    os.unlink(f"{STATE}.mem")
    tool("unpack", packed, there)
    tool("verify", there)
    for name in (there, f"{there}.mem"):
        give(name)
    must(run(["--restore", f"path={there},prefetch=off"]), "^why 2$")
    with open(packed, "rb") as f:
        data = f.read()
    with open(packed, "wb") as f:
        f.write(data[:-1])
    must(tool("verify", packed, status=1), "is truncated")
    must(tool("unpack", packed, f"{WORK}/none", status=1), "is truncated")
    if os.path.exists(f"{WORK}/none"):
        sys.exit("half a snapshot was unpacked")


def check_wset(_=None):
    """The first restored VM writes down what it touched; the next has it before it runs."""
    run(["--kernel", IMAGE, "--mem", "64M", "--snapshot", f"path={STATE}", "--cmdline", "-- who"])
    restore = ["--restore", f"path={STATE}", "--metrics", f"{WORK}/m"]
    pages = []
    for _i in range(2):
        run(restore)
        pages.append(int(must(open(f"{WORK}/m").read(), r'"prefetched": (\d+)')))
    if pages[0] or not 16 < pages[1] < 8192:
        sys.exit(f"pages loaded ahead, first and second time: {pages}")
    before = os.stat(f"{STATE}.ws").st_mtime_ns
    run(["--restore", f"path={STATE},prefetch=off", "--metrics", f"{WORK}/m"])
    must(open(f"{WORK}/m").read(), r'"prefetched": 0')
    with open(f"{STATE}.ws", "r+b") as f:
        f.write(b"x")  # a hint and no more: damage is repaired
    for want in ("0", str(pages[1])):
        must(run(restore), "^why 2$")
        got = must(open(f"{WORK}/m").read(), r'"prefetched": (\d+)')
        if (got == "0") != (want == "0"):
            sys.exit(f"with a damaged working set: {got} pages, not {want}")
    if os.stat(f"{STATE}.ws").st_mtime_ns == before:
        sys.exit("the damaged working set was not replaced")


# --- a VM that runs, by its API ---


class Live:
    """A monitor with an API socket; its console goes to a file."""

    def __init__(self, name, *args):
        self.console, self.sock = f"{WORK}/{name}.out", f"{WORK}/{name}.sock"
        argv = [MONITOR, "--api-sock", self.sock, "--console", self.console, "--id", name, *args]
        self.proc = subprocess.Popen(argv, stdout=subprocess.DEVNULL)  # pylint: disable=consider-using-with

    def call(self, method, path, status=204, **body):
        conn = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        conn.sock = socket.socket(socket.AF_UNIX)
        conn.sock.settimeout(PATIENCE)
        conn.sock.connect(self.sock)
        conn.request(method, path, json.dumps(body) if body else None)
        answer = conn.getresponse()
        text = answer.read().decode()
        conn.close()
        if answer.status != status:
            sys.exit(f"{method} {path} {body}: {answer.status} {text}")
        return text

    def state(self, state):
        self.call("PATCH", "/vm", state=state)

    def create(self, path, kind):
        self.call("PUT", "/snapshot/create", snapshot_path=path, mem_file_path=f"{path}.mem", snapshot_type=kind)

    def ticks(self, at_least=1):
        """The last tick line as (number, mono, most, wall), once there are enough of them."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            lines = re.findall(r"^tick (\d+) mono (\S+) most (\S+) wall (\S+)\n", self.text(), re.M)
            if len(lines) >= at_least:
                return [float(v) for v in lines[-1]], len(lines)
            if self.proc.poll() is not None:
                sys.exit(f"the VM ended with {self.proc.returncode}:\n{self.text()}")
            time.sleep(0.01)
        sys.exit(f"no {at_least} ticks:\n{self.text()}")

    def more(self, n=3):
        return self.ticks(self.ticks()[1] + n)[0]

    def writes(self, n):
        """Until the guest has written n more requests to its disk."""
        first, end = None, time.monotonic() + PATIENCE
        while time.monotonic() < end:
            m = re.search(r"^mayfly_\w*write_reqs\S* (\d+)", self.call("GET", "/metrics", 200), re.M)
            first = int(m.group(1)) if first is None else first
            if int(m.group(1)) >= first + n:
                return
            if self.proc.poll() is not None:
                sys.exit(f"the VM ended with {self.proc.returncode} too early:\n{self.text()}")
            time.sleep(0.005)
        sys.exit("the guest writes nothing")

    def text(self):
        return open(self.console).read() if os.path.exists(self.console) else ""

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def __enter__(self):
        wait_for_socket(self.sock)
        return self

    def __exit__(self, *_):
        self.kill()


def apart(tick):
    """What the wall clock has gained on the monotonic one."""
    return tick[3] - tick[1]


def snapshot_by_copy(vm):
    """A snapshot of a VM that goes on: of a copy that was made paused. The tick at which the copy stands."""
    vm.call("PUT", "/vm/fork", 400, copies=[{"id": "p", "paused": True}])
    twin = Live.__new__(Live)
    twin.sock, twin.console = f"{WORK}/p.sock", f"{WORK}/p.out"
    before = vm.ticks()[0]
    copies = [{"id": "p", "api_sock": twin.sock, "console": twin.console, "paused": True}]
    pid = json.loads(vm.call("PUT", "/vm/fork", 200, copies=copies))["pids"][0]
    after = vm.more(5)
    wait_for_socket(twin.sock)
    if twin.text():
        sys.exit(f"a copy that was made paused has run: {twin.text()}")
    twin.create(f"{STATE}.copy", "Full")
    os.kill(pid, 9)
    if vm.more()[0] <= after[0]:
        sys.exit("the original does not go on")
    return before


def check_live(_=None):
    """At any moment: full, diff, pause, restore. Counting goes on, monotonic time too, wall time jumps."""
    pause = 2.0
    with Live("a", "--kernel", IMAGE, "--mem", "16M", "--track-dirty", "--cmdline", "-- tick") as vm:
        vm.ticks(3)
        vm.state("Paused")
        vm.create(STATE, "Full")
        at_full = vm.ticks()[0]
        vm.state("Resumed")
        before = vm.more()
        vm.state("Paused")
        vm.create(f"{STATE}.diff", "Diff")
        at_diff = vm.ticks()[0]
        time.sleep(pause)  # what is measured, not waited for
        vm.state("Resumed")
        after = vm.more()
        if apart(after) - apart(before) < 0.9 * pause:
            sys.exit(f"a pause of {pause} s: {before} {after}")
        copy = json.loads(vm.call("PUT", "/vm/fork", 200, copies=[{"id": "c", "console": f"{WORK}/c.out"}]))
        wait_for(f"{WORK}/c.out", "tick")
        lives = [told(open(f"{WORK}/c.out").read())]
        os.kill(copy["pids"][0], 9)
        at_copy = snapshot_by_copy(vm)
        if "told" in vm.text():
            sys.exit(f"the original was told that it is another:\n{vm.text()}")
        if os.stat(f"{STATE}.diff.mem").st_blocks > os.stat(f"{STATE}.mem").st_blocks:
            sys.exit("the diff is larger than the full snapshot")
    tool("merge", f"{STATE}.diff", STATE, f"{STATE}.one")
    for name in (f"{STATE}.one", f"{STATE}.one.mem"):
        give(name)
    kinds = ("b", at_full, ""), ("d", at_diff, f".diff,base={STATE}"), ("e", at_copy, ".copy"), ("f", at_diff, ".one")
    for name, start, more in kinds:
        with Live(name, "--restore", f"path={STATE}{more}") as vm:
            tick = vm.ticks(3)[0]
            lives.append(told(vm.text()))
            if "went back" in vm.text() or not start[0] < tick[0] < start[0] + 50:
                sys.exit(f"restored at {start}: {vm.text()}")
            if name != "e" and apart(tick) - apart(start) < 0.9 * pause:
                sys.exit(f"the wall clock of {tick} is not the host's ({start})")
    if len({v for life in lives for v in life}) != 2 * len(lives):
        sys.exit(f"two clones have the same random number or generation: {lives}")


def told(text):
    must(text, "^told 1$")
    if "told 2" in text:
        sys.exit(f"a clone was told twice:\n{text}")
    return must(text, r"^random (\w+)"), must(text, r"^generation (\w+)")


def draws(vm, n):
    """The first n lines that a guest which draws all the time has printed."""
    end = time.monotonic() + PATIENCE
    while len(lines := re.findall(r"^draw (\w+)\n", vm.text(), re.M)) < n:
        if time.monotonic() > end or vm.proc.poll() is not None:
            sys.exit(f"no {n} draws:\n{vm.text()}")
        time.sleep(0.01)
    return lines


def check_draw(_=None):
    """Clones made in the middle of a draw, at no freeze point: none of them goes on with the other's numbers, and each is
    told. A number that was drawn and not yet printed when the snapshot was taken is in both: it may happen once."""
    shared, seen = 0, []
    for i in range(3):
        with Live(f"a{i}", "--kernel", IMAGE, "--mem", "16M", "--cmdline", "-- draw") as vm:
            draws(vm, 2)
            vm.state("Paused")
            vm.create(STATE, "Full")
            if "told" in vm.text():
                sys.exit(f"the original was told that it is another:\n{vm.text()}")
        drawn = []
        for name in (f"b{i}", f"c{i}"):
            with Live(name, "--restore", f"path={STATE}") as vm:
                drawn.append(set(draws(vm, 3)))
                seen += re.findall(r"^(random|generation) (\w+)\n", vm.text(), re.M)
                told(vm.text())
        shared += bool(drawn[0] & drawn[1])
    if shared > 1:
        sys.exit(f"{shared} of 3 pairs of clones have a number in common")
    if len(seen) != 12 or len(set(seen)) != 12:
        sys.exit(f"clones have the same random number or generation: {seen}")


def check_tcp(_=None):
    """A connection outlives a pause, and the process that serves it. The guest has frozen itself before, for nobody, and
    has gone on: where it stands now nobody can tell it that it is another, so it keeps its MAC address."""
    mac = "02:11:22:33:44:55"
    net = ["--net", f"id=eth0,tap={os.environ['TAP']}"]
    ip = os.environ["GUEST_IP"]

    def ask(sock, number):
        sock.sendall(b"x\n")
        got = b""
        while not got.endswith(b"\n"):
            got += sock.recv(16) or sys.exit("the connection broke")
        if int(got) != number:
            sys.exit(f"answer {got}, not {number}")

    boot = ["--kernel", IMAGE, "--mem", "16M", "--idle", "hlt", net[0], f"{net[1]},mac={mac}"]
    with Live("a", *boot, "--cmdline", f"mayfly.ip={ip}/24 -- tcp 7") as vm:
        wait_for(vm.console, "listening")
        sock = socket.create_connection((ip, 7), timeout=PATIENCE)
        ask(sock, 1)
        vm.state("Paused")
        sock.sendall(b"x\n")  # while nobody is there
        vm.create(STATE, "Full")
        vm.state("Resumed")
        if sock.recv(16) != b"2\n":
            sys.exit("what was sent during the pause is lost")
        vm.state("Paused")
        vm.create(STATE, "Full")
    must(run(["--restore", f"path={STATE}", *net, "--dry-run", "--json"]), mac)
    with Live("b", "--restore", f"path={STATE}", *net):
        ask(sock, 3)
        ask(sock, 4)


def fsck(image):
    run_tool("e2fsck", "-fn", image)


def copy_disk(disk, to):
    run_tool("cp", disk, to)
    give(to)


def run_tool(*argv):
    r = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if r.returncode:
        sys.exit(f"{argv}: {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout


def check_disk(_=None):
    """Each clone has a copy of the disk as it was; what one writes is in its own, and whole."""
    disk = os.environ["DISK_root"]
    run(
        ["--kernel", IMAGE, "--mem", "16M", "--block", f"id=root,path={disk}", "--snapshot", f"path={STATE}"]
        + ["--cmdline", "-- who"]
    )
    fsck(disk)
    for i in (1, 2):
        copy_disk(disk, f"{WORK}/{i}.img")
        out = run(["--restore", f"path={STATE}", "--block", f"path={WORK}/{i}.img", "--env", f"CLONE_FILE=clone {i}"])
        must(out, "^before here before$")
        fsck(f"{WORK}/{i}.img")
        must(run_tool("debugfs", "-R", "cat /after.txt", f"{WORK}/{i}.img"), f"^clone {i}$")
    if "after.txt" in run_tool("debugfs", "-R", "ls /", disk):
        sys.exit("a clone wrote to the disk of its original")
    fork = ["--kernel", IMAGE, "--mem", "16M", "--block", f"path={disk}", "--fork", "n=1", "--cmdline", "-- who"]
    must(run(fork, status=2), "is writable: two VMs would damage it")


def check_busy(_=None):
    """Snapshots in the middle of a file system under stress: nothing that was in flight is lost or done twice."""
    disk, image = os.environ["DISK_root"], f"{os.path.dirname(IMAGE)}/fs-stress"
    with Live("a", "--kernel", image, "--mem", "64M", "--block", f"path={disk}", "--cmdline", "-- 7 400") as vm:
        for i in range(3):
            vm.writes(20)
            vm.state("Paused")
            vm.create(f"{STATE}.{i}", "Full")
            copy_disk(disk, f"{WORK}/{i}.img")
            vm.state("Resumed")
    for i in range(3):
        run(["--restore", f"path={STATE}.{i}", "--block", f"path={WORK}/{i}.img"])
        fsck(f"{WORK}/{i}.img")


def overlay_of(path):
    return ["--block", f"id=root,path={path},overlay=mem"]


def check_overlay(_=None):
    """A disk with an overlay in memory goes along: into full and diff snapshots, into each clone and each copy."""
    disk, image = os.environ["DISK_root"], f"{os.path.dirname(IMAGE)}/fs-stress"
    before = open(disk, "rb").read()
    with Live("a", "--kernel", image, "--mem", "64M", "--track-dirty", *overlay_of(disk), "--cmdline", "-- 7 400") as vm:
        vm.writes(40)
        vm.state("Paused")
        vm.create(f"{STATE}.f", "Full")
        vm.state("Resumed")
        vm.writes(20)
        vm.state("Paused")
        vm.create(f"{STATE}.d", "Diff")
        vm.call("PUT", "/vm/fork", 200, copies=[{"id": f"c{i}", "console": f"{WORK}/c{i}.out"} for i in (1, 2)])
        for i in (1, 2):  # while their original waits: in a jail they end with it
            wait_for(f"{WORK}/c{i}.out", "PASS")
        vm.state("Resumed")
        wait_for(vm.console, "PASS")
    # Back in time with an overlay in a file: memory and disk still agree.
    file = ["--block", f"path={disk},overlay={WORK}/m.ov"]
    with Live("m", "--kernel", image, "--mem", "64M", *file, "--cmdline", "-- 7 400") as vm:
        vm.writes(20)
        vm.call("PUT", "/snapshot/rewind", action="Mark")
        for _ in range(3):
            vm.writes(20)
            vm.call("PUT", "/snapshot/rewind", action="Rewind")
        wait_for(vm.console, "PASS")
        vm.proc.wait(PATIENCE)
    merge.merge(disk, f"{WORK}/m.ov", f"{WORK}/merged.img")
    fsck(f"{WORK}/merged.img")
    # Blocks that were written before the copies were made are read after it, past every cache; slowly, to be in time.
    raw = os.path.dirname(IMAGE) + "/blk-raw"
    slow = overlay_of(disk) + ["--idle", "hlt"]
    slow[1] += ",ops=1000/1s"
    with Live("r", "--kernel", raw, "--mem", "64M", *slow) as vm:
        vm.writes(300)
        vm.call("PUT", "/vm/fork", 200, copies=[{"id": f"r{i}", "console": f"{WORK}/r{i}.out"} for i in (1, 2)])
        vm.state("Paused")
        for i in (1, 2):
            wait_for(f"{WORK}/r{i}.out", "PASS")
        vm.state("Resumed")
        wait_for(vm.console, "PASS")
    for n, more in enumerate((".f", ".f", f".d,base={STATE}.f")):
        must(run(["--restore", f"path={STATE}{more}"]), "^PASS")
        run(["--restore", f"path={STATE}{more}", "--block", f"overlay={WORK}/{n}.ov"])
        merge.merge(disk, f"{WORK}/{n}.ov", f"{WORK}/merged.img")
        fsck(f"{WORK}/merged.img")
    must(run(["--restore", f"path={STATE}.f", "--block", f"overlay={WORK}/0.ov"], status=2), "name a new file, or an empty one")
    must(run(["--restore", f"path={STATE}.f", "--block", "overlay-max=4K"], status=2), "disk 'root': .*is more than overlay-max")
    if open(disk, "rb").read() != before:
        sys.exit("the image below was written to")
    damage(f"{STATE}.f.mem", disk)


def damage(mem, disk):
    """What was written is between the guest's memory and the last page."""
    good, at = open(mem, "rb").read(), 64 << 20
    for where, what in (("number", 0), ("first cluster", 8), ("list", 16), ("data", len(good) - at - 4096 - 1)):
        bad = bytearray(good)
        bad[at + what] ^= 0x10
        open(mem, "wb").write(bad)
        must(run(["--restore", f"path={STATE}.f"], status=2), f"{mem}: was altered: what disk 'root' had is damaged")
        print(f"damaged {where}: refused", flush=True)
    open(mem, "wb").write(good)
    os.utime(disk, (1, 1))
    must(run(["--restore", f"path={STATE}.f"], status=2), "disk 'root' is over another image")


def check_fork(_=None):
    """Copies of a VM whose image is mapped under a lease, which only the original holds."""
    image = f"{WORK}/image"
    shutil.copy(IMAGE, image)
    give(image)
    args = ["--kernel", image, "--mem", "16M", "--cmdline", "-- who", "--metrics", f"{WORK}/m"]
    for idle in ("exit", "hlt"):
        args += ["--idle", idle] if idle == "hlt" else []
        out = run(args + ["--fork", f"n=3,console={WORK}/{idle}.%d,hostname=copy-%d,metrics={WORK}/{idle}.m.%d"])
        must(out, "^why 1$")
        must(open(f"{WORK}/m").read(), '"forks": 1')
        must(open(f"{WORK}/m").read(), '"image": "leased"')
        seen = {must(out, r"^random (\w+)")}
        for i in (1, 2, 3):
            wait_for(f"{WORK}/{idle}.m.{i}", "exits")
            must(open(f"{WORK}/{idle}.m.{i}").read(), '"image": "copied"')
            copy = open(f"{WORK}/{idle}.{i}").read()
            must(copy, "^why 2$")
            must(copy, "^told 1$")
            must(copy, f"^hostname copy-{i}$")
            seen.add(must(copy, r"^random (\w+)"))
        if len(seen) != 4:
            sys.exit("two copies drew the same random number")
    must(run(args[:-2] + ["--fork", "n=1,tap=x"], status=2), "has no network interface")


def wait_for(path, text):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if os.path.exists(path) and text in open(path).read():
            return
        time.sleep(0.01)
    sys.exit(f"{path} never came")


def wait_for_socket(path):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as s:
            if not s.connect_ex(path):
                return
        time.sleep(0.01)
    sys.exit(f"nobody listens at {path}")


def main():
    os.makedirs(WORK, exist_ok=True)
    checks = {name[6:]: fn for name, fn in globals().items() if name.startswith("check_")}
    checks[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
