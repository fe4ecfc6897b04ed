# SPDX-License-Identifier: MIT
"""cases_tcp.py: connections that come about and end, with peers that behave and peers that do not. Each case is a
function of a Bench; what it expects holds on Linux too, unless it says otherwise."""

import errno

from net import IP, PEER, Fail, check, checksum, ip4
from tcp import ACK, FIN, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, PSH, RST, SACK_OK, SYN, URG, Conn, content, mss, scale

E = errno
SHUT_WR = 1


def tcp_both_ways(b):
    c, fd = b.accepted()
    c.send(1000)
    b.read(fd, 0, 1000)
    b.written(fd, 0, 5000)
    c.take(5000)
    check(b.remote.text("name", fd, "p") == f"{PEER} {c.sport}", "getpeername")
    check(b.remote.text("name", fd, "s") == f"{IP} {c.dport}", "getsockname")
    c.say(FIN | ACK)
    c.sent += 1
    c.hear_ack()
    check(b.poll(fd, POLLIN | POLLRDHUP) & POLLHUP == 0, "POLLHUP though half is open")
    b.remote.expect(0, "recv", fd, 0, 10, 0)
    b.written(fd, 5000, 10)
    c.take(5010)
    b.remote.good("close", fd)
    c.hear("FIN", lambda p: p.flags & FIN)
    c.got += 1
    c.say()


def tcp_connects(b):
    c, fd = b.connected(opts=mss(1000))
    b.written(fd, 0, 3000)
    p = c.hear_data()
    check(len(p.data) <= 1000, f"a segment of {len(p.data)} for an MSS of 1000")
    c.take(3000)
    b.remote.good("linger", fd, 0)
    b.remote.good("close", fd)
    c.hear_reset()


def tcp_refused(b):
    """Only the RST that acknowledges the SYN refuses a connection."""
    for flags, ack, data in ((RST, 1, b""), (RST | ACK, 0, b""), (RST | ACK, 2, b""), (ACK, 7, b"")):
        c, fd = b.connecting()
        p = b.link.wait(lambda p, c=c: p.proto == 6 and p.flags & SYN and p.dport == c.sport, "SYN")
        c.dport = p.sport
        c.answer(p, b"")
        c.say(flags, ack=ack, seq=0, data=data)
        if flags == ACK:
            check(c.hear_reset().seq == (c.theirs + 7) & 0xFFFFFFFF, "the reset of a wrong ACK is not where that was")
        b.remote.expect(0, "poll", fd, POLLOUT, 0)
        b.remote.expect(-E.EALREADY, "connect", fd, PEER, c.sport)
        c.say(RST | ACK, ack=1, seq=0)
        got = b.poll(fd, POLLOUT | POLLERR | POLLHUP | POLLIN)
        check(got & POLLRDHUP, f"poll after a refusal: {got:#x}")
        b.remote.expect(E.ECONNREFUSED, "getopt", fd, 1, 4)
        b.remote.expect(0, "getopt", fd, 1, 4)
        b.remote.good("close", fd)


def tcp_closed_port(b):
    """What goes to a port that nobody has is refused, and each kind as RFC 9293 says."""
    c = Conn(b.link, 6999)
    c.say(SYN, seq=0, opts=mss(1460))
    p = c.hear_reset()
    check(p.flags & ACK and p.acks == 1 and p.seq == 0, "the reset of a SYN")
    c = Conn(b.link, 6999)
    c.theirs = 0x1234
    c.say(ACK, ack=5, data=b"xyz")
    check(c.hear_reset().seq == 0x1239, "the reset of an ACK")
    c = Conn(b.link, 6999)
    c.say(RST, seq=0)
    c.say(RST | ACK, seq=0)
    c.say(SYN, seq=0)
    check(c.hear("the answer to the SYN alone").acks == 1, "a reset was answered")


def tcp_wrong_sums(b):
    """Damage is not noticed by anybody but the sender: nothing is answered or delivered."""
    c, fd = b.accepted()
    c.say(ACK | PSH, data=b"bad", wrong=0x0101)
    seg = c.segment(ACK | PSH, data=b"bad")
    b.link.frame(seg[:10] + b"\0\1" + seg[12:])
    for off in (0, 1, 4, 15):
        c.say(ACK | PSH, data=b"bad", off=off)
    c.say(ACK | PSH, data=content(0, 8))
    c.sent += 8
    c.hear("the first acknowledgement of all", lambda p: p.acks == 9 and not p.data)
    b.read(fd, 0, 8)
    b.remote.expect(-E.EAGAIN, "recv", fd, 0, 8, 0)


