# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is to become."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .templates.repository import TemplateRepository
    from .templates.store import TemplateStore


class Wish(t.NamedTuple):
    """`state`: initialized, started, stopped, absent; "": what runs goes on.

    `conf`: the init file as a dictionary (None: as it is). `vms`: those that are started or stopped (None: all).
    `template_repo`: itself, or its file, URL or name. `init_file`: the folder that $LAGO_INITFILE_PATH means.
    """

    state: str
    conf: t.Mapping[str, t.Any] | None = None
    vms: t.Sequence[str] | None = None
    template_repo: TemplateRepository | str | None = None
    template_store: TemplateStore | None = None
    init_file: str = ""

    def arguments(self) -> dict[str, t.Any]:
        """What the journal keeps, to do it again: a Wish's, in JSON's types."""
        repository = self.template_repo
        said = repository if repository is None or isinstance(repository, str) else repository.path
        vms = None if self.vms is None else list(self.vms)
        return {"state": self.state, "conf": self.conf, "vms": vms, "template_repo": said, "init_file": self.init_file}
