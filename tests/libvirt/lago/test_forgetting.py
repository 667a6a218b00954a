# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that forgets a snapshot of a lab that runs."""

from __future__ import annotations

import os
import typing as t

from tests.libvirt.lago.conftest import Host, lab


def test_a_snapshot_is_forgotten_once_and_what_runs_goes_on(host: Host, task: t.Callable[..., t.Any]) -> None:
    prefix = host.prefix()
    where = {
        "path": prefix.paths.prefix(),
        "uri": host.settings["libvirt_url"],
        "lease_dir": host.settings["lease_dir"],
        "template_store": host.settings["template_store"],
    }

    def done(check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        result = task("lago_prefix", check, **where, **arguments).result()
        assert not result.get("failed"), result
        return t.cast(t.Dict[str, t.Any], result)

    assert done(state="snapshot_absent", snapshot="x")["changed"] is False, "of a lab that is not there"
    done(spec=lab("one"), wait_for="none")
    for name in ("first", "second"):
        done(state="snapshotted", snapshot=name)
    forget = {"state": "snapshot_absent", "snapshot": "second"}
    foretold = done(check=True, **forget)
    assert foretold["changed"] and foretold["prefix"]["snapshots"] == ["first", "second"]
    forgotten = done(**forget)
    assert forgotten["changes"] == foretold["changes"] == ["snapshot second: forget"]
    assert forgotten["diff"] == {"before": "snapshot second\n", "after": ""}
    assert (forgotten["prefix"]["snapshots"], forgotten["prefix"]["snapshot"]) == (["first"], "first")
    assert forgotten["prefix"]["vms"][0]["state"] == "running"
    assert done(**forget)["changed"] is False
    assert done(state="snapshot_absent", snapshot="first")["prefix"]["snapshots"] == []
    assert sorted(os.listdir(prefix.paths.images())) == ["one_root.qcow2", "one_seed.iso"], "folded into the disk"
