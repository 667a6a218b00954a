# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An unprivileged guest on its ring: what it may not, its quotas, and its answers to dom0."""

from __future__ import annotations

import errno
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore import server, waiting
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import PyXSError
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes import domain, task

from tests.testbed.xen import guest
from tests.xenstore.test_store import refused

if t.TYPE_CHECKING:
    from tests.testbed.xen import daemons

Play = t.Callable[["daemons.Daemon", int], Client]

HOME = b"/local/domain/5"


@pytest.fixture
def dom0(fresh: daemons.Daemon) -> t.Iterator[Client]:
    with Client(str(fresh.socket), timeout=10) as client:
        yield client


def test_a_guest_in_its_place(fresh: daemons.Daemon, dom0: Client, play: Play) -> None:
    client = play(fresh, 5)
    client["data/key"] = b"from the guest"
    assert dom0[HOME + b"/data/key"] == b"from the guest"
    assert dom0.get_perms(HOME + b"/data/key") == [b"n5"]
    dom0[HOME + b"/vm-data"] = b"from dom0"
    assert client["vm-data"] == b"from dom0"
    assert sorted(client.list(HOME)) == [b"data", b"vm-data"]


def test_a_guest_asks_in_a_transaction(fresh: daemons.Daemon, play: Play) -> None:
    client = play(fresh, 5)
    client["n"] = b"1"

    def work() -> None:
        client["n"] = b"%d" % (int(client["n"]) + 1)

    client.in_transaction(work)
    assert client["n"] == b"2"


def test_a_guest_is_denied(fresh: daemons.Daemon, dom0: Client, play: Play) -> None:
    client = play(fresh, 5)
    dom0["/secret"] = b"x"
    dom0["/shared"] = b"y"
    dom0.set_perms("/shared", ["n0", "r5"])
    assert client["/shared"] == b"y"
    with refused(errno.EACCES):
        client.read("/secret")
    with refused(errno.EACCES):
        client.write("/shared", b"z")
    with refused(errno.EACCES):
        client.write("/new", b"z")
    client["own"] = b""
    for attempt in (
        lambda: client.set_perms("own", ["n0"]),
        lambda: client.introduce_domain(6, 1, 1),
        lambda: client.release_domain(5),
    ):
        with pytest.raises(PyXSError) as caught:
            attempt()
        assert caught.value.errno in (errno.EACCES, errno.EPERM)
    assert dom0["/shared"] == b"y"


def test_granted_and_taken_back(fresh: daemons.Daemon, dom0: Client, play: Play) -> None:
    client = play(fresh, 5)
    dom0["/shared"] = b"y"
    for perms, reads, writes in ((["n0"], 0, 0), (["n0", "r5"], 1, 0), (["n0", "w5"], 0, 1), (["b0"], 1, 1)):
        dom0.set_perms("/shared", perms)
        assert (_may(lambda: client.read("/shared")), _may(lambda: client.write("/shared", b"z"))) == (reads, writes)


def _may(act: t.Callable[[], t.Any]) -> int:
    try:
        act()
    except PyXSError as error:
        assert error.errno == errno.EACCES
        return 0
    return 1


