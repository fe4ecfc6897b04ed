#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# policy.py none|antispoof|allow|both: what leaves a VM under this policy of its interface, seen on the real tap. The guest
# sends every frame of the table below; each carries its number. Exactly those that the policy lets out must arrive, in
# order, and the metrics must have counted the others, each under its reason. Under "none" all arrive: then the frames
# are what they claim to be.
import json
import os
import re
import socket
import struct
import subprocess
import sys

MAC, FOREIGN_MAC = bytes.fromhex("020000000002"), bytes.fromhex("020000000099")
BROADCAST = b"\xff" * 6
ME, HOST, OTHER, NOBODY = "10.77.0.2", "10.77.0.1", "10.77.0.9", "0.0.0.0"
ME6, HOST6, OTHER6 = "fd77::2", "fd77::1", "fd77::9"
LINK_LOCAL = "fe80::ff:fe00:2"  # made of MAC
SLOT = 2048


def ip4(addr):
    return socket.inet_aton(addr)


def ip6(addr):
    return socket.inet_pton(socket.AF_INET6, addr)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f">{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def eth(payload, kind=0x0800, src=MAC, dst=BROADCAST):
    return dst + src + struct.pack(">H", kind) + payload


def udp(dport, body, sport=4000):
    return struct.pack(">HHHH", sport, dport, 8 + len(body), 0) + body


def tcp(dport, body):
    return struct.pack(">HHIIHHHH", 4000, dport, 1, 0, 0x5002, 1024, 0, 0) + body


