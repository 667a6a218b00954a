# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the xenstore modules on real daemons: generated trees, and what people get wrong."""

from __future__ import annotations

import base64
import itertools
import re
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils import plan as spine
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import PyXSError
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes import hope, show, task
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes.notation import WrongNode
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes.place import NoSuchDomain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.testbed.xen import guest
from tests.xenstore.conftest import AnyDaemon, client_of, connection_to, stock

if t.TYPE_CHECKING:
    from tests.testbed.xen import daemons

Model = t.Dict[str, t.Tuple[bytes, str]]  # path below the top -> value, permissions

DEFAULTS: dict[str, t.Any] = {
    "socket": None, "xenbus": None, "timeout": 30.0, "nodes": None, "secrets": [], "path": None, "domid": None,
    "guest": None, "state": "present", "value": None, "encoding": "text", "permissions": None, "tree": None,
    "restore": None, "purge": False,
}  # fmt: skip
NODE = {name: DEFAULTS[name] for name in list(DEFAULTS)[list(DEFAULTS).index("path") :]}


class Tasks:
    """The modules' tasks against one daemon."""

    def __init__(self, daemon: AnyDaemon) -> None:
        self.daemon = daemon
        at = str(daemon.socket)
        self.way = {"xenbus": at, "socket": None} if daemon.socket.is_char_device() else {"socket": at, "xenbus": None}
        self.most = connection_to(daemon).payload_max
        self.hidden: list[str] = []

    def apply(self, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        if params.get("nodes") is not None:
            params["nodes"] = [{**NODE, **one} for one in params["nodes"]]
        return task.run({**DEFAULTS, **self.way, **params}, check, self.hidden.append)

    def info(self, **params: t.Any) -> dict[str, t.Any]:
        asked = {**DEFAULTS, **self.way, "subtree": False, "snapshot": False, **params}
        return show.node_info(asked, self.hidden.append)

    def wait(self, *conditions: dict[str, t.Any], **params: t.Any) -> dict[str, t.Any]:
        full = [dict.fromkeys(hope.CONDITION, None) | {"state": "present"} | one for one in conditions]
        asked = {**self.way, "guests": [], "any_of": False, "conditions": full}
        return hope.run({**asked, **params})

    def domains(self) -> dict[int, dict[str, t.Any]]:
        return {one["domid"]: one for one in show.domain_info({**DEFAULTS, **self.way})["domains"]}

    def listed(self, top: str) -> Model:
        """What the stock tool shows of `top`, and below; it leaves out where it begins."""
        found: Model = {}
        for line in stock(self.daemon, "xenstore-ls", "-f", "-p", top.rpartition("/")[0]).splitlines():
            match = re.fullmatch(r'(\S+) = "(.*)"   \((.*)\)', line)
            assert match, line
            if match[1] == top or match[1].startswith(f"{top}/"):
                found[match[1][len(top) :]] = (_unescaped(match[2]), match[3])
        return found


SHORT = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}


def _unescaped(shown: str) -> bytes:
    """What xenstore-ls makes of unprintable bytes: octal numbers, hexadecimal ones, and a few letters."""

    def plain(match: re.Match[str]) -> str:
        if match[1][0] == "x":
            return chr(int(match[1][1:], 16))
        return SHORT.get(match[1]) or chr(int(match[1], 8))

    return re.sub(r"\\([0-7]{3}|x[0-9a-f]{2}|.)", plain, shown).encode("latin-1")


@pytest.fixture
def tasks(daemon: AnyDaemon) -> Tasks:
    return Tasks(daemon)


names = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_@-]{0,6}", fullmatch=True)
permissions = st.lists(st.sampled_from(["n0", "r0", "b0", "n5", "r5", "w5", "b5"]), min_size=1, max_size=3)
own = st.fixed_dictionaries(
    {},
    optional={
        ".permissions": permissions,
        ".value": st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.integers(), st.none()),
    },
)
binary = st.binary(max_size=60).map(lambda value: {".base64": base64.b64encode(value).decode()})
leaves = st.one_of(own, binary, st.text('ab \n"\\\0é', max_size=10), st.integers(), st.none())
trees = st.builds(
    lambda mine, children: {**mine, **children},
    own,
    st.dictionaries(
        names,
        st.recursive(
            leaves, lambda below: st.builds(lambda a, b: {**a, **b}, own, st.dictionaries(names, below, max_size=4))
        ),
        max_size=5,
    ),
)


