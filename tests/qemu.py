# SPDX-License-Identifier: MIT
"""qemu.py: QEMU's smallest machine, as guest tests and benchmarks start it."""

import functools
import subprocess

PROGRAM = "qemu-system-x86_64"


@functools.lru_cache
def kvm_cpu():
    """The model that is the host's CPU, as far as this KVM goes along: PVM refuses the MSR of arch-capabilities, and
    QEMU aborts then. Tried with a machine that is told to quit before its first instruction."""
    for model in ("host", "host,-arch-capabilities"):
        argv = [PROGRAM, "-M", "microvm", "-accel", "kvm", "-cpu", model, "-nodefaults", "-display", "none", "-S"]
        if subprocess.run(argv + ["-monitor", "stdio"], input=b"quit\n", capture_output=True, check=False).returncode == 0:
            return model
    return "host"  # whose message then says what is wrong


def machine(accel, image, mem, cmdline):
    """Without devices; the guest's exit status s comes out as 2 s + 1."""
    argv = [PROGRAM, "-M", "microvm,x-option-roms=off,rtc=on,acpi=off", "-accel", accel]
    argv += ["-cpu", "max" if accel == "tcg" else kvm_cpu(), "-m", mem, "-nodefaults", "-no-user-config"]
    argv += ["-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", image, "-append", cmdline]
    argv += ["-device", "isa-debug-exit,iobase=0x501,iosize=2"]
    return argv + ["-global", "virtio-mmio.force-legacy=false"]
