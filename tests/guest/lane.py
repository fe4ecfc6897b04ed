# SPDX-License-Identifier: MIT
"""lane.py: how a case's guest is booted in each lane, and what surrounds it: disks, namespace, tap."""

import glob
import os
import shlex
import shutil
import subprocess
import time
import sys

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import qemu  # noqa: E402

MAC = "02:00:00:00:00:02"
HOST_IP, GUEST_IP = "10.77.0.1", "10.77.0.2"
JAIL_UID = 41000
BOOT_ID = "name-of-this-boot"  # in a command, in place of the jail's
HOST_IP6, GUEST_IP6 = "fd77::1", "fd77::2"

# QEMU ends with (value << 1) | 1 of what the guest wrote to the exit port; an even status means that it wrote nothing.
QEMU_WRAPPER = """\
{command} "$@" &
vmm=$!
echo $vmm >{work}/vmm.pid
trap 'kill $vmm' TERM INT
wait $vmm
status=$?
while kill -0 $vmm 2>/dev/null; do
	wait $vmm
	status=$?
done
[ $((status & 1)) = 1 ] && [ $status -lt 256 ] && exit $((status >> 1))
echo "the guest ended without a status (QEMU: $status)" >&2
exit 125
"""
# In place of the monitor for cases that start it themselves: each in a jail of its own, with the descriptors it names.
JAILED_MONITOR = """\
#!/bin/sh
more="${{MONITOR_BIND:+--bind $MONITOR_BIND:ro}}" id={name}-$$ last=
for arg; do
	shift
	case $last in --id) id=$arg ;; esac
	case $arg in *fd=[0-9]*)
		n=${{arg##*fd=}}
		more="$more --fd fd${{n%%,*}}=${{n%%,*}}"
		;;
	esac
	case $last:$arg in *:--id | --id:*) ;; *) set -- "$@" "$arg" ;; esac
	last=$arg
done
exec {jailer} --id "$id" $MONITOR_JAIL $more -- "$@"
"""
MONITOR_WRAPPER = """\
echo $$ >{work}/vmm.pid
exec {command} "$@"
"""


class Skip(Exception):
    pass


def is_qemu(lane):
    return lane in ("tcg", "kvm-qemu", "hw-qemu")


def slow(lane):
    """Factor on the time after which a case counts as hung."""
    return {"kvm": 1, "kvm-qemu": 1, "tcg": 2, "hw": 5, "hw-qemu": 10}[lane]