def tcp_option_garbage(b):
    """Options that lie about their length, on SYN and later."""
    for opts in (b"\2", b"\2\0", b"\2\1", b"\2\4\5", b"\2\xff\1\1", b"\3\3\xff", b"\x05\x22" + b"a" * 32, b"\0" * 40, b"\1" * 40,
                 b"\x08\x0a\1", b"\xfe\0\xfe\1", b"\2\4\0\0", b"\2\4\0\1", b"\4\1\4\2"):
        listener, port = b.listen()
        c = Conn(b.link, port).open(opts=opts)
        fd = b.accept(listener)
        c.say(opts=opts)
        c.send(20, opts=opts)
        b.read(fd, 0, 20)
        b.written(fd, 0, 100)
        c.take(100)
        for f in (fd, listener):
            b.remote.good("close", f)


def tcp_tiny_mss(b):
    """An MSS of next to nothing would cost a packet a byte: less than 48 is not believed, as Linux (TCP_MIN_SND_MSS)."""
    for n in (0, 1, 8):
        listener, port = b.listen()
        c = Conn(b.link, port).open(opts=mss(n))
        fd = b.accept(listener)
        b.written(fd, 0, 400)
        p = c.hear_data()
        check(len(p.data) >= 36, f"MSS {n}: segments of {len(p.data)}")
        c.take(400)
        b.remote.good("close", listener)


def tcp_negotiates(b):
    """Window scaling and SACK are only used when both sides said so."""
    for opts, window in ((mss(1460), 0xFFFF), (mss(1460) + scale(7), 0xFFFF << 7), (mss(536) + scale(14), 0xFFFF << 14)):
        listener, port = b.listen()
        c = Conn(b.link, port).open(opts=opts)
        check((3 in c.offered) == (b"\3\3" in opts), f"SYN-ACK with window scaling {c.offered}")
        check(4 not in c.offered, "SYN-ACK with SACK for who did not offer it")
        fd = b.accept(listener)
        b.written(fd, 0, 100)
        c.take(100)
        check(window, "")
    listener, port = b.listen()
    c = Conn(b.link, port).open(opts=mss(1460) + bytes((SACK_OK, 2)))
    check(4 in c.offered, "SACK was offered and not taken")
    fd = b.accept(listener)
    c.say(ACK | PSH, seq=101, data=content(100, 50))
    p = c.hear("an ACK with a block", lambda p: p.acks == 1)
    check(b"\5\x0a" in p.options, "no SACK block for what came out of order")
    c.send(100)
    c.hear_ack(151)
    b.read(fd, 0, 150)
    c, fd = b.connected(opts=mss(1460))
    check(2 in c.offered and 3 in c.offered and 4 in c.offered, f"a SYN offers {c.offered}")


def tcp_blind_reset(b):
    """RFC 5961: only the exact number resets; near ones are asked about, far ones and blind SYNs change nothing."""
    c, fd = b.accepted()
    for seq in (2, 100, 5000):
        c.say(RST, seq=seq)
        p = c.hear("a challenge")
        check(p.flags == ACK and p.acks == 1 and p.at == 1, f"RST in the window: {p}")
    for seq in (-1, 0, -70000, 1 << 30, 1 << 31):
        c.say(RST, seq=seq)
    c.say(SYN, seq=1)
    c.hear("a challenge", lambda p: p.flags == ACK)
    c.send(40)
    c.hear_ack()
    b.read(fd, 0, 40)
    c.say(RST)
    check(b.poll(fd, POLLIN | POLLOUT | POLLERR | POLLHUP), "")
    b.remote.expect(-E.ECONNRESET, "recv", fd, 0, 10, 0)
    b.remote.expect(0, "recv", fd, 0, 10, 0)
    b.remote.expect(-E.EPIPE, "send", fd, 0, 10, 0)


def tcp_blind_data(b):
    """RFC 5961 5: data whose acknowledgement is far off is not taken."""
    c, fd = b.accepted()
    b.written(fd, 0, 100)
    c.take(100)
    for ack in (1 << 30, 5000, -(1 << 20), -(1 << 30)):
        c.say(ACK | PSH, ack=c.got + ack, data=b"forged")
        c.hear_ack(1)
    c.send(64)
    c.hear_ack()
    b.read(fd, 0, 64)
    b.remote.expect(-E.EAGAIN, "recv", fd, 0, 8, 0)


