# SPDX-License-Identifier: MIT
"""cases_ip.py: below and beside TCP: datagrams, fragments, ICMP, IPv6, a name server that lies. The host survives all of
it, and takes what is right."""

import errno
import struct
import time

from net import IP, IP6, PATIENCE, PEER, PEER6, PEER_MAC, addr, check, checksum, icmp6, ip4, ip6, udp
from tcp import POLLERR, POLLIN, Conn, content

E = errno
TRUNC, PEEK = 0x20, 2
MF = 0x2000


def socket_at(b, port, family=4):
    fd = b.remote.good("socket", family, "udp")
    b.remote.good("bind", fd, "::" if family == 6 else "0.0.0.0", port)
    return fd


def got(b, fd, want, patience=True):
    """The datagram that waits is this one."""
    if patience:
        b.poll(fd, POLLIN)
    b.remote.start("recv", fd, 0, 60000, 0)
    r, text = b.remote.result()
    check(r == len(want), f"recv: {r}, not {len(want)}")
    check(text == "right" if r > 32 else bytes.fromhex(text) == want, f"recv: {text}")


def nothing(b, fd):
    b.remote.expect(-E.EAGAIN, "recv", fd, 0, 60000, 0)


def only_whole(b, fd, data):
    """What came of all the pieces, if anything did, is data."""
    while True:
        b.remote.start("recv", fd, 0, 60000, 0)
        r, text = b.remote.result()
        if r == -E.EAGAIN:
            break
        check(r == len(data) and text == "right", f"recv: {r} {text}")


def ip_udp_wrong(b):
    """Lengths and checksums that are wrong: dropped. No checksum at all is right in IPv4."""
    fd = socket_at(b, 5001)
    good = udp(b"good", 700, 5001)
    b.link.frame(ip4(udp(b"bad", 700, 5001, wrong=1), 17))
    b.link.frame(ip4(udp(b"bad", 700, 5001, length=7), 17))
    b.link.frame(ip4(udp(b"bad", 700, 5001, length=4000), 17))
    b.link.frame(ip4(udp(b"bad", 700, 5001, length=0), 17))
    b.link.frame(ip4(good[:6], 17))
    for wrong in ({"sum": 0x1234}, {"total": 19}, {"total": 4000}, {"ihl": 4}, {"ihl": 15}, {"total": 0}):
        b.link.frame(ip4(good, 17, **wrong))
    b.link.frame(ip4(good, 17, dst="10.0.0.77"))
    b.link.frame(b"\x55" + ip4(good, 17)[1:])
    b.link.frame(ip4(good[:6] + b"\0\0" + good[8:], 17))
    got(b, fd, b"good")
    nothing(b, fd)


def ip_udp_truncated(b):
    """MSG_TRUNC tells the length, MSG_PEEK leaves the datagram, and the rest of one that was cut is gone."""
    fd = socket_at(b, 5002)
    for _ in range(2):
        b.link.frame(ip4(udp(content(0, 1000), 700, 5002), 17))
    b.poll(fd, POLLIN)
    b.remote.expect(10, "recv", fd, 0, 10, PEEK)
    b.remote.expect(1000, "recv", fd, 0, 10, PEEK | TRUNC)
    b.remote.expect(10, "recv", fd, 0, 10, 0)
    b.remote.expect(1000, "recv", fd, 0, 10, TRUNC)
    nothing(b, fd)
    b.link.frame(ip4(udp(b"", 700, 5002), 17))
    b.poll(fd, POLLIN)
    b.remote.expect(0, "recv", fd, 0, 10, 0)
    nothing(b, fd)


def ip_udp_from_others(b):
    """A connected socket hears its peer only."""
    fd = socket_at(b, 5003)
    b.remote.expect(0, "connect", fd, PEER, 700)
    for src, port in (("10.0.0.3", 700), (PEER, 701), ("10.0.0.3", 701)):
        b.link.frame(ip4(udp(b"other", port, 5003, src=src), 17, src=src))
    b.link.frame(ip4(udp(b"mine", 700, 5003), 17))
    got(b, fd, b"mine")
    nothing(b, fd)


