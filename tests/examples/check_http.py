# SPDX-License-Identifier: MIT
"""check_http.py: httpd's HTTP, one rule a case."""

import email.utils
import os
import socket

from lib import DIR, PATIENCE, Http, Server, Suite, TempDir, eq, run, until

suite = Suite()
HTTPD = f"{DIR}/httpd"
READY = "listening on http://0.0.0.0:"
DATA = bytes(range(256)) * 40


def put(root, name, data=b""):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    return path


class Site:
    """A document root and a server for it."""

    def __init__(self, *args):
        self.dir = TempDir()
        self.root = self.dir.name
        put(self.root, "index.html", b"<h1>front</h1>\n")
        put(self.root, "data.bin", DATA)
        put(self.root, "empty.txt")
        put(self.root, "sub/index.html", b"<h1>sub</h1>\n")
        put(self.root, "bare/file.txt", b"text\n")
        self.server = Server([HTTPD, "-r", self.root, *args], READY)

    def http(self):
        return Http(self.server)

    def get(self, *args, **kw):
        with self.http() as c:
            return c.get(*args, **kw)

    def raw(self, data):
        """The one response to raw bytes, after which the server must close."""
        with self.http() as c:
            c.send(data)
            r = c.recv()
            eq(r["connection"], "close")
            assert c.at_end()
            return r

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *exc):
        try:
            self.server.__exit__(*exc)
        finally:
            self.dir.cleanup()


@suite.case
def get_head_and_keep_alive():
    with Site() as s, s.http() as c:
        for _ in range(3):
            r = c.get("/data.bin")
            eq((r.status, r.body == DATA, r["content-length"]), (200, True, str(len(DATA))))
            eq((r["connection"], r["accept-ranges"], r["content-type"]),
               ("keep-alive", "bytes", "application/octet-stream"))
            h = c.get("/data.bin", method="HEAD")
            for name in ("content-length", "content-type", "etag", "last-modified", "accept-ranges"):
                eq(h[name], r[name], name)
        date = email.utils.parsedate_to_datetime(r["date"])
        assert abs(date.timestamp() - os.path.getmtime(s.root + "/data.bin")) < 10 * PATIENCE
        eq(c.get("/empty.txt").body, b"")
        r = c.get("/", "Connection: close")
        eq((r.status, r["connection"]), (200, "close"))
        assert c.at_end()


@suite.case
def http_1_0():
    with Site() as s:
        with s.http() as c:
            eq(c.get("/", version="1.0")["connection"], "close")
            assert c.at_end()
        with s.http() as c:
            for _ in range(2):
                eq(c.get("/", "Connection: Keep-Alive", version="1.0")["connection"], "keep-alive")
        with s.http() as c:
            c.send("GET / HTTP/1.0\n\n")
            eq(c.recv().body, b"<h1>front</h1>\n")


@suite.case
def directories():
    with Site() as s, s.http() as c:
        eq(c.get("/").body, b"<h1>front</h1>\n")
        eq(c.get("/sub/").body, b"<h1>sub</h1>\n")
        r = c.get("/sub?x=1")
        eq((r.status, r["location"]), (301, "/sub/"))
        os.makedirs(s.root + "/a b/\xe9")
        eq(c.get("/a%20b/%C3%A9")["location"], "/a%20b/%C3%A9/")
        eq(c.get("//sub//..//sub")["location"], "/sub/", "no other host in a redirect")
        eq(c.get("/bare/").status, 403)
        eq(c.get("/bare/nothing").status, 404)
        eq(c.get("/data.bin/").status, 404)
        eq(c.get("/nothing/").status, 404)
        long = "d" * 200 + "/" + "e" * 200
        os.makedirs(f"{s.root}/{long}")
        eq(c.get("/" + long)["location"], f"/{long}/")


