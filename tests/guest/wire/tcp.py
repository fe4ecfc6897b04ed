# SPDX-License-Identifier: MIT
"""tcp.py: one TCP connection of the peer, by hand: it says what a test tells it to say, right or wrong. All numbers on
the wire are counted from the initial ones, which are 1 before the first byte of data."""

import struct

import net
from net import PEER, IP, Fail, check

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
MSS, WINDOW, SACK_OK, NOP = 2, 3, 4, b"\1"
POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP = 1, 4, 8, 16, 0x2000
M32 = 0xFFFFFFFF


def content(at, n):
    return bytes((i * 31 + (i >> 8) * 7) & 255 for i in range(at, at + n))


def mss(n):
    return struct.pack("!BBH", 2, 4, n)


def scale(n):
    return NOP + bytes((3, 3, n))


def options(raw):
    """{kind: bytes} of what the program offered."""
    found, at = {}, 0
    while at < len(raw) and raw[at]:
        if raw[at] == 1:
            at += 1
            continue
        found[raw[at]] = raw[at + 2 : at + raw[at + 1]]
        at += max(raw[at + 1], 2)
    return found


class Conn:
    """sent: the number of our next byte; got: the next of theirs."""

    last_port = 20000

    def __init__(self, link, port, src=PEER, dst=IP, sport=None, isn=0x10000000):
        Conn.last_port += 1
        self.link, self.src, self.dst = link, src, dst
        self.sport, self.dport = sport or Conn.last_port, port
        self.isn, self.theirs, self.sent, self.got, self.win, self.shift = isn, None, 0, 0, 0xFFFF, 0
        self.offered = {}

    def segment(self, flags, seq=None, ack=None, data=b"", win=None, opts=b"", urgent=0, wrong=0, off=None, src=None):
        """A segment with these numbers, or those that are right."""
        opts += NOP * (-len(opts) % 4)
        seq = self.isn + (self.sent if seq is None else seq)
        ack = ((self.theirs or 0) + (self.got if ack is None else ack)) if flags & ACK else 0
        off = 5 + len(opts) // 4 if off is None else off
        win = self.win if win is None else win
        seg = struct.pack("!HHIIBBHHH", self.sport, self.dport, seq & M32, ack & M32, off << 4, flags, win, 0, urgent)
        src = src or self.src
        return net.ip(net.with_sum(seg + opts + data, 16, src, self.dst, 6, wrong), 6, src, self.dst)

    def say(self, flags=ACK, **what):
        self.link.frame(self.segment(flags, **what))

    def send(self, n, **what):
        """The next n bytes of the stream, in one segment."""
        self.say(ACK | PSH, data=content(self.sent - 1, n), **what)
        self.sent += n

    def mine(self, p):
        return p.proto == 6 and not p.frag and p.sport == self.dport and p.dport == self.sport and p.dst == self.src

    def hear(self, what, match=lambda p: True, patience=net.PATIENCE):
        """The next segment of this connection that matches; its numbers are made relative, its checksum must be right."""
        p = self.link.wait(lambda p: self.mine(p) and match(self.relative(p)), f"{what} (port {self.sport})", patience)
        check(p.sum_is_right(), f"a wrong checksum on {what}")
        return p

    def relative(self, p):
        if not hasattr(p, "at"):
            base = p.seq if p.flags & SYN and self.theirs is None else self.theirs or 0
            p.at, p.acks = (p.seq - base) & M32, (p.ack - self.isn) & M32
            p.room = p.win << (0 if p.flags & SYN else self.shift)
        return p

    def hear_ack(self, n=None, **more):
        n = self.sent if n is None else n
        return self.hear(f"an acknowledgement of {n}", lambda p: p.flags & ACK and p.acks == n, **more)

    def hear_data(self, at=None, n=None):
        at = self.got if at is None else at
        p = self.hear(f"data at {at}", lambda p: p.data and p.at == at and n in (None, len(p.data)))
        check(p.data == content(at - 1, len(p.data)), f"other data at {at} than were sent")
        return p

    def hear_reset(self):
        return self.hear("a reset", lambda p: p.flags & RST)

    def take(self, total):
        """Acknowledge everything until byte `total` of the stream has come."""
        while self.got - 1 < total:
            p = self.hear_data()
            self.got += len(p.data)
            self.say()

    def answer(self, p, opts, win=0xFFFF):
        """Their first SYN is known."""
        self.theirs, self.got = p.seq, 1
        self.offered = options(p.options)
        if WINDOW in self.offered and b"\3\3" in opts:
            self.shift = self.offered[WINDOW][0]
        self.win = win

    def open(self, opts=mss(1460), win=0xFFFF, final=True):
        """The handshake, as its active side."""
        self.say(SYN, seq=0, opts=opts, win=win)
        p = self.hear("SYN-ACK", lambda p: p.flags & (SYN | ACK) == SYN | ACK)
        check(p.ack == (self.isn + 1) & M32, "the SYN-ACK acknowledges something else")
        self.sent = 1
        self.answer(p, opts, win)
        if final:
            self.say()
        return self

    def accept_syn(self, opts=mss(1460), win=0xFFFF):
        """The handshake, as its passive side: self.dport is set by whom the program connects from."""
        p = self.link.wait(lambda p: p.proto == 6 and p.flags & SYN and p.dport == self.sport, "SYN")
        self.dport = p.sport
        self.answer(p, opts, win)
        self.say(SYN | ACK, seq=0, opts=opts, win=win)
        self.sent = 1
        self.hear_ack(1)
        return self