def modelled(tree: t.Any, before: Model, path: str = "", inherited: str = "n0") -> Model:
    """What is there after `tree` was applied with purge to what was there before."""
    node = tree if isinstance(tree, dict) else {".value": tree}
    value, rights = before.get(path, (b"", inherited))
    if ".base64" in node:
        value = base64.b64decode(node[".base64"])
    elif node.get(".value") is not None:
        value = str(node[".value"]).encode()
    if ".permissions" in node:
        rights = ",".join(node[".permissions"])
    found = {path: (value, rights)}
    for name, below in node.items():
        if not name.startswith("."):
            found.update(modelled(below, before, f"{path}/{name}", rights))
    return found


def differing(one: Model, other: Model) -> set[str]:
    return {path for path in {*one, *other} if one.get(path) != other.get(path)}


_number = itertools.count()


@pytest.fixture
def domain5(daemon: daemons.Daemon) -> None:
    """To give permissions to."""
    guest.RingConnection(daemon.folder, 5)


@pytest.mark.usefixtures("domain5")
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=trees, second=trees)
def test_generated_trees(tasks: Tasks, top: bytes, first: t.Any, second: t.Any) -> None:
    """Written, read, changed, purged, restored and removed: equal each time, and the second run changes nothing."""
    path = f"{top.decode()}/{next(_number)}"
    now: Model = {}
    steps: list[tuple[dict[str, t.Any], t.Callable[[Model], Model]]] = [
        ({"tree": first}, lambda before: modelled(first, before)),
        ({"tree": second, "purge": True}, lambda before: modelled(second, before)),
    ]
    snapshots = []
    for params, model in steps:
        now = _step(tasks, path, params, now, model(now))
        snapshots.append((tasks.info(path=path, snapshot=True)["snapshot"], now))
    for snapshot, then in snapshots:
        now = _step(tasks, None, {"restore": snapshot}, now, then, path)
    assert tasks.apply(path=path, state="absent")["changed"]
    assert not tasks.apply(path=path, state="absent")["changed"]
    assert tasks.info(path=path) == {"exists": False, "path": path}


def _step(tasks: Tasks, path: str | None, params: dict[str, t.Any], now: Model, then: Model, top: str = "") -> Model:
    where = path or top
    changed = {where + one for one in differing(now, then)}
    predicted = tasks.apply(check=True, path=path, **params)
    if now:
        assert tasks.listed(where) == now
    done = tasks.apply(path=path, **params)
    assert predicted == done
    assert {line.partition(": ")[0] for line in done["changes"]} == changed
    assert done["changed"] == bool(changed)
    assert tasks.listed(where) == then
    again = tasks.apply(path=path, **params)
    assert (again["changed"], again["changes"]) == (False, [])
    return then


def test_lines_are_those_of_the_stock_tool(tasks: Tasks, top: bytes) -> None:
    path = top.decode()
    result = tasks.apply(path=path, tree={"a": {".permissions": ["n0", "r0"], ".value": "x", "b": "y"}})
    assert result["diff"] == {"before": "", "after": f'{path}/a = "x"   (n0,r0)\n{path}/a/b = "y"\n'}
    gone = tasks.apply(path=f"{path}/a", state="absent")
    assert gone["diff"]["before"] == stock_before(path)
    assert gone["diff"]["after"] == ""


def stock_before(path: str) -> str:
    return f'{path}/a = "x"   (n0,r0)\n{path}/a/b = "y"   (n0,r0)\n'


def test_missing_parents_are_shown_and_made(tasks: Tasks, top: bytes) -> None:
    path = f"{top.decode()}/a/b/c"
    result = tasks.apply(path=path, value="v")
    assert [line.rpartition("/")[2] for line in result["changes"]] == ["a: create", "b: create", "c: create"]


