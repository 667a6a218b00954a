#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lago_prefix
short_description: Virtual labs, each from one file
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Raises a lab of virtual machines and networks that an init file of Lago (0.3 to 1.0) describes, brings a lab that
    runs to a changed description, stops it, takes it back to a snapshot, and removes it with nothing left.
  - All that belongs to a lab lies in one folder, its prefix. What is about to be made is in a journal there before it
    happens, so that a run that was cut off is gone on with by the next one, or removed.
  - Ids, names, addresses of hardware and subnets are the lab's own. Labs with the same names run beside each other.
  - While it works, the task shows how far it is.
notes:
  - Needs root, libvirt with QEMU, C(qemu-img), C(ssh) and C(ssh-keygen).
  - A task that is broken off on the controller goes on on the managed host. The next one is refused until it has ended.
seealso:
  - module: fleet.hypervisor.lago_prefix_info
  - module: fleet.hypervisor.kvm_node_facts
extends_documentation_fragment:
  - fleet.hypervisor.attributes
  - fleet.hypervisor.lago
attributes:
  idempotent:
    support: partial
    details:
      - O(state=reverted) goes back to the snapshot, O(state=collected) and O(state=exported) write their files, every
        time.
  async:
    description: Supports being used with the C(async) keyword.
    support: full