def tcp_isn(b):
    """Initial numbers have nothing to do with each other: none is near one before it."""
    seen = []
    listener, port = b.listen()
    for _ in range(24):
        c = Conn(b.link, port).open(final=False)
        near = [s for s in seen if min((s - c.theirs) % 2**32, (c.theirs - s) % 2**32) < 1 << 12]
        check(not near, f"numbers {c.theirs:#x} and {near}")
        seen.append(c.theirs)
        c.say(RST)
    b.remote.good("close", listener)
    top = {s >> 28 for s in seen}
    check(len(top) > 4, f"24 initial numbers, and only {len(top)} beginnings")


def tcp_syn_flood(b):
    """More SYNs than the backlog holds: who finishes a handshake is served, and when it is over everybody."""
    listener, port = b.listen(4)
    flood = [Conn(b.link, port, src=f"10.0.0.{100 + i % 50}") for i in range(200)]
    b.link.arp = True
    for c in flood:
        c.say(SYN, seq=0, opts=mss(1460))
    for c in flood:
        c.say(RST, seq=1)  # those that were answered by ARP or not: over
    c = Conn(b.link, port)
    for _ in range(20):
        c.say(SYN, seq=0, opts=mss(1460))
        try:
            p = c.hear("SYN-ACK", lambda p: p.flags & SYN, patience=2)
        except Fail:
            continue
        c.sent = 1
        c.answer(p, mss(1460))
        c.say()
        break
    fd = b.accept(listener)
    c.send(10)
    b.read(fd, 0, 10)


def tcp_backlog(b):
    """A full backlog does not reset: what comes later is heard when there is room."""
    listener, port = b.listen(1)
    full = [Conn(b.link, port).open() for _ in range(2)]
    late = Conn(b.link, port)
    late.say(SYN, seq=0, opts=mss(1460))
    b.remote.good("poll", listener, POLLIN, 0)
    check(not [p for p in b.link.waiting if late.mine(p) and p.flags & RST], "a SYN that found no place was reset")
    fds = [b.accept(listener) for _ in full]
    late.open()
    fds.append(b.accept(listener))
    full[0].send(5)
    b.read(fds[0], 0, 5)


def tcp_resets_before_accept(b):
    """A connection that was reset while it waited: accept() has it, and it says so."""
    listener, port = b.listen()
    c = Conn(b.link, port).open()
    b.poll(listener, POLLIN)
    c.say(RST)
    b.remote.good("getopt", listener, 1, 4)
    fd = b.remote.good("accept", listener)
    b.remote.expect(-E.ECONNRESET, "recv", fd, 0, 1, 0)


def tcp_fin_first(b):
    """The program ends first: FIN-WAIT, half-closed data, TIME-WAIT; a retransmitted FIN is acknowledged again."""
    c, fd = b.accepted()
    b.remote.expect(0, "shutdown", fd, SHUT_WR)
    c.hear("FIN", lambda p: p.flags & FIN and p.at == 1)
    b.remote.expect(-E.EPIPE, "send", fd, 0, 1, 0)
    c.got += 1
    c.say()
    c.send(700)
    c.hear_ack()
    b.read(fd, 0, 700)
    c.say(FIN | ACK)
    c.sent += 1
    c.hear_ack()
    check(b.poll(fd, POLLIN | POLLRDHUP | POLLHUP) & POLLOUT, "POLLOUT after both ended")
    b.remote.expect(0, "recv", fd, 0, 1, 0)
    c.say(FIN | ACK, seq=c.sent - 1)
    c.hear_ack()
    b.remote.good("close", fd)


def tcp_simultaneous_close(b):
    c, fd = b.accepted()
    b.remote.good("shutdown", fd, SHUT_WR)
    c.hear("FIN", lambda p: p.flags & FIN)
    c.say(FIN | ACK)  # does not acknowledge theirs
    c.sent += 1
    c.hear_ack()
    c.got += 1
    c.say()
    b.poll(fd, POLLHUP | POLLRDHUP)
    c.say(FIN | ACK, seq=c.sent - 1)
    c.hear_ack()
    b.remote.good("close", fd)


