# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab tells of how far it is while something takes long: downloads, and memory that is written."""

from __future__ import annotations

import hashlib
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import memory
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.progress import Progress

from tests.libvirt.lago.conftest import Host, lab
from tests.unit.lago.web import Server, serving

IMAGE = os.urandom(4 << 20)


@pytest.fixture
def reports(host: Host) -> t.Iterator[Path]:
    yield host.folder / "kept-reports"


def percents(reports: Path, what: str, vm: str = "") -> list[int]:
    found = [json.loads(line) for line in reports.read_text().splitlines()]
    return [one["percent"] for one in found if (one["what"], one["vm"]) == (what, vm)]


def repository(web: Server, folder: Path) -> str:
    web.files.update({"/base": IMAGE, "/base.hash": hashlib.sha256(IMAGE).hexdigest().encode()})
    about = {
        "name": "lab",
        "templates": {"base": {"versions": {"v1": {"source": "web", "handle": "base", "timestamp": 1}}}},
        "sources": {"web": {"type": "http", "args": {"baseurl": web.url}}},
    }
    path = folder / "kept-repository.json"
    path.write_text(json.dumps(about))
    return str(path)


def test_downloads_of_a_template_and_of_a_disk_have_percents_that_rise(host: Host, reports: Path) -> None:
    host.settings["template_store"] = str(host.folder / "kept-store")
    with serving() as web:
        web.files["/data"] = IMAGE
        disks = [
            {"name": "root", "type": "template", "template_name": "base"},
            {"name": "data", "type": "file", "url": f"{web.url}/data", "format": "raw", "dev": "vdb"},
        ]
        prefix = host.prefix()
        prefix.progress = Progress(str(reports))
        prefix.virt_conf(lab("one", disks=disks), template_repo=repository(web, host.folder))
    for of in (("getting template: base",), ("getting disk data", "one")):
        seen = percents(reports, *of)
        assert seen == sorted(set(seen)) and seen[-1] == 100 and len(seen) > 3
    assert percents(reports, "template there: base") == percents(reports, "disk made", "one")[:1] == [None]


def test_memory_is_written_with_percents(host: Host, reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LOOK", 0.01)
    prefix = host.prefix()
    prefix.progress = Progress(str(reports))
    prefix.virt_conf(lab("one", memory=4096))
    prefix.start()
    prefix.create_snapshots("with", memory=True)
    seen = percents(reports, "writing memory", "one")
    assert seen and seen == sorted(set(seen))
    prefix.create_snapshots("without")
    assert percents(reports, "writing memory", "one") == seen