def test_equal_values_are_not_written(tasks: Tasks, client: Client, top: bytes) -> None:
    """Whoever watches hears of what changed, and of nothing else."""
    path = top.decode()
    tasks.apply(path=path, tree={"a": "1", "b": "1", "c": {".permissions": ["n0"]}})
    with client.monitor() as monitor:
        monitor.watch(top, b"token")
        next(monitor.wait())
        tasks.apply(path=path, tree={"a": "1", "b": "1", "c": {".permissions": ["n0"]}})
        tasks.apply(path=path, tree={"a": "1", "b": "2", "c": {".permissions": ["n0"]}}, check=True)
        tasks.apply(path=path, tree={"a": "1", "b": "2", "c": {".permissions": ["n0"]}})
        assert next(monitor.wait()) == (top + b"/b", b"token")
        client.write(top + b"/end", b"")
        assert next(monitor.wait()) == (top + b"/end", b"token")


def test_secrets(tasks: Tasks, top: bytes) -> None:
    path = top.decode()
    tasks.apply(path=path, tree={"password": "old-secret", "user": "me"})
    result = tasks.apply(path=path, tree={"password": "new-secret", "user": "you"}, secrets=["*/password"])
    assert result["diff"]["before"] == f'{path}/password = (secret)\n{path}/user = "me"\n'
    assert result["diff"]["after"] == f'{path}/password = (secret, changed)\n{path}/user = "you"\n'
    assert {"old-secret", "new-secret"} <= set(tasks.hidden)
    assert "me" not in tasks.hidden
    gone = tasks.apply(path=path, state="absent", secrets=["password"])
    assert "secret, " not in gone["diff"]["before"]
    assert "new-secret" not in str(gone)
    with pytest.raises(WrongNode, match=rf"tree\.password: .* {tasks.most} at most") as caught:
        tasks.apply(path=path, tree={"password": "s3cret" * 1000}, secrets=["password"])
    assert "s3cret" not in str(caught.value)


def test_many_nodes_in_one_task(tasks: Tasks, top: bytes) -> None:
    path = top.decode()
    nodes = [
        {"path": f"{path}/a", "value": "AAH/", "encoding": "base64"},
        {"path": f"{path}/b", "tree": {"x/y": "1"}, "purge": True},
        {"path": f"{path}/c", "state": "absent"},
    ]
    tasks.apply(path=path, tree={"b": {"old": "1"}, "c": {"d": "1"}})
    result = tasks.apply(nodes=nodes)
    assert result["paths"] == [f"{path}/a", f"{path}/b", f"{path}/c"]
    assert tasks.listed(path) == {
        "": (b"", "n0"), "/a": (b"\0\1\xff", "n0"), "/b": (b"", "n0"), "/b/x": (b"", "n0"), "/b/x/y": (b"1", "n0"),
    }  # fmt: skip
    assert not tasks.apply(nodes=nodes)["changed"]


def test_purging_spares_what_another_entry_wants(tasks: Tasks, top: bytes) -> None:
    path = top.decode()
    nodes = [{"path": path, "purge": True, "tree": {}}, {"path": f"{path}/kept/below", "value": "1"}]
    tasks.apply(nodes=nodes)
    assert not tasks.apply(nodes=nodes)["changed"]
    assert tasks.info(path=path, subtree=True)["tree"] == {"kept": {"below": "1"}}


def test_a_snapshot_to_another_place(tasks: Tasks, top: bytes) -> None:
    path = top.decode()
    tasks.apply(path=f"{path}/from", tree={".permissions": ["r0"], "a": {".base64": "/w=="}, "b": ""})
    snapshot = tasks.info(path=f"{path}/from", snapshot=True)["snapshot"]
    tasks.apply(path=f"{path}/to", tree={"c": "goes"})
    tasks.apply(path=f"{path}/to", restore=snapshot)
    assert tasks.listed(f"{path}/to") == tasks.listed(f"{path}/from")