class Setting:
    """Everything one run of one case needs; a context manager that takes it all away again."""

    def __init__(self, case, lane, build, work, number, jailed=False):
        self.case, self.lane, self.build, self.work, self.jailed = case, lane, build, work, jailed
        self.uid = JAIL_UID + number
        self.cgroup = f"mayfly-guests-{os.getpid()}-{number}"
        self.ns = f"mayfly-{os.getpid()}-{number}" if case.net else None
        self.env = dict(
            os.environ,
            LANE=lane,
            O=build,
            WORK=work,
            BOOT=f"{work}/boot",
            MONITOR=f"{work}.jail/monitor" if jailed else f"{build}/bin/mayfly-monitor",
            MONITOR_UID=str(self.uid if jailed else os.geteuid()),
            IMAGE=os.path.join(build, case.image),
            SLOW=str(slow(lane)),
            HOST_IP=HOST_IP,
            GUEST_IP=GUEST_IP,
            HOST_IP6=HOST_IP6,
            GUEST_IP6=GUEST_IP6,
            TAP="tap0",
            METRICS=f"{work}/metrics.json",
            PATH=os.environ["PATH"] + ":/usr/sbin:/sbin",
        )
        for disk in case.disks:
            self.env["DISK_" + disk.id] = f"{work}/{disk.id}.img"

    def __enter__(self):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        if not os.path.exists(self.env["IMAGE"]):
            raise FileNotFoundError(f"{self.env['IMAGE']} is not built")
        if self.ns:
            self.make_namespace()
        try:
            if self.case.setup:
                self.sh(self.case.setup, "setup")
            for disk in self.case.disks:
                self.make_disk(disk)
            self.write_boot()
        except BaseException:
            self.drop_namespace()
            raise
        return self

    def __exit__(self, *exc):
        self.drop_namespace()
        shutil.rmtree(f"{self.work}.jail", ignore_errors=True)
        self.drop_cgroups()

    def drop_cgroups(self):
        """Of jails, whose jailers may just have been killed: what is in them is dying."""
        dirs = [d for where in ("/sys/fs/cgroup/*", "/sys/fs/cgroup") for d in glob.glob(f"{where}/{self.cgroup}")]
        dirs = [d for parent in dirs for d in glob.glob(f"{parent}/*/") + [parent]]
        end = time.monotonic() + 20
        while dirs:
            try:
                os.rmdir(dirs[0])
                dirs.pop(0)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def expand(self, text):
        for name in sorted(self.env, key=len, reverse=True):
            text = text.replace("$" + name, self.env[name])
        return text

    def inside(self, argv):
        return ["ip", "netns", "exec", self.ns] + argv if self.ns else argv

    def sh(self, command, what):
        r = subprocess.run(
            self.inside(["/bin/sh", "-c", command]),
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60 * slow(self.lane),
        )
        if r.returncode:
            raise RuntimeError(f"{what} failed ({r.returncode}): {r.stdout.decode(errors='replace')[-400:]}")

    def make_namespace(self):
        if os.geteuid() != 0:
            raise Skip("network namespaces need root")
        if not os.path.exists("/dev/net/tun"):
            raise Skip("no /dev/net/tun")
        subprocess.run(["ip", "netns", "add", self.ns], check=True)
        batch = "link set lo up\n"
        if self.case.net[0] == "tap":
            batch += (
                f"tuntap add dev tap0 mode tap\naddr add {HOST_IP}/24 dev tap0\n"
                f"addr add {HOST_IP6}/64 dev tap0 nodad\nlink set tap0 up\n"
            )
        subprocess.run(["ip", "-n", self.ns, "-batch", "-"], input=batch.encode(), check=True)

    def drop_namespace(self):
        if not self.ns:
            return
        pids = subprocess.run(["ip", "netns", "pids", self.ns], capture_output=True, text=True).stdout.split()
        if pids:
            subprocess.run(["kill", "-9"] + pids, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", self.ns], stderr=subprocess.DEVNULL)

    def make_disk(self, disk):
        path = self.env["DISK_" + disk.id]
        if disk.kind == "raw":
            subprocess.run(["truncate", "-s", disk.size, path], check=True)
            return
        folder = self.expand(disk.dir) if disk.dir else f"{self.work}/{disk.id}.empty"
        if not disk.dir:
            os.mkdir(folder)
        argv = ["scripts/mkdisk.sh", folder, path] + ([disk.size] if disk.size else [])
        subprocess.run(argv, check=True, env=self.env)

    def guest_cmdline(self):
        words = [self.expand(self.case.cmdline)] if self.case.cmdline else []
        if self.case.net[:1] == ["tap"] and "noip" not in self.case.net:
            words.append(f"mayfly.ip={GUEST_IP}/24 mayfly.gw={HOST_IP} mayfly.ip6={GUEST_IP6}/64")
        if self.case.args:
            words.append("-- " + self.expand(self.case.args))
        return " ".join(words)

    def monitor_argv(self):
        case = self.case
        argv = [f"{self.build}/bin/mayfly-monitor", "--kernel", self.env["IMAGE"], "--mem", case.mem]
        argv += ["--cmdline", self.guest_cmdline(), "--metrics", self.env["METRICS"]]
        for d in case.disks:
            argv += ["--block", f"id={d.id},path={self.env['DISK_' + d.id]}" + (",ro" if d.ro else "")]
            argv[-1] += f",{self.expand(d.opts)}" if d.opts else ""
        if case.net:
            words = [w.removeprefix("opts=") for w in case.net if w != "noip"]
            if self.jailed and words[0] == "user":
                words = ["fd=3"] + [w.removeprefix("opts=") for w in case.net if w.startswith("opts=")]
            back = ",".join(["tap=tap0" if w == "tap" else w for w in words])
            argv += ["--net", f"id=eth0,{back},mac={MAC}"]
        return argv + shlex.split(self.expand(case.monitor))

    def jailer(self, images):
        argv = [f"{self.build}/bin/mayfly-jailer", "--uid", str(self.uid), "--gid", str(self.uid)]
        argv += ["--exec-file", f"{self.build}/bin/mayfly-monitor", "--chroot-base-dir", f"{self.work}.jail"]
        argv += ["--parent-cgroup", self.cgroup]
        return argv + ["--bind", f"{images}:{images}:ro", "--bind", f"{self.work}:{self.work}"]

    def jail_argv(self):
        """The monitor in a jail that has the image, the case's folder, and the namespace with the tap or a socket to
        the user-mode network, which a jailed monitor cannot start."""
        argv = []
        if self.case.net[:1] == ["user"]:
            argv = [f"{self.build}/bin/mayfly-usernet", "--fd=3"]
            for word in (w for w in self.case.net[1:] if not w.startswith("opts=")):
                if word == "host-loopback":
                    argv.append("--host-loopback")
                    continue
                host, guest = word.removeprefix("fwd=").split(":")
                argv.append(f"--fwd=tcp:127.0.0.1:{host}:{guest}")
            argv.append("--run")
        argv += self.jailer(self.env["IMAGE"]) + ["--id", BOOT_ID]
        if self.case.net[:1] == ["user"]:
            argv += ["--fd", "eth0=3"]
        elif self.ns:
            argv += ["--netns", f"/run/netns/{self.ns}"]
        return argv + ["--"] + self.monitor_argv()[1:]

    def write_monitor(self):
        os.makedirs(f"{self.work}.jail", 0o700, exist_ok=True)
        jailer = self.jailer(os.path.dirname(self.env["IMAGE"])) + (["--netns", "host"] if self.ns else [])
        with open(self.env["MONITOR"], "w", encoding="utf-8") as f:
            f.write(JAILED_MONITOR.format(jailer=shlex.join(jailer), name=self.case.name))
        os.chmod(self.env["MONITOR"], 0o700)

    def give_to_jail(self):
        for path, _, files in os.walk(self.work):
            for name in [path] + [f"{path}/{f}" for f in files]:
                os.chown(name, self.uid, self.uid)

    def qemu_argv(self):
        case, accel = self.case, "tcg" if self.lane == "tcg" else "kvm"
        argv = qemu.machine(accel, self.env["IMAGE"], case.mem, self.guest_cmdline())
        for d in case.disks:
            ro = ",readonly=on" if d.ro else ""
            argv += ["-drive", f"if=none,id={d.id},format=raw,file={self.env['DISK_' + d.id]}{ro}"]
            argv += ["-device", f"virtio-blk-device,drive={d.id},serial={d.id}"]
        if case.net:
            back = "tap,ifname=tap0,script=no,downscript=no"
            if case.net[0] == "user":
                fwd = [w[4:].split(":") for w in case.net[1:] if w.startswith("fwd=")]
                back = "user" + "".join(f",hostfwd=tcp:127.0.0.1:{h}-:{g}" for h, g in fwd)
            argv += ["-netdev", f"{back},id=eth0", "-device", f"virtio-net-device,netdev=eth0,mac={MAC}"]
        return argv

    def write_boot(self):
        foreign = is_qemu(self.lane)
        command = shlex.join(self.qemu_argv() if foreign else self.jail_argv() if self.jailed else self.monitor_argv())
        text = (QEMU_WRAPPER if foreign else MONITOR_WRAPPER).format(command=command, work=self.work)
        with open(self.env["BOOT"], "w", encoding="utf-8") as f:
            # Boots at one time are jails of their own names.
            f.write("#!/bin/sh\n" + text.replace(BOOT_ID, f'"${{BOOT_ID:-{self.case.name}}}"'))
        os.chmod(self.env["BOOT"], 0o755)
        if self.jailed:
            self.write_monitor()
            self.give_to_jail()