def test_the_quota_of_nodes(fresh: daemons.Daemon, dom0: Client, play: Play) -> None:
    client = play(fresh, 5)
    count = 0
    with refused(errno.ENOSPC):
        while count < 2000:
            client.mkdir(b"data/d%d/n%d" % (count // 50, count))
            count += 1
    account = server.accounts(dom0, [5])[5]
    assert account.quota["nodes"] == 1000
    assert 990 <= account.used["nodes"] <= 1001
    assert count == sum(not children for _unused, _unused, children in dom0.walk(HOME + b"/data"))
    dom0.delete(HOME + b"/data")
    assert server.accounts(dom0, [5])[5].used["nodes"] < 10


def test_the_quotas_of_transactions_and_sizes(fresh: daemons.Daemon, play: Play) -> None:
    from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import Op

    client = play(fresh, 5)
    started = 0
    with pytest.raises(PyXSError) as caught:
        while started < 50:
            client.router.ask(Op.TRANSACTION_START, b"\0")
            started += 1
    assert caught.value.errno in (errno.ENOSPC, errno.EINVAL, errno.EAGAIN)
    assert 5 <= started <= 20
    with pytest.raises(PyXSError) as caught:
        client.write("big", b"x" * 3000)
    assert caught.value.errno in (errno.ENOSPC, errno.E2BIG)


def test_a_task_within_the_quota_or_not_at_all(fresh: daemons.Daemon, dom0: Client, play: Play) -> None:
    """A tree too large for the guest that writes it: refused, and nothing of it is there."""
    client = play(fresh, 5)
    tree = {f"n{number}": "x" for number in range(1100)}
    with pytest.raises(PyXSError) as caught:
        client.in_transaction(lambda: [client.write("data/" + name, b"x") for name in tree])
    assert caught.value.errno == errno.ENOSPC
    assert dom0.list(HOME) == []


def test_an_answer_is_waited_for(fresh: daemons.Daemon, dom0: Client, play: Play) -> None:
    """The guest watches what it is told, and answers; both by watches, in one thread by turns."""
    client = play(fresh, 5)
    monitor = client.monitor()
    monitor.watch("vm-data/ask", b"token")
    next(monitor.wait())
    dom0[HOME + b"/vm-data/ask"] = b"how are you?"
    assert next(monitor.wait()) == (b"vm-data/ask", b"token")
    client["data/answer"] = b"fine"
    assert waiting.wait_for(dom0, {HOME + b"/data/answer": waiting.equals(b"fine")}, 5)


def test_domains_come_and_go(fresh: daemons.Daemon, dom0: Client, play: Play) -> None:
    with dom0.monitor() as monitor:
        monitor.watch("@introduceDomain", b"in")
        monitor.watch("@releaseDomain", b"out")
        assert {next(monitor.wait()).token, next(monitor.wait()).token} == {b"in", b"out"}
        assert not dom0.is_domain_introduced(5)
        play(fresh, 5)
        assert next(monitor.wait()) == (b"@introduceDomain", b"in")
        assert dom0.is_domain_introduced(5)
        guest.destroy(fresh.folder, 5)
        assert next(monitor.wait()).token == b"out"
        guest.vanish(fresh.folder, 5)
        waiting_for_end = [next(monitor.wait(timeout=5)).token for _unused in range(1) if dom0.is_domain_introduced(5)]
        assert set(waiting_for_end) <= {b"out"}
        assert not dom0.is_domain_introduced(5)


class TestDomainTask:
    PARAMS: t.ClassVar[dict[str, t.Any]] = {
        "socket": None, "xenbus": None, "timeout": 10.0, "domid": 5, "state": None, "frame": 1, "port": 1,
        "force": False, "resume": False, "target": None,
    }  # fmt: skip

    def _run(self, daemon: daemons.Daemon, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        return domain.run({**self.PARAMS, "socket": str(daemon.socket), **params}, check)

    def test_introduce_and_release(self, fresh: daemons.Daemon, dom0: Client) -> None:
        guest.RingConnection(fresh.folder, 5)
        assert self._run(fresh, state="introduced", check=True)["changed"]
        assert not dom0.is_domain_introduced(5)
        result = self._run(fresh, state="introduced")
        assert result["changes"] == ["domain 5: introduce, frame 1, port 1"]
        assert result["diff"] == {"before": "domain 5  released\n", "after": "domain 5  introduced\n"}
        assert dom0.is_domain_introduced(5)
        assert not self._run(fresh, state="introduced")["changed"]
        with pytest.raises(domain.WrongNode, match="cut off"):
            self._run(fresh, state="released")
        assert dom0.is_domain_introduced(5)
        assert self._run(fresh, state="released", force=True)["changes"] == ["domain 5: release"]
        assert not dom0.is_domain_introduced(5)
        assert not self._run(fresh, state="released")["changed"]

    def test_a_target_gives_its_rights(self, fresh: daemons.Daemon, dom0: Client, play: Play) -> None:
        play(fresh, 5)
        model = play(fresh, 6)
        with refused(errno.EACCES):
            model.write(HOME + b"/k", b"v")
        assert self._run(fresh, domid=6, target=5)["changed"]
        model.write(HOME + b"/k", b"v")

    def test_resume(self, fresh: daemons.Daemon, play: Play) -> None:
        play(fresh, 5)
        assert self._run(fresh, resume=True)["changes"] == ["domain 5: resume"]

    def test_what_cannot_be(self, fresh: daemons.Daemon) -> None:
        with pytest.raises(domain.WrongNode, match="from 1 on"):
            self._run(fresh, domid=0, state="released")
        with pytest.raises(task.spine.ChangeFailed, match=r"domain 9: introduce.*INTRODUCE 9"):
            self._run(fresh, domid=9, state="introduced")
