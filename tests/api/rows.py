# SPDX-License-Identifier: MIT
"""rows.py: bad input, row by row: what Firecracker answers (its API specification, request parsers and integration tests,
1.17) beside what this monitor answers. check_firecracker.py walks the rows of a VM that is not started, the guest case
api-errors those of one that runs (KVM); docs/api.md has them as a table: `tests/api/rows.py` prints it.

In a message … stands for any text. Of a row without `ours` status and message are the same."""

import json
import re
from collections import namedtuple

Row = namedtuple("Row", "call body theirs ours why phase", defaults=(None, "", "N"))

BEFORE = "The requested operation is not supported before starting the microVM."
AFTER = "The requested operation is not supported after starting the microVM."
BODY = "An error occurred when deserializing the json body of a request: "
PATH = "HTTP has a status for it; the message is the same"
SPEC = "the range is the specification's, so it is a matter of form"
LEFT = "not here, and said so before the body is looked at"
DISK, IMAGE = "@disk@", "@hello@"  # files that are there

ROWS = [
    Row("GET /nope", None, (400, "Invalid request method and/or path: GET …."), (404, "Invalid request method and/or path: GET /nope."), PATH),
    Row("DELETE /version", None, (400, "Invalid request method and/or path: DELETE …."),
        (405, "Invalid request method and/or path: DELETE /version."), PATH + "; `Allow` says which methods there are"),
    Row("PATCH /boot-source", {"kernel_image_path": IMAGE}, (400, "Invalid request method and/or path: PATCH …."),
        (405, "Invalid request method and/or path: PATCH /boot-source."), PATH),
    Row("PATCH /logger", {"level": "Error"}, (400, "Invalid request method and/or path: PATCH …."),
        (405, "Invalid request method and/or path: PATCH /logger."), PATH),
    Row("PUT /snapshot", {}, (400, "Missing snapshot operation type."), (404, "Invalid request method and/or path: PUT /snapshot."), PATH),
    Row("PUT /snapshot/nope", {}, (400, "Invalid request method and/or path: PUT /snapshot/nope."),
        (404, "Invalid request method and/or path: PUT /snapshot/nope."), PATH),
    Row("PUT /boot-source", None, (400, "Empty PUT request.")),
    Row("PATCH /vm", None, (400, "Empty PATCH request.")),
    Row("GET /version", {}, (400, "GET request cannot have a body.")),
    Row("DELETE /drives/a", {}, (400, "Empty Delete request."), (400, "DELETE request cannot have a body."), "theirs says the opposite of what is wrong"),
    Row("PATCH /machine-config", {}, (400, "Empty PATCH request.")),
    Row("PUT /drives", {"drive_id": "", "is_root_device": False}, (400, "The ID cannot be empty.")),
    Row("PUT /drives/a-b", {"drive_id": "a-b", "is_root_device": False},
        (400, "API Resource IDs can only contain alphanumeric characters and underscores.")),
    Row("PUT /drives/a", {"drive_id": "b", "is_root_device": False}, (400, "The id from the path does not match the id from the body!"),
        (400, "The id from the path [a] does not match the id from the body [b]!"), "in the words that theirs has for interfaces"),
    Row("PUT /network-interfaces/a", {"iface_id": "b", "host_dev_name": "t"},
        (400, "The id from the path [a] does not match the id from the body [b]!")),
    Row("PUT /actions", {"action_type": "InstanceStart", "foo": 1}, (400, BODY + "unknown field `foo`, expected `action_type`…")),
    Row("PUT /actions", {"action_type": "foo"},
        (400, BODY + "unknown variant `foo`, expected one of `FlushMetrics`, `InstanceStart`, `SendCtrlAltDel`…")),
    Row("PATCH /vm", {"state": "Off"}, (400, BODY + "unknown variant `Off`, expected `Paused` or `Resumed`…")),
    Row("PUT /machine-config", {"mem_size_mib": 128}, (400, BODY + "missing field `vcpu_count`…")),
    Row("PUT /machine-config", {"vcpu_count": 1}, (400, BODY + "missing field `mem_size_mib`…")),
    Row("PUT /machine-config", {"vcpu_count": "1", "mem_size_mib": 128}, (400, BODY + "invalid type: string \"1\", expected u8…"),
        (400, BODY + "invalid type: string \"1\", expected integer."), "types are JSON's, not Rust's"),
    Row("PUT /machine-config", {"vcpu_count": 1, "mem_size_mib": 128, "smt": "x"},
        (400, BODY + "invalid type: string \"x\", expected a boolean…")),
    Row("PUT /machine-config", {"vcpu_count": 0, "mem_size_mib": 128}, (400, "Machine config error: The number of vCPUs must be greater than 0, …"),
        (400, BODY + "invalid value: integer `0`, expected 1 to 32."), SPEC),
    Row("PUT /machine-config", {"vcpu_count": 33, "mem_size_mib": 128}, (400, "Machine config error: The number of vCPUs must be greater than 0, …"),
        (400, BODY + "invalid value: integer `33`, expected 1 to 32."), SPEC),
    Row("PUT /machine-config", {"vcpu_count": 1, "mem_size_mib": 0}, (400, "Machine config error: The memory size (MiB) is either 0, …"),
        (400, BODY + "invalid value: integer `0`, expected 2 to 3072."), SPEC),
    Row("PUT /machine-config", {"vcpu_count": 1, "mem_size_mib": 1 << 20}, (204, ""),
        (400, BODY + "invalid value: integer `1048576`, expected 2 to 3072."), "theirs fails at the start, for want of memory"),
    Row("PUT /machine-config", {"vcpu_count": 2, "mem_size_mib": 128, "smt": True}, (204, ""),
        (400, "`smt` can only be `false` here: a VM here has one vCPU."), "not here; more than one vCPU is taken with a warning"),
    Row("PUT /logger", b"{", (400, BODY + "EOF while parsing an object at line 1 column 1."), (400, BODY + "… at line 1 column 1."), "jansson's words"),
    Row("PUT /boot-source", {"kernel_image_path": "/nope"},
        (400, "Boot source error: The kernel file cannot be opened: No such file or directory (os error 2)"),
        (400, "Boot source error: The kernel file cannot be opened: /nope: No such file or directory (os error 2)"), "which file"),
    Row("PUT /boot-source", {"kernel_image_path": IMAGE, "initrd_path": "/nope"},
        (400, "Boot source error: The initrd file cannot be opened due to …"),
        (400, "`initrd_path` is not supported: a unikernel has no initrd; put files on a drive."), "not here"),
    Row("PUT /drives/r", {"drive_id": "r", "is_root_device": True, "path_on_host": "/nope"},
        (400, "Drive config error: Unable to create the virtio block device: … No such file or directory (os error 2)…")),
    Row("PUT /drives/r", {"drive_id": "r", "is_root_device": False, "socket": "/s"}, (400, "Drive config error: …"),
        (400, "`socket` is not supported: there are no vhost-user backends here."), "not here"),
    Row("PUT /network-interfaces/e", {"iface_id": "e", "host_dev_name": "t", "guest_mac": "x"}, (400, BODY + "…"),
        (400, "net[0].mac: …"), "our judge of addresses, and which interface"),
    Row("PUT /network-interfaces/e", {"iface_id": "e", "host_dev_name": "nosuchtap"}, (400, "Network config error: …"), (204, ""),
        "a tap is opened at the start, in whose namespace and with whose rights that happens; the start says what is wrong"),
    Row("PUT /logger", {"log_path": "/nope/log"}, (400, "Logger error: …No such file or directory (os error 2)")),
    Row("PUT /metrics", {}, (400, BODY + "missing field `metrics_path`…")),
    Row("PUT /metrics", {"metrics_path": "/nope/m"}, (400, "Metrics error: Cannot initialize the metrics system due to bad user input: …"), (204, ""),
        "it is opened when it is written; FlushMetrics says what is wrong"),
    Row("PUT /actions", {"action_type": "InstanceStart"}, (400, "Start microvm error: Cannot start microvm without kernel configuration.")),
    Row("PUT /actions", {"action_type": "FlushMetrics"}, (400, BEFORE)),
    Row("PUT /actions", {"action_type": "SendCtrlAltDel"}, (400, BEFORE)),
    Row("PATCH /vm", {"state": "Paused"}, (400, BEFORE)),
    Row("PATCH /drives/r", {"drive_id": "r", "path_on_host": "/x"}, (400, BEFORE)),
    Row("PATCH /network-interfaces/e", {"iface_id": "e"}, (400, BEFORE)),
    Row("PUT /snapshot/create", {"snapshot_path": "a", "mem_file_path": "b"}, (400, BEFORE)),
    Row("DELETE /drives/nope", None, (400, BEFORE), (404, "Device not found"), "DELETE works before the start here"),
    Row("PATCH /drives/r", {"drive_id": "r", "is_read_only": True}, (400, BODY + "unknown field `is_read_only`, expected …")),
    Row("PATCH /drives/r", {"drive_id": "r", "io_engine": "Sync"}, (400, BODY + "unknown field `io_engine`, expected …")),
    Row("PUT /snapshot/load", {"snapshot_path": "a"}, (400, BODY + "missing field: either `mem_backend` or `mem_file_path` is required…")),
    Row("PUT /snapshot/load", {"snapshot_path": "a", "mem_file_path": "b", "mem_backend": {"backend_type": "File", "backend_path": "b"}},
        (400, BODY + "too many fields: either `mem_backend` or `mem_file_path` exclusively is required…")),
    Row("PUT /snapshot/load", {"mem_file_path": "b"}, (400, BODY + "missing field `snapshot_path`…")),
    Row("PUT /snapshot/load", {"snapshot_path": "a", "mem_backend": {"backend_path": "b"}}, (400, BODY + "missing field `backend_type`…")),
    Row("PUT /snapshot/load", {"snapshot_path": "a", "mem_backend": {"backend_type": "foo", "backend_path": "b"}},
        (400, BODY + "unknown variant `foo`, expected `File` or `Uffd`…")),
    Row("PUT /vsock", {"guest_cid": 3, "uds_path": "v"}, (204, ""), (400, "There is no vsock device here: …"), LEFT),
    Row("PUT /mmds/config", {"network_interfaces": []}, (400, "MMMDS config error: …"), (400, "There is no metadata service here: …"), LEFT),
    Row("GET /balloon", None, (400, "Balloon config error: …"), (400, "There is no balloon here: …"), LEFT),
    # While it runs; drive "d" and interface "n" are there.
    Row("PUT /boot-source", {"kernel_image_path": IMAGE}, (400, AFTER), phase="R"),
    Row("PUT /machine-config", {"vcpu_count": 1, "mem_size_mib": 128}, (400, AFTER), phase="R"),
    Row("PATCH /machine-config", {"mem_size_mib": 128}, (400, AFTER), phase="R"),
    Row("PUT /drives/e", {"drive_id": "e", "is_root_device": False, "path_on_host": DISK}, (400, AFTER), phase="R"),
    Row("PUT /logger", {"level": "Error"}, (400, AFTER), phase="R"),
    Row("PUT /metrics", {"metrics_path": "/tmp/m"}, (400, AFTER), phase="R"),
    Row("PUT /snapshot/load", {"snapshot_path": "a", "mem_file_path": "b"}, (400, AFTER), phase="R"),
    Row("PUT /actions", {"action_type": "InstanceStart"}, (400, AFTER), phase="R"),
    Row("PUT /snapshot/create", {"snapshot_path": "a", "mem_file_path": "b"}, (400, "Create snapshot error: …"),
        (400, "The requested operation is only supported while the microVM is paused."), "theirs fails within KVM", "R"),
    Row("PATCH /drives/d", {"drive_id": "d", "path_on_host": "/nope"},
        (400, "Drive config error: Unable to patch the block device: …No such file or directory (os error 2) /nope…"),
        (400, "Drive config error: Unable to patch the block device: …No such file or directory…"), "the same part first", "R"),
    Row("PATCH /drives/d", {"drive_id": "d"}, (400, "Drive config error: Unable to patch the block device: Running method expected different backend. …"),
        (204, ""), "nothing to change is no error", "R"),
    Row("PATCH /drives/nope", {"drive_id": "nope", "path_on_host": DISK}, (400, "Drive config error: Unable to patch the block device: …"),
        (404, "Device not found"), "HTTP has a status for it", "R"),
    Row("PATCH /network-interfaces/nope", {"iface_id": "nope"}, (400, "Network config error: Unable to update the net device: …"),
        (404, "Device not found"), "HTTP has a status for it", "R"),
    Row("DELETE /drives/d", None, (400, "PCI is not enabled"), (400, AFTER), "there is no hot-unplug; theirs has it with PCI", "R"),
]