@suite.case
def types():
    want = {
        "a.html": "text/html; charset=utf-8", "a.CSS": "text/css; charset=utf-8", "a.svg": "image/svg+xml",
        "a.js": "text/javascript; charset=utf-8", "a.json": "application/json", "a.png": "image/png",
        "a.tar.gz": "application/gzip", "a.woff2": "font/woff2", "a.wasm": "application/wasm",
        "noext": "application/octet-stream", "x.html/file": "application/octet-stream", "a.": "application/octet-stream",
    }
    with Site() as s, s.http() as c:
        for name, mime in want.items():
            put(s.root, name, b"x")
            eq(c.get("/" + name)["content-type"], mime, name)


@suite.case
def errors_keep_the_connection():
    with Site() as s, s.http() as c:
        for target, status in (("/no", 404), ("/bare/", 403), ("/%00", 400), ("/..", 400), ("/a%2fb", 400),
                               ("/" + "x" * 600, 414), ("/" + "x" * 300, 404), ("*", 400)):
            r = c.get(target)
            eq((r.status, r["connection"]), (status, "keep-alive"), target)
            assert b"<h1>%d " % status in r.body
            h = c.get(target, method="HEAD")
            eq((h.status, h["content-length"]), (status, str(len(r.body))), target)
        eq(c.get("/").status, 200)


@suite.case
def methods():
    with Site() as s, s.http() as c:
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
            r = c.get("/", method=method)
            eq((r.status, r["allow"]), (405, "GET, HEAD"), method)
        eq(c.get("/", method="BREW").status, 501)
        eq(c.get("/", method="get").status, 501)
        c.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nGET /GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        eq(c.recv().status, 405, "and its body is no request")
        eq(c.recv().status, 200)


@suite.case
def bodies():
    with Site() as s:
        with s.http() as c:
            # A body that arrives in pieces after its response.
            c.send("GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 60000\r\n\r\n")
            eq(c.recv().status, 200)
            for _ in range(6):
                c.send(b"GET /" + b"x" * 9995)
            eq(c.get("/data.bin").status, 200)
        with s.http() as c:
            # One that is too large to read away: the response still arrives whole.
            c.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000000\r\n\r\n")
            c.send(b"x" * 100000)
            eq(c.recv().status, 405)
            assert c.at_end()
        eq(s.raw("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").status, 501)
        eq(s.raw("POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").status, 405)
        eq(s.get("/", "Expect: cake").status, 417)


