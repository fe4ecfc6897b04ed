# SPDX-License-Identifier: MIT
"""Firecracker's words for bad input (rows.py), its rules of what goes together, its getting-started sequence by curl."""

import os
import subprocess

import rows
from client import Monitor, hello
from lib import Skip, Suite, eq, need

suite = Suite()


@suite.case
def errors_row_by_row():
    bad = []
    with Monitor() as m:
        files = {rows.DISK: m.disk(), rows.IMAGE: hello()}
        for row in rows.ROWS:
            if row.phase == "N":
                bad.append(rows.wrong(row, m.call(*row.call.split(" "), rows.with_files(row.body, files))))
                m.call("DELETE", "/network-interfaces/e")
    bad = [b for b in bad if b]
    assert not bad, "\n".join(bad)


@suite.case
def docs_have_the_rows():
    with open("docs/api.md") as f:
        assert rows.table() in f.read(), "docs/api.md is behind tests/api/rows.py, which prints its table"


@suite.case
def a_second_root_device_is_refused():
    with Monitor() as m:
        disk = m.disk()
        for i, (ident, root) in enumerate((("a", True), ("b", True), ("a", False), ("b", True), ("b", True))):
            r = m.call("PUT", f"/drives/{ident}", {"drive_id": ident, "is_root_device": root, "path_on_host": disk})
            eq(r.status, 400 if i == 1 else 204, repr(r))
            if i == 1:
                assert "A root block device already exists" in r.json()["fault_message"], r


@suite.case
def a_mac_that_is_in_use_is_refused():
    with Monitor() as m:
        for ident, status in (("a", 204), ("b", 400)):
            r = m.call("PUT", f"/network-interfaces/{ident}",
                       {"iface_id": ident, "host_dev_name": "tap" + ident, "guest_mac": "06:00:00:00:00:01"})
            eq(r.status, status, repr(r))
        eq(len(m.call("GET", "/vm/config").json()["network-interfaces"]), 1)


@suite.case
def what_was_refused_leaves_no_trace():
    with Monitor() as m:
        disk = m.disk()
        eq(m.call("PUT", "/drives/a", {"drive_id": "a", "is_root_device": True, "path_on_host": disk}).status, 204)
        eq(m.call("PUT", "/boot-source", {"kernel_image_path": hello()}).status, 204)
        before = m.call("GET", "/vm/config").json()
        for call, body in (
            ("/drives/a", {"drive_id": "a", "is_root_device": True, "path_on_host": "/nope"}),
            ("/drives/b", {"drive_id": "b", "is_root_device": False}),
            ("/boot-source", {"kernel_image_path": hello(), "boot_args": "x" * 4000}),
            ("/vm", {"boot-source": {"kernel_image_path": "/nope"}}),
            ("/vm", {"boot-source": {"kernel_image_path": hello()}, "drives": [{"drive_id": "x", "is_root_device": True}]}),
        ):
            r = m.call("PUT", call, body)
            eq(r.status, 400, f"{call} {r}")
            eq(m.call("GET", "/vm/config").json(), before, call)
        for i in range(4):  # five disks are one too many
            r = m.call("PUT", f"/drives/d{i}", {"drive_id": f"d{i}", "is_root_device": False, "path_on_host": disk})
            eq(r.status, 400 if i == 3 else 204, repr(r))
        eq(m.call("DELETE", "/drives/d1").status, 204)
        eq([d["drive_id"] for d in m.call("GET", "/vm/config").json()["drives"]], ["a", "d0", "d2"])


@suite.case
def a_config_is_read_back_as_it_was_put():
    with Monitor() as m:
        disk = m.disk()
        whole = {
            "boot-source": {"kernel_image_path": hello(), "boot_args": "A=b -- c"},
            "machine-config": {"vcpu_count": 1, "mem_size_mib": 24, "smt": False, "track_dirty_pages": True,
                               "cpu_template": "None", "huge_pages": "None"},
            "drives": [{"drive_id": "r", "is_root_device": True, "path_on_host": disk, "is_read_only": True,
                        "rate_limiter": {"ops": {"size": 10, "refill_time": 100}}}],
            "network-interfaces": [{"iface_id": "n", "host_dev_name": "tap9", "guest_mac": "06:00:00:00:00:01", "mtu": 1400}],
        }
        for key, path in (("boot-source", "/boot-source"), ("machine-config", "/machine-config")):
            eq(m.call("PUT", path, whole[key]).status, 204, key)
        eq(m.call("PUT", "/drives/r", whole["drives"][0]).status, 204)
        eq(m.call("PUT", "/network-interfaces/n", whole["network-interfaces"][0]).status, 204)
        eq(m.call("GET", "/vm/config").json(), whole)


def curl(m, method, path, body=None):
    """As in Firecracker's docs/getting-started.md. Status and output."""
    cmd = ["curl", "-sS", "-X", method, "--unix-socket", m.sock, "-w", "%{http_code}", "http://localhost" + path]
    if body:
        cmd += ["--data", body]
    out = subprocess.run(cmd, capture_output=True, text=True, timeout=60)
    eq(out.returncode, 0, out.stderr)
    return int(out.stdout[-3:]), out.stdout[:-3]


@suite.case
def getting_started_by_curl():
    need("curl")
    with Monitor() as m:
        log = os.path.join(m.dir, "firecracker.log")
        rows = [
            ("/logger", '{"log_path": "%s", "level": "Debug", "show_level": true, "show_log_origin": true}' % log),
            ("/boot-source", '{"kernel_image_path": "%s", "boot_args": "-- there"}' % hello()),
            ("/drives/rootfs", '{"drive_id": "rootfs", "path_on_host": "%s", "is_root_device": true, "is_read_only": false}' % m.disk()),
            ("/network-interfaces/net1", '{"iface_id": "net1", "guest_mac": "06:00:AC:10:00:02", "host_dev_name": "tap0"}'),
        ]
        for path, body in rows:
            eq(curl(m, "PUT", path, body), (204, ""), path)
        assert os.path.exists(log)
        # The start itself is in the guests' lane (tests/guest/api): it needs KVM and a tap.
        status, text = curl(m, "PUT", "/actions", '{"action_type": "InstanceStart"}')
        eq(status, 400, text)
        assert "Start microvm error: " in text, text
        eq(curl(m, "GET", "/")[0], 200)


