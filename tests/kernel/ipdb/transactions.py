# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions without Ansible: the parameters that it would give them, applied in a namespace of the test's own.

What a host is like before and after is also asked of iproute2, which knows nothing of pictures.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import apply, spec
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.capture import capture
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.difference import difference
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.picture import KEYS, Picture
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.same import reordered
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.step import Waves, touched
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.wanted import desired
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket

from tests.kernel.links import Bench as LinkBench
from tests.kernel.links import differing, filled


class Plan(t.NamedTuple):
    before: Picture
    after: Picture
    waves: Waves

    def review(self) -> list[str]:
        return [f"{step.what}: {step.how}" for wave in self.waves for step in wave]


class Bench(LinkBench):
    """One namespace and transactions in it."""

    def __init__(self, netns: str) -> None:
        super().__init__(netns)
        self.channel = NetlinkSocket(netns=netns)

    def close(self) -> None:
        self.channel.close()

    def picture(self) -> t.Any:
        links, *routes = super().picture()
        for one in links:
            one.pop("qdisc", None)  # a link that was never up has none yet
        return [links, *routes]

    def plan(self, **params: t.Any) -> Plan:
        before = self.capture()
        after = desired(before, filled(params, spec.WANTED))
        return Plan(before, after, difference(before, after))

    def capture(self) -> Picture:
        """What is there, as it comes out of a journal."""
        return Picture.from_json(json.loads(json.dumps(capture(self.channel).to_json())))

    def commit(self, **params: t.Any) -> Plan:
        """A transaction as it has to be: applied, verified, and nothing left to do the second time."""
        plan = self.plan(**params)
        outcome = apply.transact(self.channel, plan.before, plan.after)
        assert not outcome.meanwhile, outcome.meanwhile
        again = self.plan(**params).review()
        assert again == [], again
        return plan

    def roll_back(self, plan: Plan) -> None:
        """Back to where the plan began, of which nothing but its journal is left."""
        places = json.loads(json.dumps(touched(plan.waves)))
        stuck = apply.rollback(self.channel, plan.before, places)
        assert stuck == [], stuck

    def there_and_back(self, **params: t.Any) -> Plan:
        """Applied, taken back, equal to before; then applied for good."""
        seen = self.picture()
        plan = self.commit(**params)
        self.roll_back(plan)
        assert_same(self.capture(), plan.before)
        other = differing(seen, self.picture())
        assert not other, other
        return self.commit(**params)


def assert_same(now: Picture, before: Picture) -> None:
    """Every field of every object, but for the order of links."""
    for name in KEYS:
        mine, theirs = dict(now.table(name)), before.table(name)
        for key, one in theirs.items() if name == "links" else ():
            if one.get("kind") == "bridge" and "address" not in one and key in mine:
                # It had lost its last port: an address of zeros, which nobody can give it.
                mine[key] = {field: value for field, value in mine[key].items() if field != "address"}
        assert name != "addresses" or not reordered(mine, theirs), f"{list(theirs)}, and now {list(mine)}"
        other = {key: (theirs.get(key), mine.get(key)) for key in {*mine, *theirs} if mine.get(key) != theirs.get(key)}
        assert not other, f"{name}, before and now: {other}"
