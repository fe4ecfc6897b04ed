# SPDX-License-Identifier: MIT
"""net.py: a network of one host, by hand: Ethernet, ARP, neighbour discovery, IPv4, IPv6, UDP and TCP packets to and
from the program of main.c. Nothing here has a clock but the patience after which a test is lost: everything waits for a
frame. The program is a guest (a socket to its monitor) or, for comparison, a Linux process behind a tap.
"""

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time

PATIENCE = 30 * float(os.environ.get("SLOW", "1"))
MAC, PEER_MAC = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")
IP, PEER = "10.0.0.2", "10.0.0.1"
IP6, PEER6 = "fd00::2", "fd00::1"
CONTROL, CONTROLLER = 9, 999
BE4, BE6 = b"\x08\0", b"\x86\xdd"
TRACE = os.environ.get("TRACE")  # every packet is printed
BOOT = f"mayfly.ip={IP}/24 mayfly.gw={PEER} mayfly.ip6={IP6}/64 mayfly.dns={PEER}"


class Fail(Exception):
    pass


def addr(ip):
    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo(src, dst, proto, length):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, length)
    return src + dst + struct.pack("!IHBB", length, 0, 0, proto)


def ip4(payload, proto, src=PEER, dst=IP, ident=0, frag=0, ttl=64, options=b"", **wrong):
    """frag: flags and offset as in the header. wrong: sum, total, ihl in place of what is right."""
    ihl = wrong.get("ihl", 5 + len(options) // 4)
    total = wrong.get("total", 20 + len(options) + len(payload))
    head = struct.pack("!BBHHHBBH", 0x40 | ihl, 0, total, ident, frag, ttl, proto, 0) + addr(src) + addr(dst) + options
    good = wrong.get("sum", checksum(head))
    return head[:10] + struct.pack("!H", good) + head[12:] + payload


def ip6(payload, proto, src=PEER6, dst=IP6, hops=64, length=None):
    length = len(payload) if length is None else length
    return struct.pack("!IHBB", 6 << 28, length, proto, hops) + addr(src) + addr(dst) + payload


def ip(payload, proto, src, dst, **more):
    return (ip6 if ":" in src else ip4)(payload, proto, src, dst, **more)


def with_sum(segment, at, src, dst, proto, wrong=0):
    got = checksum(pseudo(addr(src), addr(dst), proto, len(segment)) + segment)
    return segment[:at] + struct.pack("!H", got ^ wrong) + segment[at + 2 :]


def udp(data, sport, dport, src=PEER, dst=IP, wrong=0, length=None):
    length = 8 + len(data) if length is None else length
    return with_sum(struct.pack("!HHHH", sport, dport, length, 0) + data, 6, src, dst, 17, wrong)


def icmp6(kind, code, body, src=PEER6, dst=IP6):
    return with_sum(struct.pack("!BBH", kind, code, 0) + body, 2, src, dst, 58)


class Packet:
    """What a frame from the program says, as far as it is IP."""

    def __init__(self, frame):
        self.frame, self.dmac, self.smac = frame, frame[:6], frame[6:12]
        kind = frame[12:14]
        self.ip, self.proto, self.frag = b"", None, 0
        if kind == BE4:
            total = struct.unpack("!H", frame[16:18])[0]
            self.ip = frame[14 : 14 + total]
            at = (self.ip[0] & 15) * 4
            self.src, self.dst = socket.inet_ntop(2, self.ip[12:16]), socket.inet_ntop(2, self.ip[16:20])
            self.proto, self.hops = self.ip[9], self.ip[8]
            self.frag = struct.unpack("!H", self.ip[6:8])[0] & 0x3FFF
        elif kind == BE6:
            self.ip = frame[14 : 54 + struct.unpack("!H", frame[18:20])[0]]
            at = 40
            self.src, self.dst = socket.inet_ntop(10, self.ip[8:24]), socket.inet_ntop(10, self.ip[24:40])
            self.proto, self.hops = self.ip[6], self.ip[7]
        self.body = self.ip[at:] if self.ip else b""
        if self.proto == 6 and not self.frag:
            self.sport, self.dport, self.seq, self.ack, off, self.flags, self.win = struct.unpack(
                "!HHIIBBH", self.body[:16]
            )
            self.options, self.data = self.body[20 : (off >> 4) * 4], self.body[(off >> 4) * 4 :]
        if self.proto == 17 and not self.frag:
            self.sport, self.dport, length = struct.unpack("!HHH", self.body[:6])
            self.data = self.body[8:length]

    def sum_is_right(self):
        src, dst = addr(self.src), addr(self.dst)
        return checksum(pseudo(src, dst, self.proto, len(self.body)) + self.body) == 0

    def __str__(self):
        if self.proto == 6:
            names = "".join(n for i, n in enumerate("FSRPAU") if self.flags >> i & 1)
            return f"TCP {self.sport}>{self.dport} {names} seq {self.seq} ack {self.ack} win {self.win} len {len(self.data)}"
        return f"proto {self.proto} {self.ip[:60].hex()}"


class Link:
    """Frames to and from the program. arp: answer address resolution, which tests of it switch off."""

    def __init__(self):
        self.arp, self.seen, self.waiting = True, [], []
        self.dns = None  # called with each query's packet
        self.answers = {addr(PEER6)}  # what neighbours are solicited for and answer

    def frame(self, packet, dst=MAC):
        if TRACE:
            print(f"{time.monotonic():.3f} > {Packet(dst + dst + (BE6 if packet[0] >> 4 == 6 else BE4) + packet)}", flush=True)
        kind = BE6 if packet[0] >> 4 == 6 else BE4
        self.raw(dst + PEER_MAC + kind + packet)

    def next(self, end):
        """The next packet; None at the end of patience."""
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return None
            try:
                frame = os.read(self.fd, 65536)
            except OSError as e:
                raise Fail(f"the link broke: {e}") from e
            if not frame:
                raise Fail("the monitor hung up")
            if len(frame) < 42:
                continue
            p = Packet(frame)
            if TRACE:
                print(f"{time.monotonic():.3f} < {p}", flush=True)
            if not self.neighbour(p):
                return p

    def neighbour(self, p):
        f = p.frame
        if self.arp and f[12:14] == b"\x08\x06" and f[20:22] == b"\0\1" and f[38:42] == addr(PEER):
            self.raw(f[6:12] + PEER_MAC + b"\x08\x06" + f[14:20] + b"\0\2" + PEER_MAC + addr(PEER) + f[22:32])
            return True
        heard = p.dmac == PEER_MAC or p.dmac[0] & 1
        target = p.body[8:24]
        if self.arp and heard and p.proto == 58 and p.body[0] == 135 and p.src != "::" and target in self.answers:
            body = struct.pack("!I", 0x60000000) + target + b"\2\1" + PEER_MAC
            src = socket.inet_ntop(socket.AF_INET6, target)
            self.frame(ip6(icmp6(136, 0, body, src, p.src), 58, src, p.src, hops=255))
            return True
        if p.proto == 17 and p.dport == 53 and self.dns:
            self.dns(p)
            return True
        return False

    def wait(self, match, what, patience=PATIENCE):
        """The first packet that matches, of those not looked at yet; the others are kept."""
        for i, p in enumerate(self.waiting):
            if match(p):
                return self.waiting.pop(i)
        end = time.monotonic() + patience
        while True:
            p = self.next(end)
            if p is None:
                last = "\n  ".join(str(w) for w in self.waiting[-12:])
                raise Fail(f"waited in vain for {what}; what came instead:\n  {last}")
            if match(p):
                return p
            self.waiting.append(p)


class Guest(Link):
    """The program in a VM."""

    def __init__(self, cmdline=BOOT, mem="16M"):
        super().__init__()
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.fd = self.sock.fileno()
        with theirs:
            argv = [os.environ["MONITOR"], "--kernel", os.environ["IMAGE"], "--mem", mem, "--cmdline", cmdline]
            argv += ["--net", f"id=eth0,fd={theirs.fileno()},mac={MAC.hex(':')}"]
            self.proc = subprocess.Popen(  # pylint: disable=consider-using-with
                argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[theirs.fileno()]
            )

    def raw(self, frame):
        self.sock.send(frame)


class Linux(Link):
    """The program as a process in this network namespace, which has to be one of its own."""

    def __init__(self, program):
        super().__init__()
        self.fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.fd, 0x400454CA, struct.pack("16sH22x", b"wire0", 0x1002))  # TUNSETIFF: a tap, no header
        for words in (
            "link set lo up",
            f"link set wire0 address {MAC.hex(':')} up",
            f"addr add {IP}/24 brd + dev wire0",
            f"addr add {IP6}/64 dev wire0 nodad",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        # Each wrong segment is answered, not one in half a second.
        with open("/proc/sys/net/ipv4/tcp_invalid_ratelimit", "w", encoding="ascii") as f:
            f.write("0")
        self.proc = subprocess.Popen([program], stdout=subprocess.PIPE)  # pylint: disable=consider-using-with

    def raw(self, frame):
        os.write(self.fd, frame)


class Remote:
    """Socket calls of the program. call() makes one and waits for it; start() and result() are for those that wait for
    packets which the test sends."""

    def __init__(self, link):
        self.link, self.number, self.ready = link, 0, link.proc.stdout.readline()
        while self.ready and self.ready != b"ready\n":
            self.ready = link.proc.stdout.readline()
        if not self.ready:
            raise Fail("the program did not start")

    def start(self, *words):
        self.number += 1
        line = " ".join(str(w) for w in (self.number, *words)).encode()
        self.link.frame(ip4(udp(line, CONTROLLER, CONTROL), 17))

    def result(self, patience=PATIENCE):
        """(result or -errno, text)"""
        number = self.number

        def match(p):
            return p.proto == 17 and not p.frag and p.dport == CONTROLLER and p.data.split()[0] == b"%d" % number

        words = self.link.wait(match, f"the result of call {number}", patience).data.decode().split(" ", 3)
        r, error = int(words[1]), int(words[2])
        return (-error if r < 0 and error else r), words[3]

    def call(self, *words):
        self.start(*words)
        return self.result()[0]

    def text(self, *words):
        self.start(*words)
        return self.result()[1]

    def expect(self, want, *words):
        got = self.call(*words)
        if got != want:
            raise Fail(f"{' '.join(map(str, words))}: {got}, not {want}")
        return got

    def good(self, *words):
        got = self.call(*words)
        if got < 0:
            raise Fail(f"{' '.join(map(str, words))}: {os.strerror(-got)}")
        return got


def check(true, what):
    if not true:
        raise Fail(f"{what} (line {sys._getframe(1).f_lineno})")  # pylint: disable=protected-access
