# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's schemas (docs/schemas/*.rng) say of its documents, as far as the shape of a dictionary needs it.

Rows are "parent: children": the same name is a list in one place and single in another (`host/cpu`, `cpus/cpu`).
"""

from __future__ import annotations

import typing as t

Path = t.Tuple[str, ...]  # tags, from the root's on


def _pairs(rows: str) -> frozenset[tuple[str, str]]:
    split = (row.split(":") for row in rows.split("\n") if row.strip())
    return frozenset((parent.strip(), child) for parent, children in split for child in children.split())


# Children that may be there several times.
_SEVERAL = _pairs("""
capabilities: guest
host: secmodel
secmodel: baselabel
cpu: feature pages mode
uri_transports: uri_transport
cells: cell
cell: pages cache
distances: sibling
cpus: cpu
cache: bank
bank: control
memory_bandwidth: node
node: control
interconnects: latency bandwidth
arch: machine domain
domain: machine seclabel
mode: model feature blockers
blockers: feature
enum: value
loader: value
sysinfo: processor memory_device baseBoard
device: capability devnode
capability: capability feature address type
iommuGroup: address
pci-express: link
network: ip route portgroup
dhcp: range host
dns: host forwarder txt srv
host: hostname
forward: interface address
nat: port
vlan: tag
source: host device
storagepoolCapabilities: pool
sev: cpu0Id
devices: disk interface controller channel serial parallel console hostdev filesystem graphics video sound audio
devices: input redirdev smartcard hub rng memory panic shmem tpm lease watchdog
os: boot initarg initenv acpitable
cputune: vcpupin vcpusched iothreadpin iothreadsched cachetune memorytune
numatune: memnode
numa: cell
blkiotune: device
hugepages: page
vcpus: vcpu
clock: timer
interface: ip route protocol
protocol: ip route
bridge: interface
bond: interface
graphics: listen channel
iothreadids: iothread
disks: disk
filter: rule filterref
filterref: parameter
domainsnapshot: domain
""")
_SEVERAL_ANYWHERE = frozenset(("enum", "entry"))

# Text that is a decimal number.
_NUMBERS = _pairs("""
cell: memory pages
arch: wordsize
capability: domain bus slot function size logical_block_size num_blocks host unique_id max_vports vports
capability: lun target
type: availableInstances
pool: capacity allocation available
volume: capacity allocation physical
target: capacity allocation physical
permissions: owner group
domain: memory currentMemory maxMemory vcpu iothreads
network: maxpages
sev: cbitpos reducedPhysBits maxGuests maxESGuests
sgx: section_size
section: size
""")

# Attributes that are decimal numbers.
_NUMBER_ATTRIBUTES = _pairs("""
cells: num
cpus: num
cell: id memory
cpu: id socket_id die_id cluster_id core_id
sibling: id value
bank: id level size
control: granularity min maxAllocs
node: id
cache: level
pages: size
page: size
machine: maxCpus
signature: family model stepping
microcode: version
counter: frequency
topology: sockets dies clusters cores threads
maxphysaddr: bits
vcpu: max current id
capability: maxCount
iommuGroup: number
numa: node
link: port
mtu: size
ip: prefix
route: prefix metric
port: start end
bridge: delay
tag: id
iothread: id
vcpupin: vcpu
boot: order
controller: index ports vectors
""")

# Elements that may have attributes beside their text: always a dictionary, so that the text has one place.
_ATTRIBUTES = _pairs("""
cell: memory pages
arch: machine
secmodel: baselabel
mode: model
pool: capacity allocation available
volume: capacity allocation physical
domain: memory currentMemory maxMemory vcpu
capability: product vendor
device: devnode
os: type loader nvram
""")


def several(path: Path) -> bool:
    return path[-2:] in _SEVERAL or path[-1] in _SEVERAL_ANYWHERE


def has_attributes(path: Path) -> bool:
    return path[-2:] in _ATTRIBUTES or path[-1] == "entry"


def typed(path: Path, attribute: str, value: str) -> str | int:
    return number(value) if (path[-1], attribute) in _NUMBER_ATTRIBUTES else value


def typed_text(path: Path, text: str) -> str | int:
    return number(text) if path[-2:] in _NUMBERS else text


LONGEST_NUMBER = 22  # characters; libvirt's have up to 20


def number(text: str) -> str | int:
    """The int, if writing it again gives the same text."""
    return (
        int(text)
        if len(text) < LONGEST_NUMBER and text.isdecimal() and text.isascii() and (text[0] != "0" or text == "0")
        else text
    )