def tcp_simultaneous_open(b):
    """Both SYNs cross: lwIP does not do it (the peer is answered, and the program's SYN is repeated until it is)."""
    c, fd = b.connecting()
    p = b.link.wait(lambda p: p.proto == 6 and p.flags & SYN and p.dport == c.sport, "SYN")
    c.dport = p.sport
    c.answer(p, b"")
    c.say(SYN, seq=0)
    c.say(SYN | ACK, seq=0, ack=1, opts=mss(1460))
    c.sent = 1
    c.hear_ack(1)
    b.poll(fd, POLLOUT)
    c.say()
    c.send(9)
    b.read(fd, 0, 9)


def tcp_data_after_close(b):
    """Who closes without reading says so with a reset; so does data for a descriptor that is gone."""
    c, fd = b.accepted()
    c.send(100)
    b.poll(fd, POLLIN)
    b.remote.good("close", fd)
    c.hear_reset()
    c, fd = b.accepted()
    b.remote.good("close", fd)
    c.hear("FIN", lambda p: p.flags & FIN)
    c.got += 1
    c.send(100)
    c.hear_reset()


def tcp_reset_everywhere(b):
    """RST in each state: nothing is left of the connection, the port can be used again at once."""

    def half(c, fd):
        b.remote.good("shutdown", fd, SHUT_WR)
        c.hear("FIN", lambda p: p.flags & FIN)

    def fin_wait_2(c, fd):
        half(c, fd)
        c.got += 1
        c.say()

    def close_wait(c, fd):
        c.say(FIN | ACK)
        c.sent += 1
        c.hear_ack()
        b.poll(fd, POLLRDHUP)

    def last_ack(c, fd):
        close_wait(c, fd)
        half(c, fd)

    def closing(c, fd):
        half(c, fd)
        c.say(FIN | ACK)
        c.sent += 1
        c.hear_ack()

    for enter in (lambda c, fd: None, half, fin_wait_2, close_wait, last_ack, closing):
        c, fd = b.accepted()
        enter(c, fd)
        c.say(RST)
        b.remote.good("poll", fd, POLLIN | POLLOUT, 0)
        b.remote.good("close", fd)
        again = Conn(b.link, c.dport, sport=c.sport)
        again.theirs = 0
        again.say(ACK, ack=77)
        check(again.hear_reset().seq == 77, "something was left of a connection that was reset")


def tcp_time_wait(b):
    """In TIME-WAIT: resets are ignored (RFC 1337), a SYN that is newer opens anew, an older one is asked about."""
    listener, port = b.listen()
    c = Conn(b.link, port).open()
    fd = b.accept(listener)
    b.remote.good("close", fd)
    c.hear("FIN", lambda p: p.flags & FIN)
    c.got += 1
    c.say(FIN | ACK)
    c.sent += 1
    c.hear_ack()
    c.say(SYN, seq=-5000)
    p = c.hear("an answer to an old SYN")
    check(p.flags == ACK and p.acks == 2, f"the answer to an old SYN in TIME-WAIT: {p}")
    again = Conn(b.link, port, sport=c.sport, isn=c.isn + 100000).open()
    fd = b.accept(listener)
    again.send(33)
    b.read(fd, 0, 33)


def tcp_listening_refuses(b):
    """Segments at a listening socket that no handshake has: resets for ACKs, silence for FIN, RST and nothing."""
    listener, port = b.listen()
    for flags in (ACK, ACK | FIN, ACK | PSH):
        c = Conn(b.link, port)
        c.theirs = 0x5000
        c.say(flags, ack=3)
        check(c.hear_reset().seq == 0x5003, "the reset for an ACK at a listener")
    for flags in (RST, FIN, 0, RST | ACK, RST | SYN, URG | FIN | PSH):
        Conn(b.link, port).say(flags, seq=0)
    c = Conn(b.link, port).open()
    fd = b.accept(listener)
    b.remote.expect(-E.EAGAIN, "accept", listener)
    c.send(1)
    b.read(fd, 0, 1)


