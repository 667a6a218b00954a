# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every module that speaks with XenStore reaches it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  socket:
    description:
      - Unix socket of the XenStore daemon. Without O(socket) and O(xenbus) it is found as Xen's own library does.
        The variables C(XENSTORED_PATH) and C(XENSTORED_RUNDIR) of the environment come first, then
        C(/var/run/xenstored/socket), then C(/dev/xen/xenbus).
    type: path
  xenbus:
    description: XenBus device, by which the kernel passes requests on to the daemon.
    type: path
"""

    # A module that asks and is answered at once.
    TIMEOUT = r"""
options:
  timeout:
    description: Seconds that the daemon may take for any one answer, and a transaction for all its attempts.
    type: float
    default: 30.0
"""
