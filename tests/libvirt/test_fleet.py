# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forty nodes in one play by role node_facts, some of which fail; the quickstart; a Python without libvirt."""

from __future__ import annotations

import csv
import html.parser
import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.libvirt.conftest import COLLECTIONS, TEST_DRIVER
from tests.libvirt.test_seed import NODE

ROOT = Path(__file__).parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
NODES = 40
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)

Play = t.Callable[..., str]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """`play(playbook, hosts)`: what it prints; hosts are names with their variables."""

    def run(playbook: t.Any, hosts: dict[str, t.Any], *words: str) -> str:
        inventory = tmp_path / "inventory.json"
        inventory.write_text(json.dumps({"hypervisors": {"hosts": hosts}}))
        path = playbook
        if not isinstance(playbook, Path):
            path = tmp_path / "play.json"
            path.write_text(json.dumps(playbook))
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "HOME": str(tmp_path),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "1",
        }
        done = subprocess.run(
            [str(PLAYBOOK), "-i", str(inventory), *words, str(path)],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        return done.stdout + done.stderr

    return run


def local(uri: str, **more: t.Any) -> dict[str, t.Any]:
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": "/usr/bin/python3",
        "node_facts_uri": uri,
        **more,
    }


def recap(printed: str) -> dict[str, tuple[int, ...]]:
    """Host -> ok, changed, unreachable, failed."""
    return {match[1]: tuple(map(int, match.groups()[1:])) for match in RECAP.finditer(printed)}


class Cells(html.parser.HTMLParser):
    """The words of a page, and every tag that a page of ours has no use for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.foreign: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())

    def handle_starttag(self, tag: str, attrs: t.Any) -> None:
        if tag in ("script", "link", "img", "iframe") or any(name in ("src", "href") for name, _unused in attrs):
            self.foreign.append(tag)


def test_forty_nodes_of_which_one_fails_and_one_is_not_reached(play: Play, tmp_path: Path) -> None:
    hosts = {f"hv{number:02d}": local(TEST_DRIVER if number % 2 else f"test://{NODE}") for number in range(NODES)}
    hosts["hv07"] = local(f"test://{tmp_path}/<b>none</b>.xml")
    hosts["hv08"] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    folder = tmp_path / "out"
    role = {"role": "fleet.hypervisor.node_facts", "vars": {"node_facts_directory": str(folder)}}
    playbook = [{"hosts": "hypervisors", "gather_facts": False, "roles": [role]}]
    printed = play(playbook, hosts, "--forks", "10")
    found = recap(printed)
    assert len(found) == NODES, printed
    assert {name for name, counts in found.items() if counts[2] or counts[3]} == {"hv08"}

    with (folder / "fleet.csv").open(newline="") as file:
        rows = {row["node"]: row for row in csv.DictReader(file)}
    assert list(rows) == list(hosts)
    assert {name for name, row in rows.items() if row["error"]} == {"hv07", "hv08"}
    assert "<b>none</b>.xml" in rows["hv07"]["error"] and rows["hv08"]["error"] == "not reached"
    assert (rows["hv01"]["cpus"], rows["hv01"]["memory_gib"], rows["hv01"]["vcpus"]) == ("16", "3.0", "2")
    assert (rows["hv00"]["cpus"], rows["hv00"]["guests_running"], rows["hv00"]["guests_defined"]) == ("96", "1", "2")
    assert rows["hv00"]["cpu_overcommit"] == "0.042"

    for name in set(hosts) - {"hv07", "hv08"}:
        facts = json.loads((folder / f"{name}.json").read_text())["kvm_node"]
        assert facts["node"]["cpus"] == (16 if int(name[2:]) % 2 else 96)
    assert "parse" in json.loads((folder / "hv07.json").read_text())["error"]

    page = Cells((folder / "fleet.html").read_text())
    assert page.foreign == [] and "<b>none</b>" in " ".join(page.words)
    assert set(hosts) <= set(page.words) and "of 40 nodes answered" in page.words
    assert str(20 * 96 - 96 + 19 * 16) in page.words  # CPUs of those that answered

    again = recap(play(playbook, {name: hosts[name] for name in ("hv00", "hv01", "hv03")}))
    assert len(again) == 3 and all(counts[3] == 0 for counts in again.values())


def test_cells_of_the_table_are_no_formulas(play: Play, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    hosts = {'=cmd|"x"': local(TEST_DRIVER)}
    role = {"role": "fleet.hypervisor.node_facts", "vars": {"node_facts_directory": str(folder)}}
    play([{"hosts": "hypervisors", "gather_facts": False, "roles": [role]}], hosts)
    with (folder / "fleet.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["node"] == '\'=cmd|"x"' and row["cpus"] == "16"


def test_the_quickstart_for_nodes_changes_nothing_in_its_second_run(play: Play, tmp_path: Path) -> None:
    hosts = {"one": local(TEST_DRIVER, quickstart_nodes_uri=TEST_DRIVER)}
    path = ROOT / "playbooks" / "quickstart_nodes.yml"
    words = ("-e", f"quickstart_nodes_uri={TEST_DRIVER}")
    for run in (1, 2):
        printed = play(path, hosts, *words)
        assert recap(printed)["one"][2:] == (0, 0), printed
        assert '"free_bytes": 107374182400' in printed and re.search(r'"msg": \[\s+"test"\s+\]', printed)
        assert (recap(printed)["one"][1] == 0) is (run == 2), printed
    assert (tmp_path / "fleet-nodes" / "fleet.html").exists()


def test_a_python_without_libvirt_goes_on_with_the_one_that_has_it(play: Play, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    python = bare / "bin" / "python"
    assert subprocess.run([python, "-c", "import libvirt"], stderr=subprocess.DEVNULL, check=False).returncode != 0
    tasks = [
        {"fleet.hypervisor.kvm_node_facts": {"uri": TEST_DRIVER, "gather": ["versions"]}},
        {"fleet.hypervisor.kvm_domain_info": {"uri": TEST_DRIVER}},
        {"fleet.hypervisor.kvm_node": {"uri": TEST_DRIVER, "ksm": {"pages_to_scan": 1}}, "ignore_errors": True},
    ]
    hosts = {"one": {"ansible_connection": "local", "ansible_python_interpreter": str(python)}}
    printed = play([{"hosts": "all", "gather_facts": False, "tasks": tasks}], hosts)
    assert recap(printed)["one"][0] == 3 and "not supported by the connection driver" in printed, printed
    assert "libvirt-python is missing" not in printed
