# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a KVM node beside virsh and beside a task of nothing; every run has a libvirtd of its own.

The node has 100 guests (defined, not running), 20 networks and 200 volumes. Sides that need libvirt-python are run by
the system's Python, which has it; its start is counted then, and so is virsh's.
"""

from __future__ import annotations

import atexit
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import typing as t

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(CHECKOUT))

from tests.testbed.libvirt.daemon import Daemon  # noqa: E402

Work = t.Callable[[], t.Any]
SYSTEM_PYTHON = "/usr/bin/python3"
COMMUNITY = "ansible==12.3.0"  # has community.libvirt 2.0.0
GUESTS, NETWORKS, VOLUMES = 100, 20, 200

GUEST = (
    "<domain type='qemu'><name>guest{0}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>"
    "<os><type>hvm</type></os></domain>"
)
NETWORK = (
    "<network><name>net{0}</name><bridge name='virbr-b{0}'/><ip address='198.18.{0}.1' netmask='255.255.255.0'>"
    "<dhcp><range start='198.18.{0}.10' end='198.18.{0}.99'/></dhcp></ip></network>"
)

GATHER = """
import json, sys, time
begun = time.perf_counter()
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor import connection as core
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.domains import show
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.facts import read
spent = [0.0]
asked = core.Connection.ask_of
def ask_of(*arguments):
    start = time.perf_counter()
    try:
        return asked(*arguments)
    finally:
        spent[0] += time.perf_counter() - start
core.Connection.ask_of = ask_of
with core.Connection(sys.argv[1], readonly=False) as made:
    facts = read.gather(made, read.chosen([sys.argv[2]]))
    guests = show.domains(made, show.DEFAULT)
print(json.dumps({"seconds": time.perf_counter() - begun, "daemon": spent[0],
                  "found": [len(guests), len(facts["networks"]), sum(map(len, facts.get("volumes", {}).values()))]}))
"""


def node() -> Daemon:
    """A libvirtd with all that is in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-bn-"))
    atexit.register(shutil.rmtree, folder, True)
    folder.chmod(0o755)
    daemon = Daemon(folder)
    atexit.register(daemon.stop)
    (folder / "images").mkdir()
    commands = [f"pool-create-as images dir --target {folder}/images"]
    for kind, count, text in (("define", GUESTS, GUEST), ("net-define", NETWORKS, NETWORK)):
        for number in range(count):
            path = folder / f"{kind}{number}.xml"
            path.write_text(text.format(number))
            commands.append(f"{kind} {path}")
    commands += [f"vol-create-as images disk{number}.img 1MiB --format raw" for number in range(VOLUMES)]
    daemon.virsh(";".join(commands))
    return daemon


def gather() -> Work:
    """All subsets and all guests, in one process with the start of Python."""
    daemon = node()
    return lambda: _gathered(daemon.uri)["found"]