def tcp_handshake_wrong(b):
    """The third segment acknowledges something else: reset, and no connection; then the right one still opens it."""
    listener, port = b.listen()
    c = Conn(b.link, port).open(final=False)
    for ack in (0, 2, 1 << 30):
        c.say(ACK, ack=ack)
        check(c.hear_reset().at == ack, "the reset of a wrong ACK")
    b.remote.expect(-E.EAGAIN, "accept", listener)
    c.say()
    b.accept(listener)
    # The SYN once more, since the answer was lost: the same answer once more.
    c = Conn(b.link, port).open(final=False)
    c.say(SYN, seq=0, opts=mss(1460))
    p = c.hear("the SYN-ACK again", lambda p: p.flags & SYN)
    check(p.at == 0 and p.acks == 1, "another SYN-ACK for the same SYN")
    c.say()
    b.accept(listener)
    # Data with the third segment, and FIN at once.
    c = Conn(b.link, port).open(final=False)
    c.say(ACK | FIN | PSH, data=content(0, 50))
    fd = b.accept(listener)
    b.read(fd, 0, 50)
    b.remote.expect(0, "recv", fd, 0, 1, 0)


def tcp_syn_rcvd_reset(b):
    """A half-open connection that is reset takes no place, and accept() never sees it."""
    listener, port = b.listen(2)
    for _ in range(12):
        c = Conn(b.link, port).open(final=False)
        c.say(RST)
    b.remote.expect(-E.EAGAIN, "accept", listener)
    c = Conn(b.link, port).open()
    b.accept(listener)


def tcp_urgent(b):
    """Urgent pointers, within the segment and far beyond it: the stream goes on."""
    c, fd = b.accepted()
    for n, at in ((10, 0), (10, 5), (10, 10), (10, 0xFFFF), (0, 400)):
        c.say(ACK | PSH | URG, data=b"" if not n else content(c.sent - 1, n), urgent=at)
        c.sent += n
    c.hear_ack()
    if not b.is_linux:  # Linux takes the urgent byte out of the stream
        b.read(fd, 0, 40)


def tcp_land(b):
    """The program's own address as the source, on the wire: nothing comes of it."""
    listener, port = b.listen()
    c = Conn(b.link, port, sport=port)
    b.link.frame(c.segment(SYN, seq=0, src=IP))
    # Linux answers the address of the subnet.
    for src in ("127.0.0.1", "255.255.255.255", "224.0.0.1", "0.0.0.0", "10.0.0.255")[: 4 if b.is_linux else 5]:
        b.link.frame(c.segment(SYN, seq=0, src=src))
    b.remote.expect(-E.EAGAIN, "accept", listener)
    for p in b.link.waiting:
        check(p.proto != 6 or p.sport != port, f"a SYN from an impossible address was answered: {p} to {p.ip[16:20].hex()}")
    for dst in ("255.255.255.255", "10.0.0.255", "224.0.0.1"):
        c = Conn(b.link, port, dst=dst)
        c.say(SYN, seq=0)
    b.remote.expect(-E.EAGAIN, "accept", listener)
    check(not [p for p in b.link.waiting if p.proto == 6 and p.sport == port], "a SYN to a group was answered")


def tcp_keepalive(b):
    """Silence is asked about, and its end reported: a peer that answers stays, one that does not is gone."""
    c, fd = b.accepted()
    for name, v in ((4, 1), (5, 1), (6, 2)):  # TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT
        b.remote.good("setopt", fd, 6, name, v)
    b.remote.good("setopt", fd, 1, 9, 1)  # SO_KEEPALIVE
    for _ in range(3):
        c.hear("a probe", lambda p: p.at == 0)
        c.say()
    b.poll(fd, POLLIN | POLLERR | POLLHUP, POLLIN)
    b.remote.expect(-E.ETIMEDOUT, "recv", fd, 0, 1, 0)


def tcp_icmp(b):
    """ICMP about a connection in the making ends it when it quotes the SYN; what quotes something else does not."""
    c, fd = b.connecting()
    p = b.link.wait(lambda p: p.proto == 6 and p.flags & SYN and p.dport == c.sport, "SYN")

    def unreachable(code, quoted, wrong=0):
        body = bytes((3, code, 0, 0, 0, 0, 0, 0)) + quoted
        s = checksum(body) ^ wrong
        b.link.frame(ip4(body[:2] + s.to_bytes(2, "big") + body[4:], 1))

    guessed = p.ip[:24] + ((p.seq + 99999) & 0xFFFFFFFF).to_bytes(4, "big")
    unreachable(1, guessed)
    unreachable(1, p.ip[:28], wrong=0x0100)
    unreachable(1, p.ip[:24])
    b.remote.expect(0, "poll", fd, POLLOUT, 0)
    unreachable(1, p.ip[:28])
    b.poll(fd, POLLOUT | POLLERR)
    b.remote.expect(E.EHOSTUNREACH, "getopt", fd, 1, 4)


