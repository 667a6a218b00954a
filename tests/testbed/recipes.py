# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests there are, as data: what is in each, and what hardware it finds.

An image is keyed by its recipe, so a change here makes a new image. Paths of kernel and initial
ram disk are patterns inside the guest's own tree: a guest boots the kernel that its packages bring.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Recipe(NamedTuple):
    suite: str
    packages: tuple[str, ...]
    files: dict[str, str]  # path -> text; an executable one begins with '#!'
    links: dict[str, str]  # path -> what the symlink says
    kernel: str  # pattern in /boot
    initrd: str
    append: str
    root_mib: int
    memory_mib: int
    cpus: int
    wires: tuple[int, ...] = ()  # one data NIC each, eth1 on; those with the same number hear each other
    disks_mib: tuple[int, ...] = ()  # empty disks, vdb on
    cpu: str = "max"
    hypervisor: str = ""  # pattern in /boot of what boots the kernel, compressed by gzip; "": nothing does
    hypervisor_append: str = ""
    finish: tuple[str, ...] = ()  # programs of the guest that are run in its tree when all is installed
    ready: str = "true"  # for its shell: succeeds when the guest can be used
    group: str = "hypervisors"  # of the inventory
    tries: int = 1  # boots before it is given up


MASKED = "/dev/null"
PACKAGES = ("initramfs-tools", "iproute2", "kmod", "openssh-server", "python3", "systemd-sysv", "udev", "zstd")


def packages(*more: str) -> tuple[str, ...]:
    """What every guest has, and what one has besides."""
    return tuple(sorted((*PACKAGES, *more)))


def named(name: str) -> dict[str, str]:
    """The files that tell a guest its name."""
    return {"etc/hostname": f"{name}\n", "etc/hosts": f"127.0.0.1 localhost {name}\n::1 localhost\n"}


XEN_FILES = Path(__file__).with_name("xen")

INITRAMFS_HOOK = """\
#!/bin/sh
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk ext4
"""

MANAGEMENT_UNIT = """\
[Unit]
Description=Address of the management interface
DefaultDependencies=no
BindsTo=sys-subsystem-net-devices-eth0.device
After=sys-subsystem-net-devices-eth0.device
Before=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip address add 10.0.2.15/24 dev eth0
ExecStart=/sbin/ip link set eth0 up
ExecStart=/sbin/ip route add default via 10.0.2.2 dev eth0

[Install]
WantedBy=multi-user.target
"""

COMMON_FILES = {
    "etc/fstab": "/dev/vda / ext4 defaults,noatime 0 0\n",
    "etc/initramfs-tools/conf.d/testbed": "MODULES=list\nCOMPRESS=gzip\n",
    "etc/initramfs-tools/hooks/testbed": INITRAMFS_HOOK,
    "etc/ssh/sshd_config.d/testbed.conf": "PasswordAuthentication no\nUseDNS no\n",
    "etc/systemd/system/management.service": MANAGEMENT_UNIT,
}

COMMON_LINKS = {
    "etc/systemd/system/multi-user.target.wants/management.service": "../management.service",
    **{
        f"etc/systemd/system/{unit}": MASKED
        for unit in (
            "apt-daily.timer",
            "apt-daily-upgrade.timer",
            "dpkg-db-backup.timer",
            "e2scrub_all.timer",
            "e2scrub_reap.service",
            "fstrim.timer",
            "getty@tty1.service",
            "serial-getty@ttyS0.service",
        )
    },
}

DEBIAN = Recipe(
    suite="bookworm",
    packages=packages("dmsetup", "ifupdown", "linux-image-cloud-amd64", "lvm2", "python3-jmespath", "python3-libvirt"),
    files={
        **COMMON_FILES,
        **named("debian"),
        # else every new network namespace has a gre0, sit0, ... once their modules are loaded
        "etc/sysctl.d/testbed.conf": "net.core.fb_tunnels_only_for_init_net = 1\n",
    },
    links=COMMON_LINKS,
    kernel="vmlinuz-*",
    initrd="initrd.img-*",
    append="root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=-1",
    root_mib=1536,
    memory_mib=1024,
    cpus=2,
    wires=(1, 2, 3, 3),
    disks_mib=(256, 256),
)

NETWORKD = "/lib/systemd/system/systemd-networkd.service"
LEASE = """\
[Match]
Name=eth0

[Network]
DHCP=ipv4
"""

# What people have in labs: services, SSH, an agent, and an address that the network gives.
LAB = DEBIAN._replace(
    packages=packages("linux-image-cloud-amd64", "qemu-guest-agent"),
    files={
        **{name: text for name, text in COMMON_FILES.items() if text != MANAGEMENT_UNIT},
        **named("lab"),
        "etc/systemd/network/eth0.network": LEASE,
    },
    links={
        **{name: target for name, target in COMMON_LINKS.items() if target == MASKED},
        "etc/systemd/system/multi-user.target.wants/systemd-networkd.service": NETWORKD,
    },
    root_mib=1024,
    memory_mib=512,
    cpus=1,
    wires=(),
    disks_mib=(),
    group="guests",
)

# Dom0 of a real Xen; in its kernel's place the hypervisor boots, and takes the kernel as a module.
XEN = Recipe(
    suite="bookworm",
    packages=packages(
        "busybox-static", "cpio", "linux-image-amd64", "xen-hypervisor-4.17-amd64", "xen-utils-4.17", "xenstore-utils"
    ),
    files={
        **COMMON_FILES,
        **named("xen"),
        "etc/xen/answering.cfg": (XEN_FILES / "answering.cfg").read_text(),
        "usr/local/lib/answering/init": (XEN_FILES / "answering_init").read_text(),
        "usr/local/lib/answering/make": (XEN_FILES / "answering_make").read_text(),
    },
    links={
        **COMMON_LINKS,
        "etc/systemd/system/serial-getty@hvc0.service": MASKED,
        "etc/systemd/system/xendomains.service": MASKED,
    },
    kernel="vmlinuz-*",
    initrd="initrd.img-*",
    append="root=/dev/vda rw console=hvc0 net.ifnames=0 panic=-1",
    root_mib=1536,
    memory_mib=1280,
    cpus=2,
    cpu="qemu64",  # under Xen the kernel does not bear all of "max"
    hypervisor="xen-*-amd64.gz",
    hypervisor_append="console=com1 com1=115200,8n1 dom0_mem=768M,max:768M noreboot=1",
    finish=("/usr/local/lib/answering/make",),
    ready="systemctl is-active -q xen && timeout 20 xenstore-exists /local/domain/0/name",
    group="xen",
    tries=2,  # under emulation its early start was seen to hang, once in thirty
)

RECIPES = {"debian": DEBIAN, "lab": LAB, "xen": XEN}
