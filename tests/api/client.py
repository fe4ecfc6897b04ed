# SPDX-License-Identifier: MIT
"""client.py: a monitor with an API socket, and an HTTP client that shows every byte. Nothing here measures time:
PATIENCE is only there so that a hang becomes a failure."""

import array
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

OUT = os.environ.get("O", "build")
PATIENCE = 60


class Reply:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body!r}"


class Connection:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)  # blocking: it waits while the backlog is full
        self.sock.settimeout(PATIENCE)
        self.buf = b""

    def send(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        sent = self.sock.sendmsg([data], rights)
        if sent < len(data):
            self.sock.sendall(data[sent:])

    def _fill(self):
        got = self.sock.recv(65536)
        self.buf += got
        return bool(got)

    def head(self):
        """Status and header fields of the next response."""
        while b"\r\n\r\n" not in self.buf:
            if not self._fill():
                raise EOFError(f"closed after {self.buf!r}")
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split(" ")[1]), fields

    def reply(self):
        status, fields = self.head()
        want = int(fields.get("Content-Length", 0))
        while len(self.buf) < want:
            if not self._fill():
                raise EOFError(f"closed within a body: {self.buf!r}")
        body, self.buf = self.buf[:want], self.buf[want:]
        return Reply(status, fields, body)

    def closed(self):
        """True once the other side has closed and nothing more comes."""
        try:
            return not self.buf and not self._fill()
        except ConnectionError:
            return True

    def call(self, method, path, body=None, fds=()):
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.send(head.encode() + b"\r\n" + (body or b""), fds)
        return self.reply()

    def close(self):
        self.sock.close()


class Monitor:
    """with Monitor() as m: m.call(...). Extra arguments go to the monitor, which a guest case may have jailed as another user
    in its folder (MONITOR, MONITOR_UID, WORK)."""

    PROGRAM = os.environ.get("MONITOR", os.path.abspath(os.path.join(OUT, "bin/mayfly-monitor")))
    OWNER = int(os.environ.get("MONITOR_UID", os.geteuid()))

    def __init__(self, *args, stdout=None):
        self.dir = tempfile.mkdtemp(prefix="mayfly-api-", dir=os.environ.get("WORK"))
        self.give(self.dir)
        self.sock = os.path.join(self.dir, "api.sock")
        self.args, self.stdout = args, stdout
        self.proc = self.conn = None
        self.start()

    def start(self):
        self.log = open(os.path.join(self.dir, "stderr"), "ab")
        self.proc = subprocess.Popen(
            [self.PROGRAM, "--api-sock", self.sock, *self.args],
            cwd=self.dir,  # mutated bodies name files of all kinds
            stdin=subprocess.DEVNULL,
            stdout=self.stdout or self.log,
            stderr=self.log,
        )
        while True:  # until it listens
            try:
                self.conn = Connection(self.sock)
                return
            except OSError:
                if self.proc.poll() is not None:
                    raise AssertionError(f"the monitor exited with {self.proc.returncode}: {self.stderr()}") from None
                time.sleep(0.01)

    def stderr(self):
        with open(os.path.join(self.dir, "stderr"), errors="replace") as f:
            return f.read()

    def call(self, *args, **kw):
        return self.conn.call(*args, **kw)

    def connect(self):
        return Connection(self.sock)

    def file(self, name, text=""):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        self.give(path)
        return path

    def give(self, path):
        if self.OWNER != os.geteuid():
            os.chown(path, self.OWNER, self.OWNER)

    def disk(self):
        return self.file("disk.img", "\0" * 65536)

    def pid(self):
        """Of the monitor: a jailer is its parent."""
        pid = self.proc.pid
        if self.OWNER == os.geteuid():
            return pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return int(f.read().split()[0])

    def wait(self):
        return self.proc.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.conn:
            self.conn.close()
        if self.proc and self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        self.log.close()
        if exc[0]:
            print(self.stderr())
        shutil.rmtree(self.dir, ignore_errors=True)


def hello():
    return os.path.abspath(os.path.join(OUT, "examples/hello"))
