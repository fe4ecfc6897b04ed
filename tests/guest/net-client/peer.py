#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the net-client guest talks to: TCP and UDP echo on port 7000 and a name server that knows echo.test; then
boots the guest and exits with its status."""

import os
import socket
import struct
import subprocess
import sys
import threading

HOST4, HOST6, PORT = os.environ["HOST_IP"], os.environ["HOST_IP6"], 7000


def serve_tcp(family, host):
    listener = socket.create_server((host, PORT), family=family)
    while True:
        s, _ = listener.accept()
        threading.Thread(target=echo, args=(s,), daemon=True).start()


def echo(s):
    with s:
        while block := s.recv(65536):
            s.sendall(block)


def serve_udp(family, host):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((host, PORT))
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto(data, peer)


def serve_dns():
    """A and AAAA of echo.test; everything else does not exist."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((HOST4, 53))
    while True:
        query, peer = s.recvfrom(512)
        end = 12
        while query[end]:
            end += query[end] + 1
        question = query[12 : end + 5]
        kind = struct.unpack(">H", query[end + 1 : end + 3])[0]
        known = question[: end - 11].lower() == b"\x04echo\x04test\0"
        data = {1: socket.inet_aton(HOST4), 28: socket.inet_pton(socket.AF_INET6, HOST6)}.get(kind) if known else None
        answer = b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data if data else b""
        flags = 0x8180 if known else 0x8183
        s.sendto(query[:2] + struct.pack(">HHHHH", flags, 1, 1 if data else 0, 0, 0) + question + answer, peer)


def main():
    for target, args in (
        (serve_tcp, (socket.AF_INET, HOST4)),
        (serve_tcp, (socket.AF_INET6, HOST6)),
        (serve_udp, (socket.AF_INET, HOST4)),
        (serve_udp, (socket.AF_INET6, HOST6)),
        (serve_dns, ()),
    ):
        threading.Thread(target=target, args=args, daemon=True).start()
    sys.exit(subprocess.run([os.environ["BOOT"]], check=False).returncode)


main()
