# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large host as libvirt describes it, written from its documented formats: two sockets, eight cells, 256 CPUs, 1 TiB,
huge pages, SR-IOV, GPUs with mediated devices, SEV; and a connection that answers with it, without libvirt.

Formats: libvirt.org/formatcaps.html, formatdomaincaps.html, formatnode.html.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import NotSupported

CELLS, CPUS_OF_CELL = 8, 32
KIB_OF_CELL = 128 << 20
HUGE, GIANT = 8192, 16  # pages of 2 MiB and of 1 GiB in each cell


def _distance(one: int, other: int) -> int:
    return 10 if one == other else 12 if one // 4 == other // 4 else 32


def _cpu(number: int) -> str:
    """SMT siblings are 128 apart, as on a host with two sockets of 64 cores."""
    core, socket = number % 64, (number % 128) // 64
    siblings = f"{number % 128},{number % 128 + 128}"
    return (
        f"<cpu id='{number}' socket_id='{socket}' die_id='{core // 8}' cluster_id='0' core_id='{core}'"
        f" siblings='{siblings}'/>"
    )


def cpus_of(cell: int) -> list[int]:
    half = CPUS_OF_CELL // 2
    return [*range(cell * half, cell * half + half), *range(128 + cell * half, 128 + cell * half + half)]


def _cell(cell: int) -> str:
    distances = "".join(f"<sibling id='{one}' value='{_distance(cell, one)}'/>" for one in range(CELLS))
    small = KIB_OF_CELL // 4 - HUGE * 512 - GIANT * 262144
    return (
        f"<cell id='{cell}'><memory unit='KiB'>{KIB_OF_CELL}</memory><pages unit='KiB' size='4'>{small}</pages>"
        f"<pages unit='KiB' size='2048'>{HUGE}</pages><pages unit='KiB' size='1048576'>{GIANT}</pages>"
        f"<distances>{distances}</distances>"
        f"<cpus num='{CPUS_OF_CELL}'>{''.join(map(_cpu, cpus_of(cell)))}</cpus></cell>"
    )


CAPABILITIES = f"""<capabilities>
  <!-- written for tests -->
  <host>
    <uuid>4c4c4544-0042-4a10-8032-b7c04f4d5333</uuid>
    <cpu>
      <arch>x86_64</arch><model>EPYC-Milan</model><vendor>AMD</vendor>
      <microcode version='167776725'/>
      <signature family='25' model='1' stepping='1'/>
      <counter name='tsc' frequency='2445406000' scaling='yes'/>
      <topology sockets='1' dies='8' cores='8' threads='2'/>
      <maxphysaddr mode='emulate' bits='48'/>
      <feature name='svm'/><feature name='invtsc'/><feature name='aes'/>
      <pages unit='KiB' size='4'/><pages unit='KiB' size='2048'/><pages unit='KiB' size='1048576'/>
    </cpu>
    <power_management><suspend_mem/></power_management>
    <iommu support='yes'/>
    <migration_features><live/><uri_transports><uri_transport>tcp</uri_transport></uri_transports></migration_features>
    <topology><cells num='{CELLS}'>{"".join(map(_cell, range(CELLS)))}</cells></topology>
    <cache>
      <bank id='0' level='3' type='both' size='32' unit='MiB' cpus='0-7,128-135'>
        <control granularity='2' unit='MiB' type='both' maxAllocs='16'/>
      </bank>
      <bank id='1' level='3' type='both' size='32768' unit='KiB' cpus='8-15,136-143'/>
    </cache>
    <secmodel><model>selinux</model><doi>0</doi>
      <baselabel type='kvm'>system_u:system_r:svirt_t:s0</baselabel></secmodel>
    <secmodel><model>dac</model><doi>0</doi><baselabel type='kvm'>+107:+107</baselabel></secmodel>
  </host>
  <guest>
    <os_type>hvm</os_type>
    <arch name='x86_64'>
      <wordsize>64</wordsize><emulator>/usr/libexec/qemu-kvm</emulator>
      <machine maxCpus='240' deprecated='yes'>pc-i440fx-rhel7.6.0</machine>
      <machine canonical='pc-i440fx-rhel7.6.0' maxCpus='240'>pc</machine>
      <machine maxCpus='4096'>pc-q35-rhel9.4.0</machine>
      <machine canonical='pc-q35-rhel9.4.0' maxCpus='4096'>q35</machine>
      <domain type='qemu'/><domain type='kvm'/>
    </arch>
  </guest>
</capabilities>"""