def test_a_failure_leaves_nothing(tasks: Tasks, top: bytes) -> None:
    """One node of many is refused by the daemon, here for its size."""
    path = top.decode()
    tree = {**{f"n{number}": "x" for number in range(200)}, "no": "x" * (tasks.most - len(path) - 4)}
    if tasks.daemon.kind == "c":  # which takes any value; what it refuses is a domain that is not there
        tree["no"] = {".permissions": ["n999"]}
    with pytest.raises(spine.ChangeFailed, match=r"/no: create.*undone again"):
        tasks.apply(path=path, tree=tree)
    assert tasks.info(path=path)["children"] == []


def test_a_conflict_is_repeated(tasks: Tasks, client: Client, top: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody changes a node between our look at it and our commit: looked at again, and then right."""
    path = top.decode()
    client.write(top + b"/a", b"0")
    looks = []
    observe = task.observe

    def disturbed(inner: Client, wanted: t.Any) -> t.Any:
        picture = observe(inner, wanted)
        if not looks:
            client.write(top + b"/a", b"wanted")
        looks.append(picture.values[top + b"/a"])
        return picture

    monkeypatch.setattr(task, "observe", disturbed)
    result = tasks.apply(path=path, tree={"a": "wanted", "b": "new"})
    assert (looks[0], looks[-1]) == (b"0", b"wanted")
    assert len(looks) > 2
    assert result["changes"] == [f"{path}/b: create"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"path": "/"}, None),
        ({"path": "/", "state": "absent"}, "root"),
        ({"path": "/", "purge": True, "tree": {}}, "root is not purged"),
        ({"path": "@releaseDomain", "value": "x"}, "special path"),
        ({"path": "/a b", "value": "x"}, r"path: '/a b': a path takes"),
        ({"path": "/x", "tree": {"a": True}}, r"tree\.a: a value is text, not True \(quote it\)"),
        ({"path": "/x", "tree": {"a": 1.10}}, r"tree\.a: a value is text"),
        ({"path": "/x", "tree": {"a": [1]}}, r"tree\.a: a value is text"),
        ({"path": "/x", "tree": {True: "a"}}, r"no name of a node"),
        ({"path": "/x", "tree": {"a": {".vaule": "x"}}}, r"tree\.a: \.vaule is none of"),
        ({"path": "/x", "tree": {"a": {".value": "x", ".base64": "eA=="}}}, "one value"),
        ({"path": "/x", "tree": {"a": {".base64": "?"}}}, r"tree\.a\.\.base64: this is not base64"),
        ({"path": "/x", "tree": {"a": {".permissions": "n0"}}}, "permissions are a list"),
        ({"path": "/x", "tree": {"a": {".permissions": ["q0"]}}}, "is no permission"),
        ({"path": "/x", "tree": {"a/b": "1", "a": {"b": "2"}}}, "given before, at tree.a/b"),
        ({"path": "/x", "tree": {"/a": "1"}}, "no name of a node"),
        ({"path": "/x", "tree": {"a/": "1"}}, "ends with a /"),
        ({"path": "/x", "tree": {".value": "1"}, "value": "2"}, "for the same node"),
        ({"path": "/x", "value": "?", "encoding": "base64"}, "value: this is not base64"),
        ({"path": "/x", "value": "1", "state": "absent"}, "no meaning"),
        ({"restore": {"path": "/x"}}, "as xenstore_info makes it"),
        ({"path": "/x", "value": "y", "timeout": 0}, "timeout"),
        ({"nodes": [{"path": "/x"}, {"path": "/x/y", "value": "1"}, {"path": "/x", "value": "1"}]}, "given before"),
        ({"nodes": [{"path": "/x", "state": "absent"}, {"path": "/x/y", "value": "1"}]}, "to be absent, and"),
        ({"domid": 0, "path": "/x"}, "without the slash"),
        ({"domid": -1}, "from 0 on"),
    ],
)
def test_what_cannot_be_meant(tasks: Tasks, params: dict[str, t.Any], words: str | None) -> None:
    if words is None:
        assert not tasks.apply(**params)["changed"]
        return
    with pytest.raises(WrongNode, match=words):
        tasks.apply(**params)


class TestGuests:
    @pytest.fixture
    def tasks(self, fresh: daemons.Daemon) -> Tasks:
        with Client(str(fresh.socket)) as client:
            for domid, name in ((0, b"Domain-0"), (1, b"web"), (2, b"db"), (3, b"db")):
                client[b"/local/domain/%d/name" % domid] = name
        return Tasks(fresh)

    def test_by_number_and_by_name(self, tasks: Tasks) -> None:
        assert tasks.apply(domid=1, path="vm-data/a", value="1")["path"] == "/local/domain/1/vm-data/a"
        assert not tasks.apply(guest="web", path="vm-data/a", value="1")["changed"]
        assert tasks.info(guest="web")["children"] in (["name", "vm-data"], ["vm-data", "name"])

    def test_who_is_not_there(self, tasks: Tasks) -> None:
        with pytest.raises(NoSuchDomain, match="no domain in XenStore has the name nobody"):
            tasks.apply(guest="nobody", path="a", value="1")
        with pytest.raises(NoSuchDomain, match="domains 2, 3 have the name db"):
            tasks.apply(guest="db", path="a", value="1")
        with pytest.raises(NoSuchDomain, match="no domain 77"):
            tasks.apply(domid=77, path="a", value="1")
        assert tasks.apply(guest="nobody", path="a", state="absent") == {
            "changed": False, "changes": [], "diff": {"before": "", "after": ""}, "path": None,
        }  # fmt: skip
        assert tasks.info(guest="nobody") == {"exists": False}

    def test_domains_are_listed(self, tasks: Tasks) -> None:
        found = list(tasks.domains().values())
        assert [(one["domid"], one["name"]) for one in found] == [(0, "Domain-0"), (1, "web"), (2, "db"), (3, "db")]
        assert found[0]["nodes"] > 4
        assert found[0]["nodes_quota"] == 1000
        assert found[1]["path"] == "/local/domain/1"
        assert found[1]["introduced"] is False

    def test_waiting_for_a_guest_that_comes(self, tasks: Tasks) -> None:
        import threading

        def come() -> None:
            with client_of(tasks.daemon) as client:
                client["/local/domain/9/name"] = b"late"
                client["/local/domain/9/data/ready"] = b"1"

        timer = threading.Timer(0.3, come)
        timer.start()
        found = tasks.wait({"guest": "late", "path": "data/ready", "value": "1"}, timeout=20.0)
        timer.join()
        assert found["values"] == [{"path": "/local/domain/9/data/ready", "exists": True, "value": "1"}]
        assert 0.2 < found["elapsed"] < 20

    def test_waiting_in_each_guest(self, tasks: Tasks) -> None:
        tasks.apply(nodes=[{"domid": domid, "path": "data/ready", "value": "1"} for domid in (0, 1)])
        conditions = [{"path": "data/ready", "value": "1"}, {"domid": 2, "path": "x", "state": "absent"}]
        found = tasks.wait(*conditions, guests=["web", "Domain-0"], timeout=5.0)
        assert [one["path"] for one in found["values"]] == [
            "/local/domain/1/data/ready",
            "/local/domain/0/data/ready",
            "/local/domain/2/x",
        ]

    def test_waiting_in_vain(self, tasks: Tasks) -> None:
        with pytest.raises(NoSuchDomain, match="waited in vain"):
            tasks.wait({"guest": "never", "path": "x"}, timeout=0.2)
        with pytest.raises(PyXSError, match="/local/domain/1/x is absent"):
            tasks.wait({"domid": 1, "path": "x", "regex": "a"}, timeout=0.2)
        with pytest.raises(WrongNode, match=r"conditions\[0\]\.regex"):
            tasks.wait({"domid": 1, "path": "x", "regex": "("}, timeout=0.2)


def test_info_shows_binary_values(tasks: Tasks, client: Client, top: bytes) -> None:
    client[top + b"/bin"] = b"\xff\0"
    client[top + b"/long/deep"] = "é".encode()
    shown = tasks.info(path=top.decode() + "/bin")
    assert (shown["value"], shown["value_base64"], shown["permissions"]) == (None, "/wA=", ["n0"])
    tree = tasks.info(path=top.decode(), subtree=True)["tree"]
    assert tree == {"bin": {".base64": "/wA="}, "long": {"deep": "é"}}
