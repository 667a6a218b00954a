# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab in a folder: what Lago calls a prefix. All that changes it stands in its journal before it happens."""

from __future__ import annotations

import json
import os
import typing as t
from contextlib import contextmanager

from ..hypervisor.connection import Connection
from ..plan import Plan
from . import config, files, identity
from .errors import LagoError
from .paths import Paths
from .progress import Progress
from .wish import Wish

if t.TYPE_CHECKING:
    from .journal import Journal
    from .standing import Standing
    from .templates.repository import TemplateRepository
    from .templates.store import TemplateStore
    from .virt_env import VirtEnv

Conf = t.Mapping[str, t.Any]


class Prefix:
    """The lab in the folder `prefix`; `settings` go before those of its own and of Lago's files (see config)."""

    def __init__(
        self, prefix: str, settings: t.Mapping[str, str] | None = None, progress: Progress | None = None
    ) -> None:
        self.paths = Paths(os.path.abspath(prefix))
        self.settings = dict(settings or {})
        self.progress = progress or Progress()
        self._connection: Connection | None = None
        self._journal: Journal | None = None
        self._virt_env: VirtEnv | None = None

    def __enter__(self) -> Prefix:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections to libvirt and to the VMs; they are made again when they are needed."""
        self.forget()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def uuid(self) -> str:
        """Raises LagoError where there is no prefix."""
        found = files.first_line(self.paths.uuid())
        if not identity.is_uuid(found):
            raise LagoError(f"{self.paths.prefix()} is no prefix of Lago's: it has no file uuid")
        return found

    @property
    def connection(self) -> Connection:
        """To libvirt, opened when it is first needed. Raises KvmError."""
        if self._connection is None:
            self._connection = Connection(self.setting("libvirt_url"), readonly=False)
        return self._connection

    def setting(self, key: str) -> str:
        """Said here, or when the prefix was made, or on this host. Raises KeyError."""
        if key in self.settings:
            return self.settings[key]
        kept = self._get_metadata().get("settings", {})
        return str(kept[key] if key in kept else config.get(key))

    def _get_metadata(self) -> dict[str, t.Any]:
        try:
            found = json.loads((files.read_small(self.paths.metadata()) or b"{}").decode())
        except ValueError:
            raise LagoError(f"{self.paths.metadata()} is no JSON") from None
        return found if isinstance(found, dict) else {}

    @property
    def virt_env(self) -> VirtEnv:
        """The lab as it was last said. Raises LagoError where that never was."""
        if self._virt_env is None:
            from .virt_env import VirtEnv

            self._virt_env = VirtEnv.from_prefix(self)
        return self._virt_env

    def forget(self) -> None:
        """Reads the lab's file anew, when it is next needed. Its VMs are others then: connections to them end."""
        if self._virt_env is not None:
            self._virt_env.disconnect()
        self._virt_env = None

    def initialized(self) -> bool:
        return os.path.exists(self.paths.initialized())

    def specified(self) -> bool:
        """Whether virt_conf was run to its end."""
        return os.path.exists(self.paths.virt("env"))

    def standing(self) -> Standing:
        """What the journal says, also while another process works on the prefix. Raises JournalDamaged."""
        from .records import look

        return look(self.paths.journal())

    # What changes it

    def initialize(self) -> bool:
        """Makes the folders, the uuid and the key pair; whether anything was made. Raises LagoError, OSError."""
        if self.initialized() and not self.standing().action:
            return False
        from . import laying

        laying.make_folder(self.paths)
        with self.working("initialize", settings=self.settings) as journal:
            laying.initialize(self, journal)
        return True

    def virt_conf(
        self,
        conf: Conf,
        template_repo: TemplateRepository | str | None = None,
        template_store: TemplateStore | None = None,
        init_file: str = "",
    ) -> Plan:
        """Makes the lab the one of the init file `conf` (a dictionary); what runs of it goes on, changed.

        `init_file`: the folder that $LAGO_INITFILE_PATH means. Raises LagoError, ChangeFailed, KvmError, OSError.
        """
        return self.converge(Wish("", conf, None, template_repo, template_store, init_file))

    def start(self, vms: t.Sequence[str] | None = None) -> Plan:
        """Networks and VMs: all, or those that are named, besides those that run already."""
        return self.converge(Wish("started", vms=vms))

    def stop(self, vms: t.Sequence[str] | None = None) -> Plan:
        """As by pulling the plug: all VMs and the networks, or the VMs that are named."""
        return self.converge(Wish("stopped", vms=vms))

    def converge(self, wish: Wish) -> Plan:
        """Brings the lab to what is wished. Returns the plan that was carried out.

        Raises LagoError, ChangeFailed, KvmError, OSError.
        """
        if wish.state == "absent":
            return self.destroy()
        from .converging import carry_out

        self.initialize()
        return carry_out(self, wish)

    def plan(self, wish: Wish) -> Plan:
        """What `converge` would carry out; changes nothing, and needs no prefix to be there."""
        if wish.state == "absent":
            from .absence import plan_absent

            return plan_absent(self)
        from .planning import planned

        return planned(self, wish)

    def destroy(self) -> Plan:
        """Removes all that was ever begun, then the folder. Raises LagoError, KvmError, OSError."""
        from .absence import plan_absent
        from .destroying import destroy

        made = plan_absent(self)
        if made:
            self.forget()
            destroy(self)
        return made

    def cleanup(self) -> None:
        """Lago's name for it."""
        self.destroy()

    def resume(self) -> str:
        """Ends what a killed process had begun; the action, "" if there was none. Raises what the action does."""
        from .resume import resume

        return resume(self)

    def save(self) -> None:
        self.virt_env.save()

    @contextmanager
    def working(self, action: str, **arguments: t.Any) -> t.Iterator[Journal]:
        """Around all that an action does: one process at a time; what a killed one left half is cleared away first.

        Raises LockTimeout, JournalDamaged, and what clearing away raises.
        """
        if self._journal is not None:
            raise LagoError(f"{action}: another action on {self.paths.prefix()} has not ended")
        from .journal import Journal

        with Journal(self.paths.journal()) as journal:
            self._journal = journal
            try:
                self._recover(journal)
                journal.begin(action, **arguments)
                yield from self._watched(journal)
            finally:
                self._journal = None
                self.forget()

    def _recover(self, journal: Journal) -> None:
        from .resume import clear_halves, settle

        settle(self, journal)
        clear_halves(self, journal)

    @staticmethod
    def _watched(journal: Journal) -> t.Iterator[Journal]:
        try:
            yield journal
        except Exception as error:
            try:
                journal.end("failed", str(error))
            except OSError:  # a full disk, of which the error itself tells
                pass
            raise
        journal.end()

    # Snapshots and archives are files of their own

    def create_snapshots(self, name: str, **how: t.Any) -> t.Any:
        from .snapshots import create_snapshots

        return create_snapshots(self, name, **how)

    def revert_snapshots(self, name: str, **how: t.Any) -> t.Any:
        from .reverting import revert_snapshots

        return revert_snapshots(self, name, **how)

    def delete_snapshots(self, name: str, **how: t.Any) -> t.Any:
        from .snapshots import delete_snapshots

        return delete_snapshots(self, name, **how)

    def export(self, path: str, **how: t.Any) -> t.Any:
        from .exporting import export

        return export(self, path, **how)

    def collect(self, dest: str, **how: t.Any) -> t.Any:
        from .collecting import collect

        return collect(self, dest, **how)
