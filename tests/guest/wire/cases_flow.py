# SPDX-License-Identifier: MIT
"""cases_flow.py: data that is lost, late, twice, out of order, or for which there is no room."""

from net import Fail, check
from tcp import ACK, FIN, POLLIN, POLLOUT, PSH, SACK_OK, Conn, content, mss, scale


def flow_retransmits(b):
    """Exactly the nth segment of a flight is lost, for each n: it comes again, and only what is needed."""
    for lost in range(4):
        c, fd = b.accepted(opts=mss(1000))
        b.written(fd, 0, 8000)
        flight = [c.hear(f"segment {i}", lambda p: p.data) for i in range(4)]
        check([p.at for p in flight] == [1, 1001, 2001, 3001], f"a flight of {[p.at for p in flight]}")
        c.got = flight[lost].at
        for i in range(4):  # one acknowledgement of each segment that arrived
            if i < lost:
                c.say(ack=1001 + 1000 * i)
            elif i > lost:
                c.say()
        again = c.hear_data()  # by duplicates when there are three, else by the clock
        check(again.at == flight[lost].at, "another segment was sent again")
        c.got = 4001
        c.say()
        c.take(8000)


def flow_fast_retransmit(b):
    """Three duplicates and no fewer; a window update is none."""
    c, fd = b.accepted(opts=mss(1000), win=60000)
    b.written(fd, 0, 8000)
    for i in range(4):
        c.hear("the flight", lambda p, i=i: p.data and p.at == 1 + 1000 * i)
    c.say(win=61000)
    c.say(win=62000)
    c.say(win=62000)
    c.say(win=62000)
    b.remote.good("poll", fd, POLLIN, 0)
    check(not [p for p in b.link.waiting if c.mine(p) and c.relative(p).at == 1 and p.data], "two duplicates were enough")
    c.say(win=62000)
    c.hear_data(1)
    c.take(8000)


def flow_blocked_retransmit(b):
    """A fast retransmission that the window holds back, then the timeout: what was oldest is still sent first."""
    c, fd = b.accepted(opts=mss(1000))
    b.written(fd, 0, 8000)
    for i in range(4):
        c.hear("the flight", lambda p, i=i: p.data and p.at == 1 + 1000 * i)
    c.got, c.win = 1001, 0
    for _ in range(5):
        c.say()
    c.hear("a probe, which follows the timeout", lambda p: p.at in (1000, 1001, 4001))
    c.win = 1000
    c.say()
    c.hear_data(1001, 1000)
    c.got, c.win = 2001, 0xFFFF
    c.say()
    c.take(8000)


def flow_window(b):
    """The window closes, opens a little, and wide: never more than it, and nothing is lost."""
    c, fd = b.accepted(opts=mss(1000), win=2000)
    b.written(fd, 0, 6000)
    c.hear_data(1)
    c.hear_data(1001)
    c.got, c.win = 2001, 0
    c.say()
    b.remote.good("poll", fd, POLLIN, 0)
    check(not [p for p in b.link.waiting if c.mine(p) and len(p.data) > 1], "data for a closed window")
    p = c.hear("a probe", lambda p: p.at in (2000, 2001) and len(p.data) <= 1)
    c.say()
    c.hear("a second probe", lambda p: p.at in (2000, 2001, 2002))
    if p.data and p.at == 2001:
        c.say()
    c.win = 1500
    c.say()
    p = c.hear_data(2001)
    check(len(p.data) <= 1500, f"{len(p.data)} bytes for a window of 1500")
    c.got += len(p.data)
    c.win = 0xFFFF
    c.say()
    c.take(6000)


def flow_newest_window(b):
    """The window comes with the newest acknowledgement, also when that is on a segment that is out of order; one with an
    old acknowledgement that was delayed on its way changes nothing."""
    c, fd = b.accepted(opts=mss(1000), win=3000)
    b.written(fd, 0, 6000)
    for at in (1, 1001, 2001):
        c.hear_data(at)
    c.say(ACK | PSH, ack=1001, seq=101, data=content(100, 10), win=1000)  # out of order: the right edge comes nearer
    c.hear("the answer to what is out of order", lambda p: not p.data)
    c.got = 2001
    c.say(ack=2001, win=1500)  # 2001..3500: only what was sent already, and half a segment
    c.say(ack=1001, win=9000)  # delayed
    c.got = 3001
    c.say(ack=3001, win=1000)
    p = c.hear("data within the window", lambda p: p.data and p.at >= 3001)
    check(p.at == 3001 and len(p.data) == 1000, f"window 1000 at 3001: {p.at} and {len(p.data)}")
    b.remote.good("poll", fd, POLLIN, 0)
    check(not [q for q in b.link.waiting if c.mine(q) and q.data and c.relative(q).at >= 4001], "more than the window")
    c.win, c.got = 0xFFFF, 4001
    c.say()
    c.take(6000)


def flow_out_of_order(b):
    """Segments in any order, twice, overlapping: the program reads the stream."""
    c, fd = b.accepted(opts=mss(1000) + bytes((SACK_OK, 2)))

    def piece(at, n):
        c.say(ACK | PSH, seq=1 + at, data=content(at, n))

    for at, n in ((900, 100), (500, 100), (700, 300), (650, 50), (500, 400), (100, 50), (120, 400), (950, 100), (0, 10)):
        piece(at, n)
    piece(0, 130)
    c.hear_ack(1051)
    piece(0, 700)  # all of it is old
    c.hear_ack(1051)
    piece(1000, 100)  # half is old
    c.hear_ack(1101)
    b.read(fd, 0, 1100)
    c.sent = 1101
    c.say(FIN | ACK, seq=1201)  # its data are missing
    c.hear_ack(1101)
    c.say(ACK | PSH, data=content(1100, 100))
    c.hear_ack(1202)
    b.read(fd, 1100, 100)
    b.remote.expect(0, "recv", fd, 0, 1, 0)