def domain_capabilities(machine: str, virttype: str) -> str:
    """KVM on q35 has secure boot and SEV; pc has not; emulation has no models of AMD."""
    q35, kvm = machine == "q35", virttype == "kvm"
    secure = "<value>yes</value>" if q35 else ""
    full = "pc-q35-rhel9.4.0" if q35 else "pc-i440fx-rhel7.6.0"
    models = {"EPYC-Milan": kvm, "EPYC": kvm, "qemu64": True, "kvm64": True, "Skylake-Server": False}
    listed = "".join(
        f"<model usable='{'yes' if good else 'no'}' vendor='AMD'>{name}</model>" for name, good in models.items()
    )
    sev = (
        "<sev supported='yes'><cbitpos>51</cbitpos><reducedPhysBits>1</reducedPhysBits><maxGuests>410</maxGuests>"
        "<maxESGuests>99</maxESGuests></sev>"
        if kvm and q35
        else "<sev supported='no'/>"
    )
    return f"""<domainCapabilities>
  <path>/usr/libexec/qemu-kvm</path><domain>{virttype}</domain><machine>{full}</machine><arch>x86_64</arch>
  <vcpu max='{4096 if q35 else 240}'/>
  <os supported='yes'>
    <enum name='firmware'><value>bios</value><value>efi</value></enum>
    <loader supported='yes'>
      <value>/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd</value>
      <enum name='secure'><value>no</value>{secure}</enum>
    </loader>
  </os>
  <cpu>
    <mode name='host-passthrough' supported='{"yes" if kvm else "no"}'/>
    <mode name='host-model' supported='yes'><model fallback='forbid'>EPYC-Milan</model></mode>
    <mode name='custom' supported='yes'>{listed}</mode>
  </cpu>
  <devices><disk supported='yes'><enum name='bus'><value>virtio</value><value>scsi</value></enum></disk>
    <tpm supported='no'/></devices>
  <features><vmcoreinfo supported='yes'/>{sev}<sgx supported='no'/></features>
  <launchSecurity supported='yes'><enum name='sectype'><value>sev</value><value>sev-snp</value></enum></launchSecurity>
</domainCapabilities>"""


def _nic(function: int) -> str:
    vfs = "".join(
        f"<address domain='0x0000' bus='0x41' slot='0x{1 + one // 8:02x}' function='0x{one % 8}'/>" for one in range(16)
    )
    return f"""<device><name>pci_0000_41_00_{function}</name><parent>pci_0000_40_01_1</parent>
  <driver><name>mlx5_core</name></driver>
  <capability type='pci'><class>0x020000</class><domain>0</domain><bus>65</bus><slot>0</slot>
    <function>{function}</function>
    <product id='0x101d'>MT2892 Family [ConnectX-6 Dx]</product><vendor id='0x15b3'>Mellanox Technologies</vendor>
    <capability type='virt_functions' maxCount='16'>{vfs if function == 0 else ""}</capability>
    <iommuGroup number='{30 + function}'>
      <address domain='0x0000' bus='0x41' slot='0x00' function='0x{function}'/></iommuGroup>
    <numa node='3'/>
    <pci-express><link validity='cap' port='0' speed='16' width='16'/>
      <link validity='sta' speed='16' width='16'/></pci-express>
  </capability></device>"""


def _vf(number: int) -> str:
    slot, function = 1 + number // 8, number % 8
    return f"""<device><name>pci_0000_41_{slot:02x}_{function}</name><parent>pci_0000_40_01_1</parent>
  <driver><name>vfio-pci</name></driver>
  <capability type='pci'><class>0x020000</class><domain>0</domain><bus>65</bus><slot>{slot}</slot>
    <function>{function}</function><product id='0x101e'/><vendor id='0x15b3'/>
    <capability type='phys_function'><address domain='0x0000' bus='0x41' slot='0x00' function='0x0'/></capability>
    <iommuGroup number='{100 + number}'/><numa node='3'/>
  </capability></device>"""


GPU = """<device><name>pci_0000_a1_00_0</name><driver><name>nvidia</name></driver>
  <capability type='pci'><class>0x030200</class><domain>0</domain><bus>161</bus><slot>0</slot><function>0</function>
    <product id='0x20b5'>GA100 [A100 PCIe 80GB]</product><vendor id='0x10de'>NVIDIA Corporation</vendor>
    <capability type='mdev_types'>
      <type id='nvidia-700'><name>GRID A100D-4C</name><deviceAPI>vfio-pci</deviceAPI>
        <availableInstances>20</availableInstances></type>
      <type id='nvidia-701'><name>GRID A100D-8C</name><deviceAPI>vfio-pci</deviceAPI>
        <availableInstances>10</availableInstances></type>
    </capability>
    <iommuGroup number='44'/><numa node='5'/>
  </capability></device>"""
