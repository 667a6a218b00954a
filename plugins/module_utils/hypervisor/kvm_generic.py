# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python-kvm's generic commands: the node itself."""

from __future__ import annotations

import time
import typing as t

from .connection import Connection
from .document import from_xml, parse
from .errors import KvmError
from .facts import cpu, host, memory
from .facts.node import Node
from .facts.values import version

ALL = "*"
SUSPEND = {"mem": (0, "suspend_mem"), "disk": (1, "suspend_disk"), "hybrid": (2, "suspend_hybrid")}
SHORTEST_SUSPEND = 60  # seconds; libvirt refuses less too
SHARED = "shm_"


class Generic:
    """Methods named after virsh's commands. They raise KvmError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _node(self) -> Node:
        return Node(self._connection)  # without what an earlier call remembered

    def _xml(self, method: str, *arguments: t.Any) -> t.Any:
        root = parse(self._connection.ask(method, *arguments))
        return from_xml(root)[root.tag]

    def capabilities(self) -> dict[str, t.Any]:
        return self._xml("getCapabilities")

    def domcapabilities(
        self,
        virttype: str | None = None,
        emulatorbin: str | None = None,
        arch: str | None = None,
        machine: str | None = None,
    ) -> dict[str, t.Any]:
        return self._xml("getDomainCapabilities", emulatorbin, arch, machine, virttype, 0)

    def freecell(self, cellno: int | None = None, all: bool = False) -> dict[str, str]:
        """What is free: in all (`total`), in one cell (by its number), or in each and all of them."""
        if cellno is not None:
            return {str(cellno): _kib(self._connection.ask("getCellsFreeMemory", cellno, 1)[0] >> 10)}
        if not all:
            return {"total": _kib(self._connection.ask("getFreeMemory") >> 10)}
        node = self._node
        numbers = memory.cells(node)
        free = node.ask("getCellsFreeMemory", 0, numbers[-1] + 1)
        sums = {str(number): free[number] >> 10 for number in numbers}
        return {name: _kib(value) for name, value in {**sums, "total": sum(sums.values())}.items()}

    def freepages(self, all: bool = False, cellno: int | None = None) -> dict[str, dict[str, int]]:
        """Free pages of each size: by cell with `all`, or of one cell."""
        node = self._node
        numbers = memory.cells(node) if cellno is None else [cellno]
        sizes = sorted(host.node(node)["cpu"]["page_sizes_kib"])
        found = node.ask("getFreePages", sizes, numbers[0], numbers[-1] - numbers[0] + 1, 0)
        return {f"node_{cell}": {f"{size}kib": free for size, free in of.items()} for cell, of in found.items()}

    def node_memory_tune(self, *values: int, **settings: int) -> dict[str, int] | None:
        """Kernel samepage merging: all that is known of it, or sets what is given: shm_pages_to_scan,
        shm_sleep_millisecs, shm_merge_across_nodes, in this order or by name (also without `shm_`)."""
        if len(values) > len(memory.SETTABLE):
            raise KvmError(f"node_memory_tune: {len(values)} values, where there are {len(memory.SETTABLE)}")
        settings = {**dict(zip(memory.SETTABLE, values)), **settings}
        if not settings:
            return dict(self._connection.ask("getMemoryParameters", 0))
        named = {f"{SHARED}{_bare(name)}": value for name, value in settings.items()}
        unknown = set(named) - set(memory.SETTABLE)
        if unknown:
            raise KvmError(f"node_memory_tune: {', '.join(sorted(unknown))} cannot be set")
        self._connection.ask("setMemoryParameters", named, 0)
        return None

    def nodecpumap(self) -> dict[str, t.Any]:
        """`cpus_present`, `cpus_online` and `cpu_map`, y or - for each CPU."""
        present, online, count = cpu.cpu_map(self._node)
        return {
            "cpus_present": present,
            "cpus_online": count,
            "cpu_map": "".join("y" if one else "-" for one in online),
        }

    def nodecpustats(self, cpu: str | int = ALL, percent: bool = False) -> dict[str, t.Any]:
        """ns since the host began, or shares of one second; of all CPUs or of one."""
        return _cpustats(self._node, -1 if cpu == ALL else int(cpu), percent)

    def nodeinfo(self) -> dict[str, t.Any]:
        node = self._node
        model, mib, cpus, mhz, cells, sockets, cores, threads = node.once("getInfo")
        return {
            "cpu_model": model,
            "cpus": cpus,
            "cpu_frequency": f"{mhz} MHz",
            "cpu_sockets": sockets,
            "cores_per_socket": cores,
            "threads_per_core": threads,
            "numa_cells": cells,
            "memory_size": _kib(host.memory_kib(node, mib, cells)),
        }

    def nodememstats(self, cell: str | int = ALL) -> dict[str, str]:
        said = self._connection.ask("getMemoryStats", -1 if cell == ALL else int(cell), 0)
        return {name: _kib(value) for name, value in said.items()}

    def nodesuspend(self, target: str, duration: int, check: bool = False) -> None:
        """Suspends the host to `mem`, `disk` or `hybrid` for `duration` seconds; with `check` only asks if it could."""
        if target not in SUSPEND:
            raise KvmError(f"nodesuspend: {target!r} is not one of {', '.join(SUSPEND)}")
        if duration < SHORTEST_SUSPEND:
            raise KvmError(f"nodesuspend: {duration} s are less than {SHORTEST_SUSPEND} s")
        number, name = SUSPEND[target]
        able = [child.tag for child in self._node.capabilities.iterfind("host/power_management/*")]
        if name not in able:
            raise KvmError(f"nodesuspend: the host cannot suspend to {target}; it can: {', '.join(able) or 'nothing'}")
        if not check:
            self._connection.ask("suspendForDuration", number, duration, 0)

    def sysinfo(self) -> dict[str, t.Any]:
        """Entries by part; a list of them where there may be several of a part."""
        root = parse(self._connection.ask("getSysinfo", 0))
        found: dict[str, t.Any] = dict(root.attrib)
        for part in root:
            entries = {one.get("name"): (one.text or "").strip() for one in part.iterfind("entry")}
            if part.tag not in found:
                found[part.tag] = entries
            elif isinstance(found[part.tag], list):
                found[part.tag].append(entries)
            else:
                found[part.tag] = [found[part.tag], entries]
        return found

    def version(self) -> dict[str, str]:
        kind = self._connection.ask("getType")
        binding, daemon, hypervisor = (
            version(number)
            for number in (
                self._connection.libvirt.getVersion(),
                self._connection.ask("getLibVersion"),
                self._connection.ask("getVersion"),
            )
        )
        return {
            "compiled_against_library": f"libvirt {binding}",
            "using_library": f"libvirt {binding}",
            "using_api": f"{kind} {daemon}",
            "running_hypervisor": f"{kind} {hypervisor}",
        }

    def uri(self) -> str:
        return self._connection.ask("getURI")

    def maxvcpus(self, type: str | None = None) -> int:
        """Virtual CPUs that a guest may have, of the default kind or of a type."""
        if type is None:
            try:
                return int(self.domcapabilities()["vcpu"]["@max"])
            except (KvmError, KeyError):
                pass  # an older driver, or one without machine types
        return self._connection.ask("getMaxVcpus", type)

    def cpu_models(self, arch: str) -> list[str]:
        return list(self._connection.ask("getCPUModelNames", arch, 0))

    def cpu_baseline(self, *documents: str) -> dict[str, t.Any]:
        """The CPU that all of the given hosts' and guests' CPUs (XML) can be."""
        return self._xml("baselineCPU", list(documents), 0)

    def cpu_compare(self, document: str) -> str:
        """How a CPU (XML) compares with the host's: incompatible, identical, superset."""
        return ("incompatible", "identical", "superset")[self._connection.ask("compareCPU", document, 0)]

    def allocpages(self, pagesize: int, pagecount: int, cellno: int | None = None, add: bool = False) -> int:
        """So many pages of so many KiB in a cell, or in each; `add` to those there are. The number of them."""
        first, count = (cellno, 1) if cellno is not None else (0, len(memory.cells(self._node)))
        return self._connection.ask("allocPages", {pagesize: pagecount}, first, count, 0 if add else 1)


def _cpustats(node: Node, number: int, percent: bool) -> dict[str, t.Any]:
    first = cpu.sample(node, [number])
    if not percent:
        return _virsh(first.ns[number])
    time.sleep(1)
    shares = cpu.percentages(first.ns[number], cpu.sample(node, [number]).ns[number])
    return {} if shares is None else {name: f"{share}%" for name, share in _virsh(shares).items()}


def _virsh(said: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """With the names that virsh has."""
    return {"system" if name == "kernel" else name: value for name, value in said.items()}


def _kib(value: int) -> str:
    return f"{value} KiB"


def _bare(name: str) -> str:
    name = name.replace("-", "_")
    return name[len(SHARED) :] if name.startswith(SHARED) else name
