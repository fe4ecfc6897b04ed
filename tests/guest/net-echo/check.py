#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Drives the net-echo guest from outside: 1000 requests by curl on one connection, a 64 MiB body compared by
checksum, both families, TCP and UDP echo with large datagrams, 64 connections at once. Ends the guest by UDP."""

import ctypes
import hashlib
import os
import socket
import struct
import subprocess
import sys
import threading

BOOT, WORK = os.environ["BOOT"], os.environ["WORK"]
HOSTS = [os.environ["GUEST_IP"], os.environ["GUEST_IP6"]]
TIMEOUT = 20 * int(os.environ["SLOW"])
UNIT = bytes((i // 7 + i) & 255 for i in range(7 * 256))  # the body's pattern repeats after that
failures = 0


def check(what, ok):
    global failures
    print(("ok   " if ok else "FAIL ") + what, flush=True)
    failures += not ok


def url(host, size):
    return f"http://[{host}]:8080/{size}" if ":" in host else f"http://{host}:8080/{size}"


def sha_of_body(size):
    return hashlib.sha256((UNIT * (size // len(UNIT) + 1))[:size]).hexdigest()


def fetch(host, size):
    with subprocess.Popen(["curl", "-gsSf", "-m", str(3 * TIMEOUT), url(host, size)], stdout=subprocess.PIPE) as p:
        got = hashlib.sha256()
        while block := p.stdout.read(1 << 20):
            got.update(block)
    return p.returncode == 0 and got.hexdigest() == sha_of_body(size)


def lossy_filter():
    """For the client's socket: of what arrives one packet in 16 is lost and another one loses its end, and so is
    acknowledged in the middle (the kernel cuts a segment to what a socket's filter returns). Packets are as large as
    the guest hands them to the device."""
    rnd, keep = 0xFFFFF000 + 56, 0xFFFFFFFF  # SKF_AD_RANDOM
    code = (
        (0x20, 0, 0, rnd),         # A = random
        (0x54, 0, 0, 15),          # A &= 15
        (0x15, 2, 0, 0),           # 0: none of it
        (0x15, 2, 0, 1),           # 1: the first 5000 bytes
        (0x06, 0, 0, keep),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 5000),
    )
    return b"".join(struct.pack("HBBI", *c) for c in code)


def fetch_hard(host, size, rcvbuf=0, lossy=False):
    """A body through a narrow window, read in bits, or over a link that loses packets."""
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.settimeout(3 * TIMEOUT)
    s.connect((host, 8080))
    if lossy:
        code = ctypes.create_string_buffer(lossy_filter())
        s.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(code)))
    s.sendall(f"GET /{size} HTTP/1.1\r\n\r\n".encode())
    got = bytearray()
    while len(got) - (got.find(b"\r\n\r\n") + 4) < size and (block := s.recv(rcvbuf or 1 << 18)):
        got += block
    s.close()
    return hashlib.sha256(got.partition(b"\r\n\r\n")[2]).hexdigest() == sha_of_body(size)


def many_requests(host, n):
    config = f"{WORK}/urls"
    with open(config, "w", encoding="ascii") as f:
        f.write("".join(f'url = "{url(host, 1000)}"\noutput = "/dev/null"\n' for _ in range(n)))
    out = subprocess.run(
        ["curl", "-gsSf", "-m", str(TIMEOUT), "-K", config, "-w", "%{http_code} %{size_download} %{num_connects}\n"],
        stdout=subprocess.PIPE, check=False, text=True)
    lines = out.stdout.split("\n")[:-1]
    connects = sum(int(line.split()[2]) for line in lines)
    return out.returncode == 0 and len(lines) == n and connects == 1 and all(x.startswith("200 1000 ") for x in lines)


def echo_tcp(host, size):
    sent, got, left = hashlib.sha256(), hashlib.sha256(), size
    s = socket.create_connection((host, 7), timeout=TIMEOUT)

    def send():
        nonlocal left
        while left:
            block = os.urandom(min(left, 50000))
            sent.update(block)
            s.sendall(block)
            left -= len(block)
        s.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    while block := s.recv(1 << 18):
        got.update(block)
    thread.join()
    s.close()
    return left == 0 and sent.digest() == got.digest()


def udp(host):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(TIMEOUT)
    s.connect((host, 7))
    return s


def echo_udp(host):
    with udp(host) as s:
        for size in (0, 1, 1472, 1473, 5000, 32000):
            data = os.urandom(size)
            s.send(data)
            if s.recv(65536) != data:
                return False
    return True


def at_once(host, n):
    conns = [socket.create_connection((host, 7), timeout=TIMEOUT) for _ in range(n)]
    for i, s in enumerate(conns):
        s.sendall(b"%d" % i * 100)
    ok = True
    for i, s in enumerate(conns):
        s.shutdown(socket.SHUT_WR)
        got = b""
        while block := s.recv(4096):
            got += block
        ok &= got == b"%d" % i * 100
        s.close()
    return ok


def under_pressure(host, n, size):
    """n clients send and do not read, until the guest can take no more; others must still be served, and in the end
    everything must come back."""
    data = os.urandom(size)
    conns = [socket.create_connection((host, 7), timeout=TIMEOUT) for _ in range(n)]
    stuffed = threading.Semaphore(0)

    def send(s):
        left = memoryview(data)
        s.settimeout(1)
        try:
            while left:
                left = left[s.send(left) :]
        except TimeoutError:
            pass
        s.settimeout(3 * TIMEOUT)
        stuffed.release()  # the guest is full, or took everything: go on when the reader has begun
        s.sendall(left)
        s.shutdown(socket.SHUT_WR)

    threads = [threading.Thread(target=send, args=(s,), daemon=True) for s in conns]
    for t in threads:
        t.start()
    for _ in conns:
        stuffed.acquire()
    ok = echo_tcp(host, 1000)
    for s, t in zip(conns, threads):
        got = b""
        while block := s.recv(1 << 18):
            got += block
        ok &= got == data
        t.join()
        s.close()
    return ok


def refused(host):
    try:
        socket.create_connection((host, 9), timeout=TIMEOUT).close()
        return False
    except ConnectionRefusedError:
        return True


def main():
    with subprocess.Popen([BOOT], stdout=subprocess.PIPE, text=True) as guest:
        for line in guest.stdout:
            print(line, end="", flush=True)
            if "listening" in line:
                break
        small = os.environ["LANE"] in ("hw", "hw-qemu")
        for host in HOSTS:
            check(f"{host}: TCP echo of 4 MiB", echo_tcp(host, 4 << 20))
            check(f"{host}: UDP echo", echo_udp(host))
            check(f"{host}: a closed port refuses", refused(host))
        check("1000 requests on one connection", many_requests(HOSTS[0], 1000))
        check("64 connections at once", at_once(HOSTS[0], 64))
        check("48 clients that do not read", under_pressure(HOSTS[0], 48, 400000))
        size = (8 if small else 64) << 20
        check(f"a body of {size >> 20} MiB", fetch(HOSTS[0], size))
        check("a body of 3 MB by IPv6", fetch(HOSTS[1], 3000000))
        for host in HOSTS:
            check(f"{host}: a body through a window of 2 KiB", fetch_hard(host, 300000, rcvbuf=1024))
            check(f"{host}: a body over a link that loses", fetch_hard(host, 1 << 20, lossy=True))
        with udp(HOSTS[0]) as s:
            s.send(b"QUIT")
            check("the last words arrive", s.recv(16) == b"QUIT")
        check("guest ends with 0", guest.wait(TIMEOUT) == 0)
    sys.exit(failures != 0)


main()