MDEV = """<device><name>mdev_c60cc60c_c60c_c60c_c60c_c60cc60cc60c_0000_a1_00_0</name><parent>pci_0000_a1_00_0</parent>
  <capability type='mdev'><type id='nvidia-700'/><uuid>c60cc60c-c60c-c60c-c60c-c60cc60cc60c</uuid>
    <iommuGroup number='45'/></capability></device>"""
DISK = """<device><name>block_nvme0n1</name><parent>pci_0000_01_00_0</parent>
  <capability type='storage'><block>/dev/nvme0n1</block><drive_type>disk</drive_type><model>SAMSUNG MZQL23T8</model>
    <serial>0012</serial><size>3840755982336</size><logical_block_size>512</logical_block_size>
    <num_blocks>7501476528</num_blocks></capability></device>"""
LINK = """<device><name>net_ens1f0np0_b8_3f_d2_00_00_01</name><parent>pci_0000_41_00_0</parent>
  <capability type='net'><interface>ens1f0np0</interface><address>b8:3f:d2:00:00:01</address>
    <link speed='100000' state='up'/><feature name='rx'/><feature name='rdma'/>
    <capability type='80203'/></capability></device>"""
DEVICES = [_nic(0), _nic(1), *(map(_vf, range(16))), GPU, MDEV, DISK, LINK]


class Device:
    def __init__(self, document: str) -> None:
        self.document = document

    def XMLDesc(self, _flags: int) -> str:
        return self.document


class Large:
    """A connection to that host: answers what it knows, and refuses the rest as libvirt does."""

    uri = "qemu:///system"

    def __init__(self, **more: t.Any) -> None:
        self.asked: list[str] = []
        self.more = more

    def ask(self, method: str, *arguments: t.Any) -> t.Any:
        self.asked.append(method)
        if method in self.more:
            answer = self.more[method]
            if isinstance(answer, Exception):
                raise answer
            return answer
        known = getattr(self, f"_{method}", None)
        if known is None:
            raise NotSupported(f"{method} of {self.uri}: this function is not supported by the connection driver", 3)
        return known(*arguments)

    def ask_of(self, thing: t.Any, method: str, *arguments: t.Any) -> t.Any:
        return getattr(thing, method)(*arguments)

    def _getCapabilities(self) -> str:
        return CAPABILITIES

    def _getInfo(self) -> list[t.Any]:
        return ["x86_64", CELLS * KIB_OF_CELL >> 10, 256, 2445, CELLS, 1, 16, 2]

    def _getHostname(self) -> str:
        return "hv1.example"

    def _getType(self) -> str:
        return "QEMU"

    def _getCPUMap(self, _flags: int) -> tuple[int, list[bool], int]:
        online = [number % 32 != 31 for number in range(256)]
        return 256, online, sum(online)

    def _getCPUStats(self, number: int, _flags: int) -> dict[str, int]:
        return {"kernel": 1000 + number, "user": 2000, "idle": 7000, "iowait": 0}

    def _getMemoryStats(self, _cell: int) -> dict[str, int]:
        return {"total": CELLS * KIB_OF_CELL, "free": 400 << 20, "buffers": 1024, "cached": 2048}

    def _getCellsFreeMemory(self, start: int, count: int) -> list[int]:
        return [(50 + cell) << 30 for cell in range(start, start + count)]

    def _getFreePages(self, sizes: list[int], start: int, count: int, _flags: int) -> dict[int, dict[int, int]]:
        return {cell: {size: cell + size for size in sizes} for cell in range(start, start + count)}

    def _getDomainCapabilities(
        self, _emulator: t.Any, arch: str, machine: str | None, virttype: str, _flags: int
    ) -> str:
        if arch != "x86_64" or machine not in (None, "pc", "q35"):
            raise NotSupported(f"getDomainCapabilities of {self.uri}: the machine '{machine}' is not supported", 67)
        return domain_capabilities(machine or "pc", virttype)

    def _listAllDevices(self, _flags: int) -> list[Device]:
        return [Device(document) for document in DEVICES]

    def _getSEVInfo(self, _flags: int) -> dict[str, t.Any]:
        return {"pdh": "AAAA", "cert-chain": "BBBB", "cbitpos": 51, "reduced-phys-bits": 1, "max-guests": 410}
