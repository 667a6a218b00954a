# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module about labs needs to know of the host that they are on."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - libvirt-python on the managed host (package C(python3-libvirt)). When the Python that Ansible uses there does not
    have it, but C(/usr/bin/python3) has, the module goes on with that one.
options:
  uri:
    description:
      - The hypervisor, as libvirt names it. It has to be on the managed host.
      - Without it, as Lago's settings on the managed host say (C(libvirt_url)), else C(qemu:///system). The same holds
        for O(lease_dir) and O(template_store). What a lab was made with is kept with it.
    type: str
  lease_dir:
    description: Folder of the subnets that are leased, which all labs of a host share; C(/var/lib/lago/subnets).
    type: path
  template_store:
    description: Folder of the images that disks are overlays of, which labs share; C(/var/lib/lago/store).
    type: path
"""