def _gathered(uri: str, subsets: str = "all") -> dict[str, t.Any]:
    done = subprocess.run([SYSTEM_PYTHON, "-c", GATHER, uri, subsets], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def virsh() -> Work:
    """The same questions by virsh, one by one; all guests are one command for it too."""
    daemon = node()

    def ask(*words: str) -> str:
        return daemon.virsh(*words).stdout

    def names(*words: str) -> list[str]:
        return [line.strip() for line in ask(*words).splitlines() if line.strip()]

    def work() -> list[int]:
        for words in (
            "hostname", "nodeinfo", "nodecpumap", "nodecpustats", "nodememstats", "node-memory-tune", "version",
            "capabilities", "freecell --all", "freepages --all", "pool-capabilities", "maxvcpus", "cpu-models x86_64",
            "domcapabilities", "domcapabilities --machine q35", "domcapabilities --virttype qemu",
            "domcapabilities --virttype qemu --machine q35", "secret-list", "domstats",
        ):  # fmt: skip
            ask(*words.split())
        networks = names("net-list", "--all", "--name")
        for name in networks:
            ask("net-info", name)
            ask("net-dumpxml", name)
        volumes = []
        for pool in names("pool-list", "--all", "--name"):
            ask("pool-info", pool)
            ask("pool-dumpxml", pool)
            volumes += [line.split()[0] for line in names("vol-list", pool)]
            for name in volumes:
                ask("vol-dumpxml", name, "--pool", pool)
        for lister, reader in (("nodedev-list", "nodedev-dumpxml"), ("nwfilter-list", "nwfilter-dumpxml")):
            for line in names(lister):
                ask(reader, line.split()[0])
        for line in names("iface-list", "--all"):
            ask("iface-dumpxml", line.split()[0])
        guests = names("list", "--all", "--name")
        return [len(guests), len(networks), len(volumes)]

    return work


def _play(*wanted: dict[str, t.Any], more: str = "") -> list[dict[str, t.Any]]:
    """One play of these tasks on this host with the system's Python; name and seconds of each."""
    import tasks

    host = {"ansible_connection": "local", "ansible_python_interpreter": SYSTEM_PYTHON}
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
        playbook, inventory, times = (pathlib.Path(folder, name) for name in ("play.json", "hosts.json", "times"))
        playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": wanted}]))
        inventory.write_text(json.dumps({"all": {"hosts": {"node": host}}}))
        env = tasks._environment(folder, ANSIBLE_CALLBACKS_ENABLED="seconds", BENCH_TIMES=str(times))
        if more:
            env["ANSIBLE_COLLECTIONS_PATH"] = f"{env['ANSIBLE_COLLECTIONS_PATH']}:{more}"
            env["PYTHONPATH"] = f"{env['PYTHONPATH']}:{more}"
        program = os.path.join(os.path.dirname(sys.executable), "ansible-playbook")
        subprocess.run([program, "-i", str(inventory), playbook], stdout=subprocess.DEVNULL, env=env, check=True)
        return [json.loads(line) for line in times.read_text().splitlines()]


def play() -> Work:
    """All facts but whole documents, and all guests, as a play of two tasks."""
    daemon = node()
    facts = {"uri": daemon.uri, "readonly": False, "gather": ["all", "!documents"]}
    guests = {"uri": daemon.uri}
    wanted = ({"fleet.hypervisor.kvm_node_facts": facts}, {"fleet.hypervisor.kvm_domain_info": guests})
    return lambda: _play(*wanted)


def play_community() -> Work:
    """What community.libvirt can read of the same: the node in short, guests, networks, pools; nothing else."""
    daemon, more = node(), _community()

    def ask(module: str, command: str, **options: str) -> dict[str, t.Any]:
        return {f"community.libvirt.{module}": {"uri": daemon.uri, "command": command, **options}}

    wanted = [
        *(ask("virt", command) for command in ("nodeinfo", "freemem", "virttype", "info")),
        *(ask("virt_net", command) for command in ("list_nets", "info")),
        *(ask("virt_net", "get_xml", name=f"net{number}") for number in range(NETWORKS)),
        *(ask("virt_pool", command) for command in ("list_pools", "info")),
        ask("virt_pool", "get_xml", name="images"),
    ]
    return lambda: _play(*wanted, more=more)


def _community() -> str:
    """A folder with the collection out of the package `ansible`, and lxml, which it needs; fetched once."""
    import zipfile

    folder = CHECKOUT / ".cache" / "community-libvirt"
    if not folder.exists():
        new = folder.with_name(f"{folder.name}.{os.getpid()}")
        pip = [str(CHECKOUT / ".cache" / "venv-libvirt" / "bin" / "python"), "-m", "pip", "-q"]
        subprocess.run([*pip, "download", "--no-deps", "-d", str(new), COMMUNITY], check=True, stdout=sys.stderr)
        subprocess.run([*pip, "install", "--target", str(new), "lxml"], check=True, stdout=sys.stderr)
        for wheel in new.glob("ansible-*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                wanted = [one for one in archive.namelist() if one.startswith("ansible_collections/community/libvirt/")]
                archive.extractall(new, wanted)
            wheel.unlink()
        new.rename(folder)
    return str(folder)


def tasks_in_turn(pairs: int) -> Work:
    """Seconds of whole tasks by turns, ours with the default facts and the empty one, and what the daemon took."""
    daemon = node()
    ours = {"name": "ours", "fleet.hypervisor.kvm_node_facts": {"uri": daemon.uri, "readonly": False}}
    peer = {"name": "peer", "empty": {}}

    def work() -> dict[str, t.Any]:
        lines = _play(*[ours, peer] * pairs)
        spent = sorted(_gathered(daemon.uri, "default")["daemon"] for _unused in range(5))[2]
        return {**{name: [one["seconds"] for one in lines if one["name"] == name] for name in ("ours", "peer")},
                "daemon": spent}  # fmt: skip

    return work


def cases() -> list[t.Any]:
    """The comparison that fits cases.py; `main` has those of tasks too, which need an inventory."""
    from cases import Case, Peer

    bare = ("worlds", "bare")
    crowd = f"{GUESTS} guests, {NETWORKS} networks and {VOLUMES} volumes"
    one_by_one = Peer("virsh, one by one", ("nodes", "virsh"), time=1 / 10)
    return [Case("node", f"all facts of a node with {crowd}", bare, ("nodes", "gather"), (one_by_one,))]


def main() -> int:
    """Without the other benchmarks: `python tests/benchmarks/nodes.py [ROUNDS]`, from the tools' environment."""
    import statistics
    import time

    os.environ.setdefault("BENCH_NETNS", "-")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    top = tempfile.mkdtemp(prefix="fleet-bench-")
    atexit.register(shutil.rmtree, top, True)
    fleet = pathlib.Path(top, "ansible_collections", "fleet")
    fleet.mkdir(parents=True)
    (fleet / "hypervisor").symlink_to(CHECKOUT)
    os.environ.update(PYTHONPATH=top, ANSIBLE_COLLECTIONS_PATH=top)
    for make in (gather, virsh, play, play_community):
        work = make()
        work()
        found = []
        for _unused in range(rounds):
            begun = time.perf_counter()
            tasks = work()
            whole = time.perf_counter() - begun
            found.append(sum(one["seconds"] for one in tasks) if isinstance(tasks[0], dict) else whole)
        print(f"{make.__name__:16} {statistics.median(found):8.3f} s", flush=True)
    turns = tasks_in_turn(2 * rounds)()
    ours, empty = (statistics.median(turns[name][1:]) for name in ("ours", "peer"))
    print(f"task {ours:.3f} s, empty task {empty:.3f} s, daemon {turns['daemon']:.3f} s;", end=" ")
    print(f"({ours:.3f} - {turns['daemon']:.3f}) / {empty:.3f} = {(ours - turns['daemon']) / empty:.2f}, wanted <= 1.5")
    return 0


if __name__ == "__main__":
    sys.exit(main())