def with_files(body, files):
    text = json.dumps(body) if isinstance(body, dict) else None
    for mark, path in files.items():
        text = text and text.replace(mark, path)
    return json.loads(text) if text else body


def wrong(row, reply):
    """Why reply is not what the row says, None when it is."""
    status, text = row.ours or row.theirs
    said = reply.json()["fault_message"] if reply.body else ""
    pattern = re.escape(text).replace("…", ".*")
    if reply.status == status and re.fullmatch(pattern, said):
        return None
    return f"{row.call} {row.body}: want {status} {text!r}, got {reply}"


def cell(answer):
    text = answer[1].replace(BODY, "BODY: ")
    return f"{answer[0]} {text}".strip().replace("|", "\\|")


def table():
    lines = ["| call | body | Firecracker | here | why |", "|---|---|---|---|---|"]
    for r in ROWS:
        body = "" if r.body is None else r.body.decode() if isinstance(r.body, bytes) else json.dumps(r.body)
        body = body.replace(DISK, "DISK").replace(IMAGE, "IMAGE")
        when = " (running)" if r.phase == "R" else ""
        lines.append(f"| `{r.call}`{when} | {'`' + body + '`' if body else ''} | {cell(r.theirs)} | {cell(r.ours) if r.ours else 'the same'} | {r.why} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
