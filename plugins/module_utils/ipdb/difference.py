# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From two pictures to the steps that make the second of the first: pure, and the only place that knows their order.

Links are matched by index. Unwanted links that stand in the way of wanted ones (the same name, or the same kind: two
VLANs of one number, two tunnels of one key) go first, others last; what needs an object comes after it:

    names, masters left, MTUs lowered, links made and changed, ports joined and set, links taken down, addresses,
    links taken up, forwarding, neighbours, routes, rules; then what goes: rules, routes, links
"""

from __future__ import annotations

import itertools
import operator

from .collecting import uncollected
from .picture import Picture
from .same import same_picture
from .step import Waves


@uncollected
def difference(before: Picture, after: Picture, impossible: bool = False) -> Waves:
    """The steps from `before` to `after`, in waves; none where both are the same.

    Raises Impossible for a link that nobody can make (a NIC, or one of an unknown kind); with `impossible` it becomes a
    step that does nothing.
    """
    if _latest and _latest[0][0] is before and _latest[0][1] is after:
        return _latest[0][2]
    waves = _steps(before, after, impossible)
    if not impossible:
        _latest[:] = [(before, after, waves)]
    return waves


# A plan is reviewed and then carried out: the second time it is the same.
_latest: list[tuple[Picture, Picture, Waves]] = []


def _steps(before: Picture, after: Picture, impossible: bool) -> Waves:
    if same_picture(before, after):
        return ()
    from . import address_steps, forwarding_steps, link_steps, removal_steps, route_steps
    from .draft import Draft

    draft = Draft(before, after, impossible)
    if before.links is not after.links:
        link_steps.plan(draft)
    address_steps.plan(draft)
    link_steps.plan_up(draft)
    forwarding_steps.plan(draft)
    route_steps.plan(draft)
    removal_steps.remove_last(draft)
    wave_of = operator.attrgetter("wave")
    ordered = sorted(draft.steps, key=wave_of)
    return tuple(tuple(wave) for _unused, wave in itertools.groupby(ordered, key=wave_of))