options:
  path:
    description:
      - Folder of the lab. The user that QEMU runs as has to get to it, so all folders above need C(o+x).
    type: path
    required: true
  spec:
    description:
      - The init file as a dictionary. Without it and O(init_file), the lab is what was described before.
      - Passwords in it are kept from the result.
    type: dict
  init_file:
    description: The init file, in JSON, on the managed host. C($LAGO_INITFILE_PATH) in it is its folder.
    type: path
  state:
    description:
      - V(initialized) makes folder, key and disks. What runs of the lab goes on, changed as described.
      - V(started) does that, and starts the networks and all VMs or O(vms).
      - V(stopped) does that, and stops all VMs and networks, or O(vms), as by pulling the plug. Disks, addresses and
        snapshots stay.
      - V(absent) removes everything of the lab, whatever state it is in.
      - V(snapshotted) takes O(snapshot) of all VMs at one moment, all of them or none. One of that name that is there
        stays.
      - V(reverted) takes all VMs back to O(snapshot). They run again if they ran then, with their memory if that was
        saved. What was written since is lost.
      - V(snapshot_absent) forgets O(snapshot). What the VMs and the other snapshots have of it stays with them.
      - V(collected) copies consoles, what the init file calls C(artifacts) of each VM, and O(paths) to O(dest).
      - V(exported) writes the lab as one file, O(archive), as it was at one moment. What runs goes on.
      - V(imported) makes a lab of O(archive), stopped, with an id, addresses of hardware and subnets of its own. A lab
        that is there already stays.
      - V(pruned) removes from the host what was of labs whose folders are gone, that is guests and networks in libvirt,
        leases, and images that no lab uses. O(path) is then a folder that has labs in it.
    type: str
    choices:
      - initialized
      - started
      - stopped
      - absent
      - snapshotted
      - reverted
      - snapshot_absent
      - collected
      - exported
      - imported
      - pruned
    default: started
  vms:
    description: Names of VMs to be started, stopped or collected from; all, without it.
    type: list
    elements: str
  wait_for:
    description:
      - With V(started), what shows that a VM is ready.
      - V(ssh) is a login with the lab's key, V(agent) an answer of the guest agent, V(console) a line on the console
        that O(console) fits. V(none) does not wait.
    type: str
    choices: [ssh, agent, console, none]
    default: ssh
  console:
    description: A regular expression (of Python's) for O(wait_for=console).
    type: str
  timeout:
    description: Seconds that all VMs together have to become ready.
    type: float
    default: 600.0
  template_repo:
    description:
      - Description, in Lago's format, of the repository that disks with a C(template_name) come from.
    type: path
  snapshot:
    description:
      - Name of a snapshot, for V(snapshotted), V(reverted) and V(snapshot_absent), and for V(exported) where
        that is not to be the lab as it is now.
    type: str
  memory:
    description: Whether a snapshot has the memory of VMs that run. They are paused until that is written.
    type: bool
    default: false
  quiesce:
    description:
      - Whether guests hold still their file systems while a snapshot without memory is taken, by their agents. It fails
        where one cannot. Without it, those do that can.
    type: bool
  copy:
    description:
      - Files and folders of the managed host that the VMs, all or O(vms), are to have, with V(started).
      - They are copied by SSH, once O(wait_for) is fulfilled, where what is there differs by content, by mode, or as a
        link. What else is in a folder of the guest stays.
    type: list
    elements: dict
    suboptions:
      src:
        description: File or folder on the managed host.
        type: path
        required: true
      dest:
        description: Path in the guest of the file or folder itself, not of what it is to lie in.
        type: str
        required: true
  dest:
    description: Folder on the managed host for what is collected; each VM has one of its own in it.
    type: path
  paths:
    description: Files and folders in each VM that V(collected) copies besides its C(artifacts).
    type: list
    elements: str
  archive:
    description: File on the managed host, for V(exported), which replaces one that is there, and V(imported).
    type: path
  standalone:
    description: Whether the exported disks stand on no others, which are without snapshots then.
    type: bool
    default: false
  compress:
    description: How the archive is compressed. Without it, it is not; images are compressed already, or have holes.
    type: str
    choices: [gz, xz]
  new_subnets:
    description: Whether an imported lab also leases subnets for networks whose subnets its init file says.
    type: bool
    default: false
  subnet_pools:
    description:
      - Where networks that do not say their subnet lease one, the first that is free. Without pools of IPv4 in it,
        192.168.200.0/24 to 192.168.255.0/24; without those of IPv6, a network of the lab's own.
      - Without it, as Lago's settings on the managed host say (C(subnet_pools = 10.80.0.0/16 26, fd00:80::/48 64)).
        What a lab was made with is kept with it, and a network keeps the subnet that it has.
    type: list
    elements: dict
    suboptions:
      network:
        description: All addresses of the pool, such as V(10.80.0.0/16).
        type: str
        required: true
      length:
        description: Length of the subnets that are made of it.
        type: int
        required: true
  progress:
    description: A file that is written how far the work is, which the collection's action plugin reads. Not for you.
    type: path
"""

EXAMPLES = r"""
- name: A lab of two VMs, ready for SSH
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web
    template_repo: /var/lib/lago/repos/debian.json
    spec:
      domains:
        server: &vm
          memory: 1024
          groups: [web]
          nics:
            - net: mgmt
          disks:
            - {name: root, type: template, template_name: debian12, dev: vda, format: qcow2}
        client: *vm
      nets:
        mgmt:
          management: true
          dns_domain_name: web.lab
          dhcp: {start: 100, end: 254}
  register: lab

- name: One VM has a folder of files
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web
    vms: [server]
    copy:
      - {src: /srv/site, dest: /var/www/html}

- name: What all VMs are now, with their memory
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web
    state: snapshotted
    snapshot: fresh
    memory: true

- name: Back to it
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web
    state: reverted
    snapshot: fresh

- name: It is not needed any more
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web
    state: snapshot_absent
    snapshot: fresh

- name: One VM is switched off
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web
    state: stopped
    vms: [client]

- name: The lab in one file
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web
    state: exported
    archive: /var/lib/lago/web.lab

- name: Another one like it, beside it
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web2
    state: imported
    archive: /var/lib/lago/web.lab

- name: Logs of its VMs
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web
    state: collected
    dest: /var/tmp/web
    paths: [/var/log/messages]

- name: Nothing of the lab is left
  fleet.hypervisor.lago_prefix:
    path: /var/lib/lago/labs/web
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or in check mode would be done, in order.
  returned: success
  type: list
  elements: str
  sample: ["seed server: make", "network mgmt: start", "domain server: start"]
pending:
  description: In check mode, whether there is anything to be done or waited for.
  returned: success
  type: bool
  sample: false
prefix:
  description:
    - The lab as it is in the end, in check mode as it is. V(null) where there is none.
    - For its keys see RV(fleet.hypervisor.lago_prefix_info#module:prefixes).
  returned: success
  type: dict
  sample:
    path: /var/lib/lago/labs/web
    state: started
    vms:
      - name: server
        state: running
        ip: 192.168.200.2
collected:
  description: What each VM gave, by its name.
  returned: with V(collected), without check mode
  type: dict
  sample:
    server:
      console: /var/tmp/web/server/console
      files: {/var/log/messages: /var/tmp/web/server/var/log/messages}
      missing: {/var/log/app: there is no such file}
exported:
  description: What was written.
  returned: with V(exported), without check mode
  type: dict
  sample: {path: /var/lib/lago/web.lab, size: 52428800, files: 3, vms: [server], snapshots: [fresh]}
evidence:
  description: What is known of each VM that did not become ready.
  returned: when VMs did not become ready
  type: list
  elements: dict
  contains:
    vm:
      description: Its name.
      type: str
      sample: server
    waiting_for:
      description: O(wait_for).
      type: str
      sample: ssh
    step:
      description: The step that it stalls at. Those of V(ssh) are running, address, port, greeting and login.
      type: str
      sample: address
    reason:
      description: What is missing.
      type: str
      sample: it has asked for no address by DHCP, and nothing answers at 192.168.200.2
    seconds:
      description: How long it had by then.
      type: float
      sample: 600.1
    passed:
      description: The steps before, with the second at which each was passed.
      type: dict
      sample: {running: 0.004}
    lease:
      description: What the DHCP server gave it; empty where that is nothing.
      type: dict
      sample: {}
    console:
      description: The last lines of its console.
      type: list
      elements: str
      sample: ["Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import, with_libvirt  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.lago import task


def main() -> None:
    module = AnsibleModule(argument_spec=task.SPEC, mutually_exclusive=task.EXCLUSIVE, supports_check_mode=True)
    with_libvirt.ensure()
    module.no_log_values = set()  # the init file was kept from the log; from the result, only its passwords are
    try:
        result = task.run(module.params, module.check_mode, module.no_log_values.add)
    except task.FAILURES as error:
        module.fail_json(**task.failure(error))
    diff = result.pop("diff")
    module.exit_json(**result, **({"diff": diff} if module._diff else {}))


if __name__ == "__main__":
    main()