def ipv4(payload, dst=HOST, src=ME, proto=17, frag=0, options=b""):
    head = struct.pack(">BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 1, frag, 64, proto, 0, ip4(src), ip4(dst)) + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(payload, dst=HOST6, src=ME6, proto=17):
    return struct.pack(">IHBB", 6 << 28, len(payload), proto, 255) + ip6(src) + ip6(dst) + payload


def arp(tag, op=1, mac=MAC, src=ME, dst=HOST):
    return eth(struct.pack(">HHBBH", 1, 0x0800, 6, 4, op) + mac + ip4(src) + b"\0" * 6 + ip4(dst) + tag, 0x0806)


def nd(tag, kind, target, option, mac=MAC, src=ME6):
    """Neighbour discovery; the tag is an option that nobody knows."""
    body = struct.pack(">BBHI", kind, 0, 0, 0) + ip6(target) + bytes([option, 1]) + mac
    return eth(ipv6(body + bytes([253, 2]) + tag.ljust(14, b"\0"), dst="ff02::1", src=src, proto=58), 0x86DD)


# (what it is, tag -> frame or (frame, checksum's start, its offset), let out by antispoof?, by the allow list?)
FRAMES = (
    ("UDP to an allowed port", lambda t: eth(ipv4(udp(4000, t))), True, True),
    ("UDP to the last allowed port", lambda t: eth(ipv4(udp(4010, t))), True, True),
    ("UDP to the port behind it", lambda t: eth(ipv4(udp(4011, t))), True, False),
    ("UDP to another host", lambda t: eth(ipv4(udp(4000, t), dst=OTHER)), True, False),
    ("TCP to a port allowed for UDP", lambda t: eth(ipv4(tcp(4000, t), proto=6)), True, False),
    ("a foreign source MAC", lambda t: eth(ipv4(udp(4000, t)), src=FOREIGN_MAC), False, True),
    ("a foreign source address", lambda t: eth(ipv4(udp(4000, t), src=OTHER)), False, True),
    ("the host's own address", lambda t: eth(ipv4(udp(4000, t), src=HOST)), False, True),
    ("DHCP before there is an address", lambda t: eth(ipv4(udp(67, t, 68), src=NOBODY, dst="255.255.255.255")), True, False),
    ("anything else from 0.0.0.0", lambda t: eth(ipv4(udp(4000, t), src=NOBODY)), False, True),
    ("ARP for the host", arp, True, True),
    ("ARP probe", lambda t: arp(t, src=NOBODY), True, True),
    ("ARP in another's name", lambda t: arp(t, src=OTHER), False, True),
    ("ARP answer in the host's name", lambda t: arp(t, op=2, src=HOST), False, True),
    ("ARP with another's MAC", lambda t: arp(t, mac=FOREIGN_MAC), False, True),
    ("a first fragment", lambda t: eth(ipv4(udp(4000, t), frag=0x2000)), True, True),
    ("a later fragment, without ports", lambda t: eth(ipv4(b"\x0f\xa0\x0f\xa0" + t, frag=0x2008)), True, False),
    ("DHCP in fragments", lambda t: eth(ipv4(udp(67, t, 68), src=NOBODY, frag=0x2000, dst="255.255.255.255")), False, False),
    ("a source route", lambda t: eth(ipv4(udp(4000, t), options=b"\x83\x07\x04" + ip4(OTHER) + b"\0")), False, False),
    ("a VLAN tag", lambda t: eth(b"\0\5\x08\0" + ipv4(udp(4000, t)), 0x8100), False, False),
    ("another protocol than IP", lambda t: eth(t.ljust(46, b"\0"), 0x88B5), False, False),
    ("IPv6 in an IPv4 frame", lambda t: eth(ipv6(udp(4000, t))), False, False),
    ("the host's checksum over the source address",
     lambda t: (eth(ipv4(udp(4000, t))), 26, 0), False, False),
    ("the host's checksum where UDP has it", lambda t: (eth(ipv4(udp(4000, t))), 34, 6), True, True),
    ("IPv6 to an allowed port", lambda t: eth(ipv6(tcp(80, t), proto=6), 0x86DD), True, True),
    ("IPv6 to another port", lambda t: eth(ipv6(tcp(81, t), proto=6), 0x86DD), True, False),
    ("a foreign IPv6 source", lambda t: eth(ipv6(tcp(80, t), proto=6, src=OTHER6), 0x86DD), False, True),
    ("IPv6 that is IPv4", lambda t: eth(ipv6(udp(4000, t), src="::ffff:" + ME, dst="::ffff:" + HOST), 0x86DD), False, False),
    ("a routing header", lambda t: eth(ipv6(b"\6\2\0\0\0\0\0\0" + ip6(HOST6) + tcp(80, t), proto=43), 0x86DD), False, False),
    ("a later IPv6 fragment", lambda t: eth(ipv6(b"\6\0\0\x08\0\0\0\1\x0f\xa0\0\x50" + t, proto=44), 0x86DD), True, False),
    ("the port behind a destination header", lambda t: eth(ipv6(b"\6\0\1\4\0\0\0\0" + tcp(80, t), proto=60), 0x86DD), True, True),
    ("neighbour advertisement for itself", lambda t: nd(t, 136, ME6, 2), True, True),
    ("neighbour advertisement for the host", lambda t: nd(t, 136, HOST6, 2), False, True),
    ("neighbour advertisement with another's MAC", lambda t: nd(t, 136, ME6, 2, mac=FOREIGN_MAC), False, True),
    ("neighbour solicitation from its link-local address", lambda t: nd(t, 135, HOST6, 1, src=LINK_LOCAL), True, True),
    ("neighbour solicitation with another's MAC", lambda t: nd(t, 135, HOST6, 1, mac=FOREIGN_MAC), False, True),
    ("router advertisement", lambda t: nd(t, 134, ME6, 1), False, False),
    ("redirect", lambda t: nd(t, 137, ME6, 2), False, False),
    ("the last one, allowed", lambda t: eth(ipv4(udp(4000, t))), True, True),
)


def write_disk(path):
    with open(path, "r+b") as f:
        for i, (_, make, _, _) in enumerate(FRAMES):
            frame, start, offset = made if isinstance(made := make(b"frame-%03d!" % i), tuple) else (made, 0, 0)
            f.write((struct.pack("<HHHH", len(frame), start != 0, start, offset) + frame).ljust(SLOT, b"\0"))


def verdicts(mode):
    """For each frame: pass, spoof or dest."""
    for _, _, antispoof, allow in FRAMES:
        if mode in ("antispoof", "both") and not antispoof:
            yield "spoof"
        elif mode in ("allow", "both") and not allow:
            yield "dest"
        else:
            yield "pass"


def arrivals(sock):
    """Numbers of the frames that came from the guest, until the last one of the table, which all policies let out."""
    got = []
    while not got or got[-1] != len(FRAMES) - 1:
        data, (_, _, kind, *_) = sock.recvfrom(65536)
        m = re.search(rb"frame-(\d{3})!", data)
        if m and kind != socket.PACKET_OUTGOING:
            got.append(int(m.group(1)))
    return got


def main():
    mode = sys.argv[1]
    write_disk(os.environ["DISK_d"])
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((os.environ["TAP"], 0))
    sock.settimeout(60)
    vm = subprocess.run([os.environ["BOOT"], *sys.argv[2:]], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if vm.returncode or f"sent {len(FRAMES)}" not in vm.stdout:
        sys.exit(f"status {vm.returncode}: {vm.stdout}{vm.stderr}")
    got, want = arrivals(sock), list(verdicts(mode))
    for i, (what, *_) in enumerate(FRAMES):
        if got.count(i) != (want[i] == "pass"):
            sys.exit(f"{mode}: {what}: arrived {got.count(i)} times, wanted: {want[i]}")
    if got != sorted(got):
        sys.exit(f"{mode}: out of order: {got}")
    with open(os.environ["METRICS"], encoding="utf-8") as f:
        counts = json.load(f)["net"][0]
    for reason in ("spoof", "dest"):
        if counts[f"tx_denied_{reason}"] != want.count(reason):
            sys.exit(f"{mode}: metrics count {counts[f'tx_denied_{reason}']} tx_denied_{reason}, wanted {want.count(reason)}")
    print(f"{mode}: {want.count('pass')} let out, {want.count('spoof')} spoofed, {want.count('dest')} to forbidden places")


main()
