# SPDX-License-Identifier: MIT
"""--config-file in Firecracker's form: taken as it is, errors name the path of the key. FIRECRACKER=DIR, a clone of
Firecracker's repository (bare or not), has its own example tried, too; the guest lane boots such a file (api-file)."""

import copy
import json
import os
import subprocess
import tempfile

from client import OUT, hello
from lib import Skip, Suite, eq

suite = Suite()


def whole(disk):
    """Every key that Firecracker's example has, nulls included."""
    return {
        "boot-source": {"kernel_image_path": hello(), "boot_args": "console=ttyS0 -- there", "initrd_path": None},
        "drives": [
            {"drive_id": "data", "is_root_device": False, "path_on_host": disk, "is_read_only": False},
            {"drive_id": "rootfs", "partuuid": None, "is_root_device": True, "cache_type": "Unsafe", "is_read_only": True,
             "path_on_host": disk, "io_engine": "Sync", "rate_limiter": None, "socket": None},
        ],
        "machine-config": {"vcpu_count": 2, "mem_size_mib": 64, "smt": False, "track_dirty_pages": False, "huge_pages": "None"},
        "cpu-config": None, "balloon": None, "vsock": None, "logger": None, "metrics": None, "mmds-config": None,
        "network-interfaces": [{"iface_id": "eth0", "host_dev_name": "tap0", "guest_mac": "06:00:AC:10:00:02",
                                "tx_rate_limiter": {"ops": {"size": 5, "refill_time": 10}}}],
        "entropy": None, "pmem": [], "memory-hotplug": None,
    }


def run(config, *options):
    """Status, output and messages of a dry run."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        f.write(config if isinstance(config, str) else json.dumps(config))
        f.flush()
        r = subprocess.run([f"{OUT}/bin/mayfly-monitor", "--config-file", f.name, "--dry-run", "--json", *options],
                           capture_output=True, text=True, timeout=60)
    return r.returncode, r.stdout, r.stderr


@suite.case
def it_is_taken_as_it_is():
    status, out, said = run(whole("/tmp/d"), "--id", "x")
    eq(status, 0, said)
    ours = json.loads(out)
    eq((ours["kernel"], ours["cmdline"], ours["mem"], ours["id"]), (hello(), "console=ttyS0 -- there", "64M", "x"))
    eq([(d["id"], d["ro"]) for d in ours["block"]], [("rootfs", True), ("data", False)], "the root device is the first")
    eq((ours["net"][0]["tap"], ours["net"][0]["mac"]), ("tap0", "06:00:ac:10:00:02"))
    eq(ours["net"][0]["tx_rate_limiter"]["ops"]["size"], 5)
    assert "machine-config.vcpu_count: there is one vCPU, not 2" in said, said
    # Ours stays what it was, and they are not mixed.
    eq(run({"kernel": "x", "block": [{"path": "y"}]})[0], 0)
    status, _, said = run({"kernel": "x", "drives": []})
    eq(status, 2)
    assert ": kernel: unknown field `kernel`" in said, said


WRONG = (
    (("boot-source", "kernel_image_path"), None, "boot-source.kernel_image_path: invalid type: null, expected a string"),
    (("boot-source", "initrd_path"), "/x", "boot-source.initrd_path: `initrd_path` is not supported: a unikernel has no initrd"),
    (("boot-source", "fd"), 3, "an fd comes with an API call"),
    (("drives", 1, "path_on_host"), "", "drives[1].path_on_host: is empty"),
    (("drives", 0, "path_on_host"), "", "drives[0].path_on_host: is empty"),
    (("drives", 0, "is_root_device"), True, "drives[1].is_root_device: "),
    (("drives", 0, "is_root_device"), 1, "drives[0].is_root_device: invalid type: integer"),
    (("drives", 1, "rate_limiter"), {"ops": {"size": 1}}, "drives[1].rate_limiter.ops.refill_time: missing field"),
    (("drives",), {}, "drives: invalid type: map"),
    (("machine-config", "vcpu_count"), 0, "machine-config.vcpu_count: invalid value"),
    (("machine-config", "smt"), True, "machine-config.smt: `smt` can only be `false` here"),
    (("network-interfaces", 0, "guest_mac"), "x", "network-interfaces[0].guest_mac: "),
    (("vsock",), {"guest_cid": 3}, "vsock: `vsock` is not supported"),
    (("pmem",), [{}], "pmem: `pmem` is not supported"),
    (("logger",), {"level": "Loud"}, "logger.level: unknown variant `Loud`"),
    (("nope",), 1, "nope: unknown field `nope`"),
    (("paused",), True, "paused is for PUT /vm"),
)


@suite.case
def errors_name_the_key():
    for path, value, want in WRONG:
        config = copy.deepcopy(whole("/tmp/d"))
        at = config
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        status, _, said = run(config)
        eq(status, 2, want)
        assert ".json: " + want in said, f"{path}: want {want!r} in {said!r}"
    status, _, said = run('{"boot-source": {,}}')
    eq(status, 2)
    assert "line 1, column " in said, said


@suite.case
def firecrackers_own_example():
    tree = os.environ.get("FIRECRACKER")
    if not tree:
        raise Skip("FIRECRACKER names no clone of Firecracker's repository")
    text = subprocess.run(["git", "-C", tree, "show", "HEAD:tests/framework/vm_config.json"], check=True, text=True, capture_output=True)
    status, out, said = run(text.stdout.replace("vmlinux.bin", hello()))
    eq(status, 0, said)
    eq(json.loads(out)["mem"], "1G")