class Bench:
    """The program and one listening socket of it, for cases to start from."""

    def __init__(self, link, remote):
        self.link, self.remote, self.port = link, remote, 7000
        self.is_linux = isinstance(link, net.Linux)

    def listen(self, backlog=8, family=4):
        """A listening socket and its port."""
        self.port += 1
        fd = self.remote.good("socket", family, "tcp")
        self.remote.good("setopt", fd, 1, 2, 1)  # SO_REUSEADDR
        self.remote.good("bind", fd, "::" if family == 6 else "0.0.0.0", self.port)
        self.remote.good("listen", fd, backlog)
        return fd, self.port

    def accepted(self, **opening):
        """An open connection: its peer and the program's descriptor."""
        listener, port = self.listen()
        c = Conn(self.link, port).open(**opening)
        fd = self.accept(listener)
        self.remote.good("close", listener)
        return c, fd

    def accept(self, listener):
        self.poll(listener, POLLIN)
        return self.remote.good("accept", listener)

    def poll(self, fd, want, events=POLLIN | POLLOUT | POLLRDHUP):
        """Until all of `want` hold; what does."""
        got = self.remote.call("poll", fd, want & events, int(net.PATIENCE * 500))
        check(got & want == want, f"poll said {got:#x}, not {want:#x}")
        return self.remote.good("poll", fd, events, 0)

    def connected(self, opts=mss(1460), win=0xFFFF):
        """A connection that the program makes."""
        c, fd = self.connecting()
        c.accept_syn(opts, win)
        self.poll(fd, POLLOUT)
        self.remote.expect(0, "getopt", fd, 1, 4)
        return c, fd

    def connecting(self):
        c = Conn(self.link, 0)
        fd = self.remote.good("socket", 4, "tcp")
        self.remote.expect(-115, "connect", fd, PEER, c.sport)  # EINPROGRESS
        return c, fd

    def read(self, fd, at, n):
        """n bytes of the stream from `at`, all of them right."""
        end = at + n
        while at < end:
            self.poll(fd, POLLIN)
            self.remote.start("recv", fd, at, end - at, 0)
            r, text = self.remote.result()
            check(r > 0, f"recv: {r}")
            check(text == "right" if r > 32 else bytes.fromhex(text) == content(at, r), f"recv: {text}")
            at += r

    def written(self, fd, at, n):
        r = self.remote.call("send", fd, at, n, 0)
        if r != n:
            raise Fail(f"send of {n}: {r}")