def unreachable(b, quoted, kind=3, code=3, wrong=0):
    body = bytes((kind, code, 0, 0, 0, 0, 0, 0)) + quoted
    total = checksum(body) ^ wrong
    b.link.frame(ip4(body[:2] + struct.pack("!H", total) + body[4:], 1))


def ip_icmp_to_udp(b):
    """What an error does to a connected socket, once; and nothing to others, or when it is not whole."""
    fd = socket_at(b, 5004)
    b.remote.expect(0, "connect", fd, PEER, 700)
    b.remote.good("sendto", socket_at(b, 5005), PEER, 701, 8)
    b.remote.good("send", fd, 0, 8, 0)
    p = b.link.wait(lambda p: p.proto == 17 and p.dport == 700, "the datagram")
    whole = p.ip[:28]
    unreachable(b, whole, wrong=1)
    unreachable(b, whole[:24])
    unreachable(b, whole[:9] + b"\x84" + whole[10:])
    unreachable(b, whole[:22] + b"\2\xbd" + whole[24:])  # to port 701
    unreachable(b, b"\x4f" + whole[1:])
    unreachable(b, whole, code=99)
    unreachable(b, whole, kind=3, code=1)  # not fatal
    unreachable(b, whole, kind=11, code=0)
    nothing(b, fd)
    for code, error in ((3, E.ECONNREFUSED), (2, E.ENOPROTOOPT), (13, E.EHOSTUNREACH), (9, E.ENETUNREACH)):
        unreachable(b, whole, code=code)
        check(b.poll(fd, POLLERR), "")
        b.remote.expect(-error, "recv", fd, 0, 8, 0)
        nothing(b, fd)
        unreachable(b, whole, code=code)
        b.poll(fd, POLLERR)
        b.remote.expect(-error, "send", fd, 0, 8, 0)
        b.remote.expect(8, "send", fd, 0, 8, 0)


def ip_closed_port(b):
    """A datagram for nobody is answered by ICMP, but not one to all, and no ICMP is answered by ICMP."""
    for dst in ("10.0.0.255", "255.255.255.255", "224.0.0.1"):
        b.link.frame(ip4(udp(b"x", 700, 4999, dst=dst), 17, dst=dst), dst=b"\xff" * 6)
    bad = ip4(udp(b"x", 700, 4999), 17)[:28]
    unreachable(b, bad)
    b.link.frame(ip4(udp(b"hello", 700, 4998), 17))
    p = b.link.wait(lambda p: p.proto == 1, "port unreachable")
    check(p.body[:2] == b"\3\3" and p.body[28:32] == struct.pack("!HH", 700, 4998), f"another error: {p}")


def ip_ping(b):
    """Echo: whole or in pieces; not to all."""
    body = struct.pack("!BBHHH", 8, 0, 0, 7, 1) + content(0, 2000)
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    b.link.frame(ip4(body[:1000], 1, ident=9, frag=MF))
    b.link.frame(ip4(body[1000:], 1, ident=9, frag=125))
    p = b.link.wait(lambda p: p.proto == 1, "an echo")
    check(p.body[0] == 0, "no echo reply")


