# SPDX-License-Identifier: MIT
"""Firecracker's words for bad input, row by row, and its getting-started sequence by curl. The messages are those of
its documentation, API specification and integration tests (1.17); a row says where this monitor differs and how."""

import os
import re
import subprocess

from client import Monitor, hello
from lib import Skip, Suite, eq, need

suite = Suite()

BEFORE = "The requested operation is not supported before starting the microVM."
AFTER = "The requested operation is not supported after starting the microVM."
BODY = "An error occurred when deserializing the json body of a request: "

# name, call, body, Firecracker's message, ours where it differs (a pattern)
ROWS = [
    ("unknown path", "GET /nope", None, r"Invalid request method and/or path: GET", None),
    ("unknown method", "DELETE /version", None, r"Invalid request method and/or path: DELETE", None),
    ("empty PUT", "PUT /boot-source", None, r"Empty PUT request\.", None),
    ("empty PATCH", "PATCH /vm", None, r"Empty PATCH request\.", None),
    ("body on GET", "GET /version", {}, r"GET request cannot have a body\.", None),
    ("nothing in PATCH", "PATCH /machine-config", {}, r"Empty PATCH request\.", None),
    ("no id", "PUT /drives", {"drive_id": "", "is_root_device": False}, r"The ID cannot be empty\.", None),
    ("bad id", "PUT /drives/a-b", {"drive_id": "a-b", "is_root_device": False},
     r"API Resource IDs can only contain alphanumeric characters and underscores\.", None),
    ("other drive id", "PUT /drives/a", {"drive_id": "b", "is_root_device": False},
     r"The id from the path does not match the id from the body!", r"The id from the path \[a\] does not match the id from the body \[b\]!"),
    ("other interface id", "PUT /network-interfaces/a", {"iface_id": "b", "host_dev_name": "t"},
     r"The id from the path \[a\] does not match the id from the body \[b\]!", None),
    ("unknown field", "PUT /actions", {"action_type": "InstanceStart", "foo": 1},
     BODY + r"unknown field `foo`, expected (one of )?`action_type`", None),
    ("unknown variant", "PUT /actions", {"action_type": "foo"},
     BODY + r"unknown variant `foo`, expected one of `FlushMetrics`, `InstanceStart`, `SendCtrlAltDel`", None),
    ("missing field", "PUT /machine-config", {"mem_size_mib": 128}, BODY + r"missing field `vcpu_count`", None),
    ("missing field", "PUT /machine-config", {"vcpu_count": 1}, BODY + r"missing field `mem_size_mib`", None),
    ("wrong type", "PUT /machine-config", {"vcpu_count": "1", "mem_size_mib": 128},
     BODY + r"invalid type: string \"1\", expected u8", BODY + r"invalid type: string, expected integer"),
    ("not JSON", "PUT /vsock", b"{", BODY, r"There is no vsock device here"),
    ("not JSON", "PUT /logger", b"{", BODY + r"EOF while parsing an object at line 1 column 1", BODY + r".* at line 1 column \d"),
    ("no vCPU", "PUT /machine-config", {"vcpu_count": 0, "mem_size_mib": 128}, r"The number of vCPUs must be greater than 0",
     BODY + r"invalid value: integer `0`, expected 1 to 32"),
    ("many vCPUs", "PUT /machine-config", {"vcpu_count": 2, "mem_size_mib": 128}, None, r"a VM here has one vCPU"),
    ("no memory", "PUT /machine-config", {"vcpu_count": 1, "mem_size_mib": 0}, r"The memory size \(MiB\) is either 0",
     BODY + r"invalid value: integer `0`, expected 2 to 3072"),
    ("no such kernel", "PUT /boot-source", {"kernel_image_path": "/nope"},
     r"The kernel file cannot be opened: .*No such file or directory \(os error 2\)", None),
    ("initrd", "PUT /boot-source", {"kernel_image_path": "/etc/hostname", "initrd_path": "/nope"},
     r"The initrd file cannot be opened", r"`initrd_path` is not supported: a unikernel has no initrd"),
    ("no such disk", "PUT /drives/r", {"drive_id": "r", "is_root_device": True, "path_on_host": "/nope"},
     r"Drive config error: Unable to create the virtio block device: .*No such file or directory \(os error 2\)", None),
    ("bad MAC", "PUT /network-interfaces/e", {"iface_id": "e", "host_dev_name": "t", "guest_mac": "x"}, BODY + "invalid MAC address",
     r"net\[0\]\.mac: "),
    ("start without a kernel", "PUT /actions", {"action_type": "InstanceStart"}, r"Cannot start microvm without kernel configuration\.", None),
    ("flush before the start", "PUT /actions", {"action_type": "FlushMetrics"}, BEFORE, None),
    ("stop before the start", "PUT /actions", {"action_type": "SendCtrlAltDel"}, BEFORE, None),
    ("pause before the start", "PATCH /vm", {"state": "Paused"}, BEFORE, None),
    ("patch of a drive before the start", "PATCH /drives/r", {"drive_id": "r", "path_on_host": "/x"}, BEFORE, None),
    ("patch of an interface before the start", "PATCH /network-interfaces/e", {"iface_id": "e"}, BEFORE, None),
    ("snapshot before the start", "PUT /snapshot/create", {"snapshot_path": "a", "mem_file_path": "b"}, BEFORE, None),
    ("patch knows no is_read_only", "PATCH /drives/r", {"drive_id": "r", "is_read_only": True}, r"unknown field `is_read_only`", None),
    ("bad state", "PATCH /vm", {"state": "Off"}, r"unknown variant `Off`, expected (one of )?`Paused`(,| or) `Resumed`", None),
    ("load: no memory", "PUT /snapshot/load", {"snapshot_path": "a"},
     r"missing field: either `mem_backend` or `mem_file_path` is required", None),
    ("load: two memories", "PUT /snapshot/load",
     {"snapshot_path": "a", "mem_file_path": "b", "mem_backend": {"backend_type": "File", "backend_path": "b"}},
     r"too many fields: either `mem_backend` or `mem_file_path` exclusively is required", None),
    ("load: no snapshot_path", "PUT /snapshot/load", {"mem_file_path": "b"}, r"missing field `snapshot_path`", None),
    ("load: no backend_type", "PUT /snapshot/load", {"snapshot_path": "a", "mem_backend": {"backend_path": "b"}},
     r"missing field `backend_type`", None),
    ("load: bad backend", "PUT /snapshot/load", {"snapshot_path": "a", "mem_backend": {"backend_type": "foo", "backend_path": "b"}},
     r"unknown variant `foo`, expected (one of )?`File`(,| or) `Uffd`", None),
    ("no such log", "PUT /logger", {"log_path": "/nope/log"}, r"Logger error: .*No such file or directory \(os error 2\)", None),
    ("metrics without a path", "PUT /metrics", {}, r"missing field `metrics_path`", None),
    ("delete before the start", "DELETE /drives/nope", None, BEFORE, r"Device not found"),
]


@suite.case
def errors_row_by_row():
    bad = []
    with Monitor() as m:
        for name, call, body, theirs, ours in ROWS:
            method, path = call.split(" ")
            r = m.call(method, path, body)
            if r.status not in (400, 404, 405) or not re.search(ours or theirs, r.json()["fault_message"]):
                bad.append(f"{name}: {call} {body}: {r}")
    assert not bad, "\n".join(bad)


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


@suite.case
def a_client_library():
    raise Skip("none is on npm or in Debian 12 (searched for: firecracker, microvm); the Go SDK needs Go, which the build does not")
