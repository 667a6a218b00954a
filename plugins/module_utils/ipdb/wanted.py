# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants, as a picture: the one that is there with what the task says of it.

`params` are those of the module: `interfaces` as `netlink_link` takes them, `routes` as `netlink_route` does, `rules`,
`neighbours`, `fdb`, `bridge_vlans`, `scope`, `protect`; besides `carrying`, names of the links that carry the task
itself, and `carrying_rules`, keys of the rules that lead there.
None for a list says nothing; with the scope `exact` an empty one says that there is to be none.
"""

from __future__ import annotations

import typing as t

from .collecting import uncollected
from .picture import Picture
from .wanting import Wanting

Params = t.Mapping[str, t.Any]

ENTRIES = ("bridge_vlans", "rules", "neighbours", "fdb")


@uncollected
def desired(before: Picture, params: Params) -> Picture:
    """The picture that is wanted, with the place of each object in the task.

    Raises WrongLink, WrongRoute or WrongEntry, all of them ValueErrors that name the option.
    """
    wanting = Wanting(before)
    exact = params.get("scope") == "exact"
    if params.get("interfaces") is not None:
        from . import wanted_links

        wanted_links.apply(wanting, params["interfaces"], params.get("netns"))
        if exact:  # before routes look for the links that lead to their gateways
            _exactly(wanting, params, ("links",))
    if params.get("routes") is not None:
        from . import wanted_routes

        wanted_routes.apply(wanting, params["routes"])
    if any(params.get(name) for name in ENTRIES):
        from . import wanted_entries

        for name in ENTRIES:
            wanted_entries.APPLY[name](wanting, params.get(name) or ())
    if exact:
        _exactly(wanting, params, ("routes", "rules", "neighbours", "fdb"))
    if not wanting.changed():
        return before._replace(places=wanting.places, said=wanting.said)
    from . import following

    following.apply(wanting)
    return wanting.picture()


def _exactly(wanting: Wanting, params: Params, tables: t.Sequence[str]) -> None:
    from . import exactly

    exactly.apply(wanting, params, tables)