def pieces(data, size, ident, skip=()):
    out = []
    for at in range(0, len(data), size):
        last = at + size >= len(data)
        if at not in skip:
            out.append(ip4(data[at : at + size], 17, ident=ident, frag=(0 if last else MF) | at // 8))
    return out


def ip_fragments(b):
    """In order, backwards, twice."""
    fd = socket_at(b, 5006)
    data = content(0, 5000)
    whole = udp(data, 700, 5006)
    orders = (lambda f: f, lambda f: f[::-1], lambda f: f[1:] + f[:1], lambda f: [x for x in f for _ in "ab"])
    for ident, order in enumerate(orders):
        for f in order(pieces(whole, 1000, 100 + ident)):
            b.link.frame(f)
        got(b, fd, data)
        # A piece too many can begin a new datagram, which never becomes whole.
        nothing(b, fd)


def ip_fragment_lies(b):
    """Overlaps, teardrop, ping of death, endless first pieces: nothing wrong is delivered, and whole ones still are."""
    fd = socket_at(b, 5007)
    data = content(0, 3000)
    whole = udp(data, 700, 5007)
    frame = b.link.frame
    # teardrop: the second lies within the first, and ends before it
    frame(ip4(whole[:1000], 17, ident=1, frag=MF))
    frame(ip4(whole[24:48], 17, ident=1, frag=3))
    # overlapping with other bytes
    frame(ip4(whole[:1000], 17, ident=2, frag=MF))
    frame(ip4(b"Z" * 1000, 17, ident=2, frag=MF | 100))
    frame(ip4(whole[1800:], 17, ident=2, frag=225))
    # beyond 64 KiB
    frame(ip4(b"Q" * 1400, 17, ident=3, frag=8189))
    frame(ip4(b"Q" * 1400, 17, ident=3, frag=MF | 8100))
    frame(ip4(whole[:1000], 17, ident=3, frag=MF))
    # two ends, no length, a length that is no multiple of 8
    frame(ip4(whole[1000:], 17, ident=4, frag=125))
    frame(ip4(whole[2000:], 17, ident=4, frag=250))
    frame(ip4(whole[:1000], 17, ident=4, frag=MF))
    frame(ip4(b"", 17, ident=5, frag=MF))
    frame(ip4(whole[:1003], 17, ident=6, frag=MF))
    frame(ip4(b"", 17, ident=7, frag=10))
    # more datagrams than there is room for
    for ident in range(1000, 1400):
        frame(ip4(whole[:1400], 17, ident=ident, frag=MF))
    b.remote.expect(-9, "close", 99)
    for f in pieces(whole, 1000, 9):
        frame(f)
    b.poll(fd, POLLIN)
    only_whole(b, fd, data)


def ip_broadcast(b):
    """To all: heard by who is bound to any; sent only by who said SO_BROADCAST."""
    fd = socket_at(b, 5008)
    for dst in ("255.255.255.255", "10.0.0.255"):
        b.link.frame(ip4(udp(b"all", 700, 5008, dst=dst), 17, dst=dst), dst=b"\xff" * 6)
        got(b, fd, b"all")
    b.remote.expect(-E.EACCES, "sendto", fd, "10.0.0.255", 700, 5)
    b.remote.expect(-E.EACCES, "sendto", fd, "255.255.255.255", 700, 5) if not b.is_linux else None
    b.remote.good("setopt", fd, 1, 6, 1)
    b.remote.expect(5, "sendto", fd, "10.0.0.255", 700, 5)
    p = b.link.wait(lambda p: p.proto == 17 and p.dport == 700 and p.dst == "10.0.0.255", "a broadcast")
    check(p.dmac == b"\xff" * 6, "a broadcast to one")


def ip_arp_lies(b):
    """Replies that nobody asked for, and of all shapes."""
    for kind, op, hlen, plen in ((1, 2, 6, 4), (1, 2, 0, 0), (1, 2, 255, 255), (9, 1, 6, 4), (1, 9, 6, 4)):
        body = struct.pack("!HHBBH", kind, 0x800, hlen, plen, op) + b"\2\0\0\0\0\x66" + addr(PEER) + b"\0" * 6 + addr(IP)
        b.link.raw(b"\xff" * 6 + b"\2\0\0\0\0\x66" + b"\x08\x06" + body)
        b.link.raw(b"\xff" * 6 + b"\2\0\0\0\0\x66" + b"\x08\x06" + body[:9])
    body = struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + PEER_MAC + addr(PEER) + b"\0" * 6 + addr(IP)
    b.link.raw(b"\xff" * 6 + PEER_MAC + b"\x08\x06" + body)
    for n in (0, 1, 13):
        b.link.raw((b"\2\0\0\0\0\2" + PEER_MAC + b"\x08\0")[:n].ljust(14, b"\0") + b"")
    c, fd = b.accepted()
    c.send(10)
    b.read(fd, 0, 10)


# --- IPv6


def ip_v6_tcp(b):
    listener, port = b.listen(family=6)
    c = Conn(b.link, port, src=PEER6, dst=IP6).open()
    fd = b.accept(listener)
    c.send(100)
    b.read(fd, 0, 100)
    b.written(fd, 0, 3000)
    c.take(3000)
    # IPv4 on the same socket
    c = Conn(b.link, port).open()
    fd = b.accept(listener)
    check(b.remote.text("name", fd, "p") == f"::ffff:{PEER} {c.sport}", "the name of an IPv4 peer")


def too_big(b, quoted, mtu):
    b.link.frame(ip6(icmp6(2, 0, struct.pack("!I", mtu) + quoted), 58))


def ip_v6_too_big(b):
    """The MTU of a path: none is below 1280, and none grows."""
    listener, port = b.listen(family=6)
    c = Conn(b.link, port, src=PEER6, dst=IP6).open()
    fd = b.accept(listener)
    b.written(fd, 0, 100)
    p = c.hear_data()
    c.got = 101
    c.say()
    u = socket_at(b, 5009, family=6)
    for mtu in (0, 1, 47, 48, 49, 56, 1279, 0xFFFFFFFF, 65536 + 30, 9000):
        too_big(b, p.ip[:100], mtu)
        b.remote.expect(3000, "sendto", u, PEER6, 700, 3000)
        parts = [b.link.wait(lambda p: p.proto == 44 and p.dst == PEER6, "a fragment") for _ in range(3)]
        check(min(len(q.ip) for q in parts[:2]) > 1200, f"MTU {mtu}: fragments of {[len(q.ip) for q in parts]}")
        b.link.waiting.clear()


def ip_v6_icmp_to_udp(b):
    fd = socket_at(b, 5010, family=6)
    b.remote.expect(0, "connect", fd, PEER6, 700)
    b.remote.good("send", fd, 0, 8, 0)
    p = b.link.wait(lambda p: p.proto == 17 and p.dport == 700, "the datagram")
    for code, error in ((4, E.ECONNREFUSED), (1, E.EACCES)):
        bad = icmp6(1, code, b"\0\0\0\0" + p.ip)
        b.link.frame(ip6(bad[:2] + b"\x12\x34" + bad[4:], 58))
        b.link.frame(ip6(icmp6(1, 0, b"\0\0\0\0" + p.ip), 58))
        nothing(b, fd)
        b.link.frame(ip6(icmp6(1, code, b"\0\0\0\0" + p.ip), 58))
        b.poll(fd, POLLERR)
        b.remote.expect(-error, "recv", fd, 0, 8, 0)


def ip_v6_extensions(b):
    """Extension headers, chains of them, some cut short: what is right comes through."""
    fd = socket_at(b, 5011, family=6)
    data = udp(b"good", 700, 5011, src=PEER6, dst=IP6)
    pad = b"\1\4\0\0\0\0"
    b.link.frame(ip6(bytes((17, 0)) + pad + data, 60))
    got(b, fd, b"good")
    b.link.frame(ip6(bytes((60, 0)) + pad + bytes((17, 0)) + pad + data, 60))
    got(b, fd, b"good")
    for kind in (0, 43, 44, 60, 51, 50, 59, 135, 253):
        for n in (0, 1, 7, 8, 9):
            b.link.frame(ip6((bytes((17, 0)) + pad + data)[:n], kind))
            b.link.frame(ip6((bytes((kind, 255)) + pad + data)[: 8 + n], kind))
            b.link.frame(ip6((bytes((kind, 0)) + b"\1\xff\0\0\0\0" + data)[: 8 + n], kind))
    b.link.frame(ip6(bytes((60, 0)) * 1 + pad + (bytes((60, 0)) + pad) * 170 + bytes((59, 0)) + pad, 60))
    b.link.frame(ip6(data, 17, length=len(data) + 100))
    b.link.frame(ip6(data, 17, length=3))
    b.link.frame(ip6(udp(b"bad", 700, 5011, src=PEER6, dst=IP6, wrong=5), 17))
    b.link.frame(ip6(udp(b"bad", 700, 5011, src="::1", dst=IP6), 17, src="::1"))
    b.link.frame(ip6(udp(b"bad", 700, 5011, src="ff02::1", dst=IP6), 17, src="ff02::1"))
    b.link.frame(ip6(data, 17))
    got(b, fd, b"good")
    nothing(b, fd)


def piece6(data, at, more, ident, proto=17):
    return ip6(struct.pack("!BBHI", proto, 0, at | (1 if more else 0), ident) + data, 44)


def ip_v6_fragments(b):
    """Pieces: right ones are put together; overlaps, holes, giants and floods of them are not."""
    fd = socket_at(b, 5012, family=6)
    data = content(0, 3000)
    whole = udp(data, 700, 5012, src=PEER6, dst=IP6)
    good = [(whole[at : at + 1000], at, at + 1000 < len(whole)) for at in range(0, len(whole), 1000)]
    for ident, order in enumerate((good, good[::-1])):
        for d, at, more in order:
            b.link.frame(piece6(d, at, more, 50 + ident))
        got(b, fd, data)
    b.link.frame(piece6(whole[:1000], 0, True, 1))
    b.link.frame(piece6(b"Z" * 1000, 800, True, 1))
    b.link.frame(piece6(whole[1800:], 1800, False, 1))
    b.link.frame(piece6(b"Q" * 1400, 65528, False, 2))
    b.link.frame(piece6(b"Q" * 1400, 65528, True, 2))
    b.link.frame(piece6(b"", 0, True, 3))
    b.link.frame(piece6(b"", 8, False, 3))
    b.link.frame(piece6(whole[:1003], 0, True, 4))
    b.link.frame(piece6(b"", 0, False, 5, proto=44))
    for ident in range(400):
        b.link.frame(piece6(whole[:1400], 0, True, 1000 + ident))
        b.link.frame(piece6(whole[:8], 64, True, 1000 + ident))
    b.remote.expect(-9, "close", 99)
    only_whole(b, fd, data)


def ip_v6_neighbours(b):
    """Solicitations are answered when their hop limit is 255 and their options are whole."""
    group = "ff02::1:ff00:2"

    def solicit(hops=255, options=b"\1\1" + PEER_MAC, target=IP6, code=0):
        body = b"\0\0\0\0" + addr(target) + options
        return ip6(icmp6(135, code, body, PEER6, group), 58, PEER6, group, hops=hops)

    for wrong in (solicit(hops=64), solicit(options=b"\1\0" + PEER_MAC), solicit(options=b"\1\xff" + PEER_MAC), solicit(code=9)):
        b.link.frame(wrong)
    b.remote.expect(-9, "close", 99)
    check(not [p for p in b.link.waiting if p.proto == 58 and p.body[0] == 136 and p.dst == PEER6], "a wrong solicitation was answered")
    b.link.frame(solicit())
    p = b.link.wait(lambda p: p.proto == 58 and p.body[0] == 136 and p.dst == PEER6, "an advertisement")
    check(p.hops == 255 and p.body[8:24] == addr(IP6), "an advertisement of something else")


def discovery_garbage(src):
    """Everything of neighbour discovery from `src`, of all lengths, with options that are right, wrong and cut short."""
    options = (
        b"",
        b"\1",
        b"\1\0",
        b"\1\1" + b"\2\0\0\0\0\x66",
        b"\2\1" + b"\2\0\0\0\0\x66",
        b"\3\4\x40\xc0" + b"\xff" * 28,
        b"\5\1\0\0" + struct.pack("!I", 48),
        b"\x19\3\0\0\xff\xff\xff\xff" + addr(PEER6),
        b"\x19\xff" + b"\0" * 6,
        b"\3\1" + b"\xff" * 6,
    )
    for kind in range(133, 138):
        for n in (0, 3, 4, 11, 12, 20, 24, 36):
            for option in options:
                for hops in (255, 1):
                    body = icmp6(kind, 0, b"\xff" * n + option, src, "ff02::1")
                    yield ip6(body, 58, src, "ff02::1", hops=hops)


def ip_v6_discovery_garbage(b):
    """None of it, from whoever, makes a peer unreachable that we know."""
    ip_v6_tcp(b)
    for src in ["fe80::66", PEER6, "fd00::77", "2001:db8::1", *(f"fe80::{n:x}" for n in range(1, 41, 8))]:
        for packet in discovery_garbage(src):
            b.link.frame(packet)
        ip_v6_tcp(b)


OTHER_MAC = b"\2\0\0\0\0\x66"


def discovery(kind, body, src, dst="ff02::1"):
    return ip6(icmp6(kind, 0, body, src, dst), 58, src, dst, hops=255)


def advertised(router, mac):
    """A router says that it is one for an hour, and what its address is."""
    return discovery(134, struct.pack("!BBHII", 64, 0, 3600, 0, 0) + b"\1\1" + mac, router)


def router_comes(b, router):
    """One that answers, which is what the others of the tests here don't."""
    b.link.answers.add(addr(router))
    b.link.frame(advertised(router, PEER_MAC))
    b.remote.expect(-9, "close", 99)  # it was solicited by now, and has answered


def redirect(src, target, dst, mac):
    return discovery(137, b"\0\0\0\0" + addr(target) + addr(dst) + b"\2\1" + mac, src, IP6)


def answered_by(b, src):
    """The Ethernet address that a SYN from src is answered to."""
    listener, port = b.listen(family=6)
    c = Conn(b.link, port, src=src, dst=IP6)
    c.say(2, seq=0)
    p = c.hear("an answer to SYN")
    c.theirs = p.seq
    c.say(4, seq=1)
    b.remote.good("close", listener)
    return p.dmac


def goes_to(b, src, mac, what):
    got = answered_by(b, src)
    check(got == mac, f"{what}: sent to {got.hex(':')}, not to {mac.hex(':')}")


def ip_v6_redirects(b):
    """A router redirects what goes by it, to one on its link; nobody else redirects anything."""
    far, router, other = "2001:db8::9", "fe80::a1", "fe80::a2"
    goes_to(b, PEER6, PEER_MAC, "a neighbour")
    for target in (PEER6, "fe80::66", "ff02::66", "2001:db8::66", "::"):
        for src in ("fe80::66", PEER6):
            b.link.frame(redirect(src, target, PEER6, OTHER_MAC))
    goes_to(b, PEER6, PEER_MAC, "a neighbour that others redirected")
    router_comes(b, router)
    goes_to(b, far, PEER_MAC, "a destination behind a router")
    b.link.frame(redirect(other, other, far, OTHER_MAC))
    b.link.frame(redirect(router, "2001:db8::66", far, OTHER_MAC))
    b.link.frame(redirect(router, "ff02::66", far, OTHER_MAC))
    goes_to(b, far, PEER_MAC, "a destination that others redirected")
    b.link.frame(redirect(router, other, far, OTHER_MAC))
    goes_to(b, far, OTHER_MAC, "a destination that its router redirected")
    b.link.frame(discovery(134, struct.pack("!BBHII", 64, 0, 0, 0, 0), router))


def ip_v6_address_in_use(b):
    """Somebody says that our address is theirs: it stays ours."""
    for src in ("fe80::66", IP6):
        b.link.frame(discovery(136, b"\x20\0\0\0" + addr(IP6) + b"\2\1" + OTHER_MAC, src))
    b.link.frame(discovery(135, b"\0\0\0\0" + addr(IP6), "::", "ff02::1:ff00:2"))
    ip_v6_tcp(b)


def ip_v6_neighbour_stolen(b):
    """Somebody says, unasked and for as long as can be, that a neighbour is elsewhere: it is asked and found again."""
    goes_to(b, PEER6, PEER_MAC, "a neighbour")
    b.link.frame(discovery(134, struct.pack("!BBHII", 64, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF), "fe80::66"))
    for flags, dst in ((0x20, "ff02::1"), (0x20, IP6), (0x60, IP6)):
        b.link.frame(discovery(136, struct.pack("!I", flags << 24) + addr(PEER6) + b"\2\1" + OTHER_MAC, PEER6, dst))
    goes_to(b, PEER6, OTHER_MAC, "a neighbour that is said to have moved")
    for _ in range(3):
        b.link.wait(lambda p: p.proto == 58 and p.body[0] == 135 and p.dmac == OTHER_MAC, "a question to where it is said to be")
    # Nobody answers there; the next question is to all, and the neighbour answers.
    end = time.monotonic() + PATIENCE
    while answered_by(b, PEER6) != PEER_MAC:
        check(time.monotonic() < end, "a neighbour that somebody stole never came back")


def ip_v6_routers(b):
    """More routers than there is room for, which answer nobody; then one that does: it is the one."""
    router = "fe80::b1"
    for n in range(32):
        b.link.frame(advertised(f"fe80::bad:{n:x}", OTHER_MAC))
    router_comes(b, router)
    goes_to(b, "2001:db8::b", PEER_MAC, "a destination behind a router")
    # Those that are heard of later do not replace it.
    for n in range(32):
        b.link.frame(advertised(f"fe80::bad:{n:x}", OTHER_MAC))
    goes_to(b, "2001:db8::c", PEER_MAC, "another destination")
    goes_to(b, PEER6, PEER_MAC, "a neighbour")


# --- names


def answered(query, answer, counts=(1, 1, 0, 0), flags=0x8180, ident=None):
    ident = query[:2] if ident is None else ident
    return ident + struct.pack("!HHHHH", flags, *counts) + query[12:] + answer


def ip_dns_lies(b):
    """A name server that answers wrong, for another question, in circles, too much, too little, and at last right."""
    good = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\x01\x02\x03"

    def lies(q):
        yield answered(q, good, ident=b"\0\0" if q[:2] != b"\0\0" else b"\1\1")
        yield b""
        yield q[:2]

    def loops(q):
        yield answered(q, b"\xc0\x1d\0\1\0\1\0\0\0\x3c\0\4\x0a\x09\x09\x09" * 3, counts=(1, 3, 0, 0))
        yield answered(q, b"\xc0\xff\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c", counts=(1, 0xFFFF, 0, 0))
        yield answered(q, b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x2b", counts=(1, 1, 0, 0))
        yield answered(q, b"\xc0\x0c\0\1\0\1\0\0\0\x3c\xff\xff\x0a", counts=(1, 1, 0, 0))
        yield q[:11]
        yield answered(q, good)[:20]
        yield answered(q, good, flags=0x0100)
        yield answered(q, good[:-4] + b"\0" * 900, counts=(1, 200, 9, 9))

    def serve(makers):
        seen = []

        def dns(p):
            def reply(data, sport=53, src=PEER):
                b.link.frame(ip4(udp(data, sport, p.sport, src=src), 17, src=src))

            seen.append(p)
            if b"\0\x1c\0\1" in p.data:  # AAAA: there is none
                reply(answered(p.data, b"", counts=(1, 0, 0, 0)))
                return
            reply(answered(p.data, good.replace(b"\x0a\1\2\3", b"\x0a\6\6\6")), sport=54)
            reply(answered(p.data, good.replace(b"\x0a\1\2\3", b"\x0a\6\6\6")), src="10.0.0.9")
            for data in makers(p.data):
                reply(data)
            if makers is lies:
                reply(answered(p.data, good))

        b.link.dns = dns

    try:
        serve(lies)
        b.remote.start("resolve", "a.test")
        r, text = b.remote.result()
        check(r == 1 and text.strip() == "10.1.2.3", f"resolved to {r} {text}")
        for i in range(8):
            serve(lambda q, i=i: [list(loops(q))[i]])
            b.remote.start("resolve", f"b{i}.test")
            r, text = b.remote.result()
            check("6.6.6" not in text, f"somebody else was believed: {text}")
    finally:
        b.link.dns = None


