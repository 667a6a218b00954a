# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same guests without a lab: their documents, overlays by qemu-img, `virsh`, all guests at once."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import time
import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.parallel import invoke_in_parallel
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from lab_ground import Ground, Kind, Way, wait_for

INACTIVE = 1  # VIR_NETWORK_XML_INACTIVE


class ByHand(t.NamedTuple):
    """What a person would have written down: of a lab that was, its documents and its files."""

    network: str
    domains: t.Dict[str, str]
    overlays: t.Dict[str, t.Sequence[t.Sequence[str]]]
    ways: t.Dict[str, Way]
    kept: pathlib.Path
    place: pathlib.Path


def written_down(prefix: Prefix, kind: Kind, kept: pathlib.Path) -> ByHand:
    env, ways = prefix.virt_env, kind.ways(prefix)
    seeds = [path for path in pathlib.Path(prefix.paths.images()).iterdir() if path.suffix == ".iso"]
    kept.mkdir(mode=0o755)
    for path in (*seeds, *{pathlib.Path(way.key) for way in ways.values()}):
        shutil.copy2(path, kept)
    vms = env.get_vms()
    return ByHand(
        prefix.connection.handle.networkLookupByUUIDString(env.get_net().uuid).XMLDesc(INACTIVE),
        {name: vm.document() for name, vm in vms.items()},
        {name: vm.disks()[0].chain for name, vm in vms.items()},
        {name: way._replace(key=str(kept / pathlib.Path(way.key).name)) for name, way in ways.items()},
        kept,
        pathlib.Path(prefix.paths.prefix()),
    )


def raised(ground: Ground, hand: ByHand) -> float:
    """Seconds until all guests answer."""
    begun = time.perf_counter()
    shutil.copytree(hand.kept, hand.place / "images")
    (hand.place / "logs").mkdir()
    network = hand.place / "network.xml"
    network.write_text(hand.network)
    ground.daemon.virsh("net-create", str(network))

    def one(name: str) -> None:
        (path, _unused), (below, form) = hand.overlays[name]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", form, "-b", below, path], check=True)
        document = hand.place / f"{name}.xml"
        document.write_text(hand.domains[name])
        ground.daemon.virsh("create", str(document))
        wait_for(hand.ways[name])

    invoke_in_parallel(one, hand.domains)
    return time.perf_counter() - begun


def removed(ground: Ground, hand: ByHand) -> None:
    for word, lister in (("destroy", "list"), ("net-destroy", "net-list")):
        for name in ground.daemon.virsh(lister, "--name").stdout.split():
            ground.daemon.virsh(word, name)
    shutil.rmtree(hand.place)