@suite.case
def malformed():
    heads = ("GET /\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "\x16\x03\x01\r\n\r\n",
             "GET / HTTP/1.1\r\nHost : t\r\n\r\n", "GET / HTTP/1.1\r\nHost: t\r\n folded\r\n\r\n", "GET /\x00 HTTP/1.1\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    with Site() as s:
        for head in heads:
            eq(s.raw(head).status, 400, head)
        eq(s.raw("GET / HTTP/2.0\r\nHost: t\r\n\r\n").status, 505)
        eq(s.raw("GET /" + "a" * 5000 + " HTTP/1.1\r\n").status, 414)
        eq(s.raw("GET / HTTP/1.1\r\nHost: t\r\nX: " + "a" * 5000 + "\r\n\r\n").status, 431)
        eq(s.raw("GET / HTTP/1.1\r\nHost: t\r\n" + "X: y\r\n" * 70 + "\r\n").status, 431)
        eq(s.raw("GET /" + "a" * 200000 + " HTTP/1.1\r\n").status, 414, "much unread input")


@suite.case
def ranges():
    n = len(DATA)
    one = (("bytes=0-0", 0, 0), ("bytes=5-9", 5, 9), ("bytes=100-", 100, n - 1), ("bytes=-7", n - 7, n - 1),
           ("bytes=-999999", 0, n - 1), (f"bytes={n - 1}-{n + 5}", n - 1, n - 1), ("Bytes=1-2", 1, 2))
    with Site() as s, s.http() as c:
        for value, first, last in one:
            r = c.get("/data.bin", f"Range: {value}")
            eq((r.status, r["content-range"]), (206, f"bytes {first}-{last}/{n}"), value)
            eq(r.body, DATA[first : last + 1], value)
        for value in (f"bytes={n}-", "bytes=-0", "bytes=99999999999999999999999-"):
            r = c.get("/data.bin", f"Range: {value}")
            eq((r.status, r["content-range"]), (416, f"bytes */{n}"), value)
        eq(c.get("/empty.txt", "Range: bytes=0-").status, 416)
        for value in ("bytes=0-1,5-6", "bytes=9-1", "lines=0-1", "bytes=x", "bytes=-"):
            r = c.get("/data.bin", f"Range: {value}")
            eq((r.status, r.body == DATA, r["content-range"]), (200, True, None), value)
        eq(c.get("/data.bin", "Range: bytes=0-0", method="HEAD").status, 200, "only GET has ranges")


@suite.case
def conditions():
    with Site() as s, s.http() as c:
        os.utime(s.root + "/data.bin", (1000000000, 1000000000))
        r = c.get("/data.bin")
        tag, date = r["etag"], r["last-modified"]
        eq(date, "Sun, 09 Sep 2001 01:46:40 GMT")
        older, newer = "Sun, 09 Sep 2001 01:46:39 GMT", "Sunday, 09-Sep-01 01:46:41 GMT"

        def status(*headers):
            r = c.get("/data.bin", *headers)
            if r.status == 304:
                eq((r["etag"], r.body), (tag, b""))
            return r.status

        eq(status(f"If-Modified-Since: {date}"), 304)
        eq(status(f"If-Modified-Since: {newer}"), 304)
        eq(status(f"If-Modified-Since: {older}"), 200)
        eq(status("If-Modified-Since: yesterday"), 200)
        eq(status(f"If-None-Match: {tag}"), 304)
        eq(status(f'If-None-Match: "x", W/{tag}'), 304)
        eq(status("If-None-Match: *"), 304)
        eq(status('If-None-Match: "x"', f"If-Modified-Since: {date}"), 200)
        eq(status(f"If-Match: {tag}"), 200)
        eq(status(f"If-Match: W/{tag}"), 412)
        eq(status('If-Match: "x"'), 412)
        eq(status(f"If-Unmodified-Since: {older}"), 412)
        eq(status(f"If-Unmodified-Since: {date}"), 200)
        eq(status("Range: bytes=0-0", f"If-Range: {tag}"), 206)
        eq(status("Range: bytes=0-0", f"If-Range: {date}"), 206)
        eq(status("Range: bytes=0-0", 'If-Range: "x"'), 200)
        eq(status("Range: bytes=0-0", f"If-Range: {newer}"), 200)
        eq(status("Range: bytes=0-0", f"If-None-Match: {tag}"), 304)
        eq(c.get("/", f"If-None-Match: {tag}").status, 200, "another file, another tag")


@suite.case
def no_way_out_of_the_root():
    with Site() as s, TempDir() as outside:
        secret = put(outside, "secret", b"secret")
        depth = s.root.count("/") + 2
        ups = ["../", "..%2f", "%2e%2e/", ".%2e/", "%2e./", "..\\", "..%5c", "..//", "./../", "%252e%252e/", "..;/", "sub/../../"]
        with s.http() as c:
            for up in ups:
                for lead in ("/", "//", "/sub/", "http://t/", "/./"):
                    r = c.get(lead + up * depth + secret.lstrip("/"))
                    assert r.status in (400, 404) and b"secret" not in r.body, (up, lead, r.status)


@suite.case
def special_files():
    with Site() as s, s.http() as c:
        os.mkfifo(s.root + "/fifo")
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(s.root + "/socket")
        os.symlink("data.bin", s.root + "/link")
        os.symlink("loop", s.root + "/loop")
        os.symlink("/dev/null", s.root + "/null")
        os.makedirs(s.root + "/odd/index.html")
        for name, status in (("fifo", 403), ("socket", 403), ("null", 403), ("odd/", 403), ("loop", 404), ("link", 200)):
            eq(c.get("/" + name).status, status, name)
        sock.close()


@suite.case
def pipelining():
    with Site() as s, s.http() as c:
        for i in range(50):
            put(s.root, f"n/{i}", b"%d" % i * i)
        c.send("".join(f"GET /n/{i} HTTP/1.1\r\nHost: t\r\n\r\n" for i in range(50)))
        for i in range(50):
            r = c.recv()
            eq((r.status, r.body), (200, b"%d" % i * i), i)
        # The client says all it has to say, then closes its side: it still gets every answer.
        c.send("".join(f"GET /n/{i} HTTP/1.1\r\nHost: t\r\n\r\n" for i in range(20)))
        c.sock.shutdown(socket.SHUT_WR)
        for i in range(20):
            eq(c.recv().status, 200, i)
        assert c.at_end()


@suite.case
def request_byte_by_byte():
    with Site() as s, s.http() as c:
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for b in b"\r\nGET /sub/ HTTP/1.1\r\nHost: t\r\nRange: bytes=1-2\r\n\r\n":
            c.send(bytes([b]))
        eq(c.recv().body, b"h1")


@suite.case
def a_changed_file_is_seen():
    with Site() as s, s.http() as c:
        path = put(s.root, "page", b"old")
        eq(c.get("/page").body, b"old")
        put(s.root, "page", b"newer")
        until(lambda: c.get("/page").body == b"newer", "the new content")
        put(s.root, "page.tmp", b"other")
        os.rename(path + ".tmp", path)
        until(lambda: c.get("/page").body == b"other", "the renamed file")
        os.unlink(path)
        until(lambda: c.get("/page").status == 404, "that it is gone")


@suite.case
def many_files():
    with Site() as s, s.http() as c:
        for i in range(200):  # more than the cache holds, in names and in bytes
            put(s.root, f"f{i}", b"%d," % i * 2000)
        for _ in range(2):
            for i in range(200):
                eq(c.get(f"/f{i}").body, b"%d," % i * 2000, i)
        with os.scandir(f"/proc/{s.server.pid()}/fd") as fds:
            assert len(list(fds)) < 64, "open files are bounded"


@suite.case
def curl_agrees():
    with Site() as s:
        url = f"http://127.0.0.1:{s.server.port}"
        r = run(["curl", "-sSfL", url + "/sub", url + "/data.bin"])
        eq((r.returncode, r.stdout), (0, b"<h1>sub</h1>\n" + DATA))
        r = run(["curl", "-sS", "-r", "10-19", url + "/data.bin"])
        eq(r.stdout, DATA[10:20])
        r = run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-d", "a=b", url + "/"])
        eq(r.stdout, b"405")
        r = run(["curl", "-sS", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", url + "/../../etc/passwd"])
        eq(r.stdout, b"400")
        copy = s.root + "/copy"
        eq(run(["curl", "-sSR", "-o", copy, url + "/data.bin"]).returncode, 0)
        r = run(["curl", "-sS", "-z", copy, "-o", "/dev/null", "-w", "%{http_code}", url + "/data.bin"])
        eq(r.stdout, b"304")


@suite.case
def log():
    with Site("-v") as s, s.http() as c:
        c.get("/sub/")
        c.get('/%22"', "Range: bytes=0-0")
        eq(s.raw("GET /\x1b[31m HTTP/1.1\r\n\r\n").status, 400)
        for want in ('127.0.0.1 "GET /sub/ HTTP/1.1" 200 13\n', '"GET /%22? HTTP/1.1" 404 ', '"GET /?[31m HTTP/1.1" 400 '):
            assert s.server.wait_for(want), s.server.out


@suite.case
def port_in_use():
    with Site() as s:
        r = run([HTTPD, "-p", str(s.server.port), "-r", s.root])
        eq(r.returncode, 2)
        assert b"in use" in r.stderr, r.stderr