def flow_overlap_lies(b):
    """What overlaps says something else: what was delivered stays, and nothing breaks."""
    c, fd = b.accepted()
    c.send(100)
    b.read(fd, 0, 100)
    c.say(ACK | PSH, seq=51, data=b"X" * 50 + content(100, 50))
    c.sent += 50
    c.hear_ack()
    b.read(fd, 100, 50)
    c.say(ACK | PSH, seq=c.sent + 20, data=content(c.sent + 19, 30))
    c.say(ACK | PSH, seq=c.sent + 10, data=content(c.sent + 9, 100))
    c.say(ACK | PSH, data=content(c.sent - 1, 15))
    c.sent += 110
    c.hear_ack()
    b.read(fd, 150, 110)


def flow_beyond_window(b):
    """More than the window, all of it at once: what fits is taken, the rest is answered and comes again."""
    c, fd = b.accepted(opts=mss(1460))
    total, at = 80000, 0
    while at < total:
        c.say(ACK | PSH, seq=1 + at, data=content(at, 1000))
        at += 1000
    end = c.hear("the window is full", lambda p: p.room < 1000).acks
    c.say(ACK | PSH, seq=end + (1 << 20), data=b"far")
    b.read(fd, 0, end - 1)
    c.sent = end
    while c.sent - 1 < total:
        n = min(1000, total - c.sent + 1)
        c.send(n)
        c.hear_ack()
        b.read(fd, c.sent - 1 - n, n)


def flow_probe_us(b):
    """A peer that probes our closed window is answered each time, and the window opens when the program reads."""
    c, fd = b.accepted()
    while True:
        c.send(1000)
        p = c.hear_ack()
        if p.room < 1000:
            break
    room = p.room
    for _ in range(3):
        c.say(ACK | PSH, data=content(c.sent - 1 + room, 1), seq=c.sent + room)
        p = c.hear("the answer to a probe")
        check(p.acks == c.sent, "a byte beyond the window was taken")
    b.read(fd, 0, c.sent - 1)
    c.hear("the window opens", lambda p: p.room > 4000)


def flow_gaps_when_short(b):
    """Many connections full of what is out of order, more than memory for it: each gap that is filled still closes, and
    a fresh connection works."""
    conns = []
    for _ in range(40):
        c, fd = b.accepted(opts=mss(1460))
        for at in range(2000, 26000, 2000):
            c.say(ACK | PSH, seq=1 + at, data=content(at, 1400))
        conns.append((c, fd))
    for c, fd in conns:
        at = 0
        while at < 26000:
            c.say(ACK | PSH, seq=1 + at, data=content(at, 1000))
            p = c.hear("progress", lambda p, at=at: p.acks > 1 + at)
            at = p.acks - 1
            b.link.waiting.clear()
        c.sent = at + 1
        b.read(fd, 0, at)
    c, fd = b.accepted()
    c.send(50)
    b.read(fd, 0, 50)
    for c, fd in conns:
        b.remote.good("close", fd)


def flow_ack_division(b):
    """An acknowledgement for each byte must not make a flood, and no acknowledgement of what was never sent counts."""
    c, fd = b.accepted(opts=mss(1000))
    b.written(fd, 0, 8000)
    for i in range(4):
        c.hear("the flight", lambda p, i=i: p.data and p.at == 1 + 1000 * i)
    for n in range(1, 400):
        c.say(ack=1 + n)
    c.say(ack=50000)
    c.got = 401
    for at in range(401, 1001, 200):
        c.say(ack=at)
    c.got = 4001
    c.say()
    c.take(8000)


def flow_scaled_window(b):
    """A scaled window counts as it was scaled; 15 and more are 14."""
    for shift in (1, 14, 255):
        listener, port = b.listen()
        c = Conn(b.link, port).open(opts=mss(1000) + scale(shift), win=2000, final=False)
        c.win = 1
        c.say()
        fd = b.accept(listener)
        b.written(fd, 0, 3000)
        p = c.hear_data(1)
        check(shift > 9 or len(p.data) <= 2, f"window 1<<{shift}: {len(p.data)}")
        c.win = 0xFFFF
        c.got += len(p.data)
        c.say()
        c.take(3000)
        b.remote.good("close", listener)


def flow_send_after_shutdown(b):
    """What was written before shutdown() arrives before the FIN, though the window is small."""
    c, fd = b.accepted(opts=mss(1000), win=500)
    b.written(fd, 0, 2000)
    b.remote.good("shutdown", fd, 1)
    while c.got <= 2000:
        p = c.hear("data", lambda p: p.data and p.at <= c.got < p.at + len(p.data))
        c.got = p.at + len(p.data)
        c.say()
    if not p.flags & FIN:
        c.hear("FIN", lambda p: p.flags & FIN)
    c.got += 1
    c.say()


def flow_writable(b):
    """A full send buffer is not writable; it is when the peer has taken some."""
    c, fd = b.accepted(opts=mss(1460), win=0xFFFF)
    total = 0
    while True:
        n = b.remote.call("send", fd, total, 60000, 0)
        if n < 0:
            check(n == -11, f"send: {n}")
            break
        total += n
        if total > 4 << 20:
            raise Fail("the send buffer has no end")
    check(not b.remote.good("poll", fd, POLLOUT, 0), "a full buffer is writable")
    c.take(total)
    b.poll(fd, POLLOUT)
