# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of a template that comes by HTTP, whose connection breaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates import http
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.libvirt.lago.conftest import Host, lab
from tests.libvirt.lago.test_templates import repository
from tests.unit.lago.web import serving

FIRST = [1 << 20, 1 << 20]  # bytes of what is asked for before the image: its digest, what is known of it


def test_an_image_that_breaks_off_is_gone_on_with(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut until the try is given up, and once more in the next, which takes up where each ended."""
    monkeypatch.setattr(http, "PAUSE", 0.001)
    conf = lab("one", disks=[{"name": "root", "type": "template", "template_name": "base"}])
    path = Path(repository(host.folder / "kept"))
    host.settings["template_store"] = str(host.folder / "kept" / "store")
    image = (path.parent / "base.qcow2").read_bytes()
    part = len(image) // 4
    dom = json.loads(path.read_text())
    with serving() as web:
        dom["sources"]["here"] = {"type": "http", "args": {"baseurl": web.url}}
        path.write_text(json.dumps(dom))
        web.files = {f"/{one.name}": one.read_bytes() for one in path.parent.iterdir()}
        web.breaks = [*FIRST, part] + [0] * http.ATTEMPTS
        prefix = host.prefix()
        with pytest.raises(ChangeFailed, match=f"base.qcow2: it broke off after {part} of {len(image)} bytes"):
            prefix.converge(Wish("started", conf, template_repo=str(path)))
        assert not [one for one in host.look() if one.startswith(("domain", "network", "link lg"))]
        web.asked.clear()
        web.breaks = [*FIRST, part]
        prefix.converge(Wish("started", conf, template_repo=str(path)))
        assert web.ranges_of("/base.qcow2") == [f"bytes={part}-", f"bytes={2 * part}-"]
    (disk,) = prefix.virt_env.get_vm("one").disks()
    assert Path(disk.chain[1][0]).read_bytes() == image
