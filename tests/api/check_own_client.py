# SPDX-License-Identifier: MIT
"""Firecracker's own client against a VM that is not started (own_client.py). With a guest: the case api-own-client."""

import own_client
from client import Monitor, hello
from lib import Skip, Suite, eq

suite = Suite()


@suite.case
def before_the_start():
    with Monitor("--id", "own") as m:
        try:
            api = own_client.load(m.sock)
        except own_client.Missing as e:
            raise Skip(str(e)) from None
        disk = m.disk()
        api.boot.put(kernel_image_path=hello(), boot_args="reboot=k panic=1 console=ttyS0", initrd_path=None)
        api.machine_config.put(vcpu_count=2, mem_size_mib=256, smt=False, track_dirty_pages=True, huge_pages="None")
        api.machine_config.patch(mem_size_mib=128)
        machine = api.machine_config.get().json()
        eq((machine["mem_size_mib"], machine["vcpu_count"], machine["track_dirty_pages"]), (128, 1, True))
        api.drive.put(drive_id="rootfs", path_on_host=disk, is_root_device=True, is_read_only=True, io_engine="Sync", cache_type="Unsafe",
                      rate_limiter={"bandwidth": {"size": 1000000, "refill_time": 100}, "ops": {"size": 1, "refill_time": 100}})
        api.drive.put(drive_id="scratch", path_on_host=disk, is_root_device=False, is_read_only=False, rate_limiter={})
        api.network.put(iface_id="eth0", host_dev_name="tap0", guest_mac="06:00:00:00:00:01",
                        tx_rate_limiter={"bandwidth": {"size": 1000000, "refill_time": 100, "one_time_burst": None}, "ops": None})
        api.logger.put(log_path=m.file("log"), level="Info", show_level=True, show_log_origin=True)
        api.metrics.put(metrics_path=m.file("metrics"))
        config = api.vm_config.get().json()
        eq([d["drive_id"] for d in config["drives"]], ["rootfs", "scratch"])
        eq(config["network-interfaces"][0]["guest_mac"], "06:00:00:00:00:01")
        api.drive.delete("scratch")
        assert "firecracker_version" in api.version.get().json()
        eq((api.describe.get().json()["state"], api.describe.get().json()["id"]), ("Not started", "own"))
        # As its test_api.py expects them.
        for call, args, message in (
            (api.boot.put, {"kernel_image_path": "foo.bar"}, "No such file or directory (os error 2)"),
            (api.boot.patch, {"kernel_image_path": "otherfile"}, "Invalid request method"),
            (api.logger.patch, {"level": "Error"}, "Invalid request method"),
            (api.drive.put, {"drive_id": "rootfs", "path_on_host": "foo.bar", "is_root_device": True}, "No such file or directory"),
            (api.drive.put, {"drive_id": "two", "path_on_host": disk, "is_root_device": True}, "A root block device already exists"),
            (api.machine_config.put, {"mem_size_mib": 128}, "missing field `vcpu_count`"),
            (api.machine_config.put, {"mem_size_mib": 1 << 64, "vcpu_count": 1}, "error occurred when deserializing the json body of a request"),
            (api.drive.patch, {"drive_id": "rootfs", "path_on_host": "foo.bar"}, "not supported before starting the microVM."),
            (api.network.patch, {"iface_id": "eth0"}, "not supported before starting the microVM."),
            (api.actions.put, {"action_type": "SendCtrlAltDel"}, "not supported before starting the microVM."),
            (api.vsock.put, {"guest_cid": 15, "uds_path": "v"}, "There is no vsock device here"),
            (api.balloon.put, {"amount_mib": 1, "deflate_on_oom": True}, "There is no balloon here"),
            (api.cpu_config.put, {"foo": False}, "There are no CPU templates here"),
        ):
            said = own_client.fault(call, **args)
            assert message in said, f"{args}: {said}"
