#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kvm_node_facts
short_description: Everything that a hypervisor node can say about itself
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Asks libvirt about the node (CPUs, cells of NUMA, memory, devices, storage pools, networks, firmware, security) over
    one connection, and returns typed values with their units in the names.
  - Says whether a stock guest will run under KVM, and why, in place of what the hypervisor lists.
  - What a node cannot say is C(supported=false) with the C(reason) in the place of the facts, and fails nothing else.
  - Large facts slow every later task of a host. What is gathered by default is a few KiB; the rest is there for the
    asking (O(gather)), or can be searched on the host, so that only the answer travels (O(query)).
notes:
  - Names end in their unit, C(_kib), C(_bytes), C(_ns), C(_mhz), C(_hz), C(_mbit), C(_s). Other numbers are counts and
    identifiers.
  - A daemon that goes away while it is asked has five seconds to come back; what was being asked is then asked again.
seealso:
  - module: fleet.hypervisor.kvm_domain_info
  - module: fleet.hypervisor.kvm_node
extends_documentation_fragment:
  - fleet.hypervisor.attributes.facts_module
  - fleet.hypervisor.libvirt
  - fleet.hypervisor.libvirt.readonly
options:
  gather:
    description:
      - The subsets to gather. A name adds, C(!) and a name takes away, as C(setup) has it. Without a name that adds,
        the default is there to take from.
      - V(default) are V(node), V(cpu), V(memory), V(ksm), V(versions), V(guest_types), V(migration), V(sysinfo),
        V(acceleration), V(firmware), V(security), V(devices), V(pools), V(networks), V(interfaces) and V(guests).
      - V(all) has in addition V(cpus), V(domain_capabilities), V(pci), V(mdev), V(scsi_hosts), V(volumes), V(leases),
        V(nwfilters), V(secrets), V(cpu_models) and V(documents).
      - If not given, V(default), and with O(query) V(all).
    type: list
    elements: str
  query:
    description:
      - A JMESPath expression, or a dictionary of them by name. It is evaluated on the managed host, on what
        RV(ansible_facts.kvm_node) would be, and RV(ansible_facts.kvm_node_answer) is returned in its place.
      - No JMESPath library is needed there.
    type: raw
  percent:
    description:
      - Whether to take a second sample of the CPUs after one second, or after so many seconds, and return in percent
        what they did meanwhile.
    type: raw
    default: false
  machines:
    description:
      - Machine types that V(domain_capabilities), V(firmware) and V(security) are to be about. If empty, the
        emulator's default and, where there is one, V(q35).
    type: list
    elements: str
    default: []
  virttypes:
    description: Accelerators that they are to be about, such as V(kvm). If empty, all that the hypervisor lists.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What kind of node is it
  fleet.hypervisor.kvm_node_facts:

- name: Say whether guests will run under KVM, and what speaks for it
  ansible.builtin.debug:
    msg: "{{ ansible_facts.kvm_node.acceleration.recommended }}: {{ ansible_facts.kvm_node.acceleration.evidence }}"

- name: All but networks and devices, and what the CPUs do within two seconds
  fleet.hypervisor.kvm_node_facts:
    gather: ["!networks", "!devices"]
    percent: 2

- name: Only what is free
  fleet.hypervisor.kvm_node_facts:
    gather: [memory, pools]

- name: Secure boot and confidential guests, which libvirt tells only on a connection that may write
  fleet.hypervisor.kvm_node_facts:
    gather: [firmware, security, acceleration]
    readonly: false

- name: Three questions, of which only the answers travel
  fleet.hypervisor.kvm_node_facts:
    query:
      cells: 'node.cells[].{id: id, cpus: cpus, memory_kib: memory_kib}'
      space: sum(pools[].available_bytes)
      bridges: networks[?active].bridge

- name: One question
  fleet.hypervisor.kvm_node_facts:
    query: 'documents.capabilities.guest[].arch.{name: "@name", types: domain[]."@type"}'
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  type: dict
  returned: always
  contains:
    kvm_node:
      description:
        - One entry for each subset, and C(uri). In place of a subset, C(supported) V(false) and C(reason) when the node
          or its driver cannot tell.
      type: dict
      returned: without O(query)
      contains:
        uri:
          description: The hypervisor that was asked.
          type: str
          sample: qemu:///system
        node:
          description:
            - Architecture, CPU model and features, topology, memory; by cell of NUMA its CPUs, memory, pages of each
              size and distances; caches; kinds of suspend.
          type: dict
          sample:
            hostname: hv1
            architecture: x86_64
            cpu: {model: Skylake-Server-IBRS, vendor: Intel, mhz: 2100, features: [aes], page_sizes_kib: [4, 2048]}
            topology: {numa_cells: 2, sockets: 1, cores_per_socket: 16, threads_per_core: 2}
            cpus: 64
            memory_kib: 263856428
            cells:
              - id: 0
                memory_kib: 131928214
                cpus: 0-15,32-47
                cpu_count: 32
                pages: [{size_kib: 2048, total: 1024}]
                distances: {"0": 10, "1": 21}
            caches: [{id: 0, level: 3, type: both, size_kib: 22528, cpus: "0-15,32-47"}]
            power_management: [suspend_mem]
        cpu:
          description:
            - How many CPUs there are, which are online, and nanoseconds that they spent since the host began. With
              O(percent), shares of the time between two samples; V(null) when no time passed for the driver.
          type: dict
          sample:
            present: 8
            online: 3
            online_cpus: 0,2,4
            statistics: {user_ns: 9797400000, kernel_ns: 34678723400000, idle_ns: 87264900000, iowait_ns: 763600000}
            percent: {user: 12.5, kernel: 2.5, idle: 84.9, iowait: 0.1, usage: 15.0}
            percent_seconds: 1.0
        memory:
          description: Memory of the host, and what is free by cell, with pages of each size.
          type: dict
          sample:
            total_kib: 24684092
            free_kib: 22965584
            buffers_kib: 8860
            cached_kib: 408052
            cells: [{id: 0, free_kib: 22965636, pages: [{size_kib: 2048, total: 512, free: 512}]}]
        ksm:
          description: Kernel samepage merging, its settings and what it merged, in pages.
          type: dict
          sample: {shm_pages_to_scan: 100, shm_sleep_millisecs: 20, shm_merge_across_nodes: 1, shm_pages_sharing: 0}
        versions:
          description: Versions of libvirt's daemon and library, and of the hypervisor.
          type: dict
          sample: {libvirt: 9.0.0, libvirt_client: 9.0.0, hypervisor: {type: QEMU, version: 7.2.22}}
        guest_types:
          description: What can be virtualized.
          type: list
          elements: dict
          sample:
            - os_type: hvm
              architecture: x86_64
              word_bits: 64
              emulator: /usr/bin/qemu-system-x86_64
              virttypes: [qemu, kvm]
              machines: 60
              machine_aliases: {pc: pc-i440fx-7.2, q35: pc-q35-7.2}
        migration:
          description: Whether guests can be migrated while they run, and by which transports.
          type: dict
          sample: {live: true, uri_transports: [tcp, rdma]}
        sysinfo:
          description: What the host's firmware tables say, in libvirt's names.
          type: dict
          sample: {bios: {vendor: LENOVO, date: 05/07/2014}}
        acceleration:
          description:
            - Whether a stock guest will run under KVM (C(kvm); V(null) when nothing decides it), whether the hypervisor
              lists it, and the evidence for and against.
            - C(recommended) is the type that guests of the host's architecture should be given.
          type: dict
          sample:
            kvm: false
            kvm_listed: true
            emulation: true
            recommended: qemu
            nested: null
            evidence:
              - verdict: against
                what: the CPU shows neither vmx nor svm, and neither kvm_intel nor kvm_amd is there
        firmware:
          description:
            - Whether guests can boot by UEFI and with secure boot, by machine type and accelerator, and the firmware
              images that are installed for QEMU.
          type: dict
          sample: {efi: true, secure_boot: true, by_machine: [], descriptors: []}
        security:
          description: Security models, IOMMU, and SEV, SGX, TDX and their like where libvirt knows them.
          type: dict
          sample: {models: [{model: apparmor, doi: "0"}], iommu: true, sev: {supported: false}}
        devices:
          description:
            - Counts of devices, groups of the IOMMU, devices with virtual functions, kinds of mediated devices, disks
              and links.
          type: dict
          sample:
            count: 312
            iommu_groups: {"12": ["0000:17:00.0", "0000:17:00.1"]}
            sriov: [{address: "0000:17:00.0", driver: ice, numa_node: 0, max_vfs: 64, vfs: ["0000:17:01.0"]}]
        pools:
          description: Storage pools with their capacity; V(null) for what an inactive pool does not tell.
          type: list
          elements: dict
          sample:
            - name: default
              uuid: dfe224cb-28fb-8dd0-c4b2-64eb3f0f4566
              type: dir
              state: running
              autostart: true
              persistent: true
              path: /var/lib/libvirt/images
              capacity_bytes: 107374182400
              allocation_bytes: 0
              available_bytes: 107374182400
              volumes: 0
        networks:
          description: libvirt's networks.
          type: list
          elements: dict
          sample:
            - name: default
              uuid: dd8fe884-6c02-601e-7551-cca97df1c5df
              active: true
              autostart: false
              persistent: true
              forward: nat
              bridge: virbr0
              addresses: [192.168.122.1/24]
              dhcp: true
        interfaces:
          description: The host's interfaces as libvirt sees them.
          type: list
          elements: dict
          sample: [{name: eth1, type: ethernet, active: true, mac: "aa:bb:cc:dd:ee:ff", mtu: 1492, addresses: []}]
        guests:
          description:
            - How many guests there are, and what the active ones were given in sum; overcommit are the shares of the
              host's CPUs and memory.
          type: dict
          sample:
            defined: 12
            running: 9
            active: 9
            vcpus: 40
            memory_kib: 83886080
            cpu_overcommit: 0.625
            memory_overcommit: 0.318
        cpus:
          description: Each online CPU with its place and times, and with O(percent) its shares.
          type: list
          elements: dict
          sample: [{id: 0, cell: 0, socket: 0, die: 0, core: 0, siblings: "0,32", user_ns: 1, kernel_ns: 1, idle_ns: 1}]
        domain_capabilities:
          description: What guests can have, by accelerator (O(virttypes)) and machine type (O(machines)).
          type: list
          elements: dict
          sample: [{virttype: kvm, machine: pc-q35-7.2, max_vcpus: 288, features: {sev: false, sgx: false}}]
        pci:
          description: Every PCI device.
          type: list
          elements: dict
          sample: [{address: "0000:17:00.0", class_name: network, driver: ice, iommu_group: 12, numa_node: 0}]
        mdev:
          description: Mediated devices.
          type: list
          elements: dict
          sample: [{name: mdev_4b20d080_1b54_4048_85b3_a6a62d165c01, type: i915-GVTg_V5_4, iommu_group: 14}]
        scsi_hosts:
          description: SCSI hosts, with names of Fibre Channel.
          type: list
          elements: dict
          sample: [{name: scsi_host1, host: 1, wwnn: "2000000012341234", wwpn: "1000000012341234"}]
        volumes:
          description: Volumes by pool.
          type: dict
          sample:
            default:
              - {name: web1.qcow2, type: file, format: qcow2, capacity_bytes: 10737418240, allocation_bytes: 200704}
        leases:
          description: Leases by network.
          type: dict
          sample: {default: [{mac: "52:54:00:12:34:56", address: 192.168.122.10/24, family: ipv4, hostname: web1}]}
        nwfilters:
          description: Network filters.
          type: list
          elements: dict
          sample: [{name: clean-traffic, chain: root, rules: 0, references: [no-mac-spoofing]}]
        secrets:
          description: What libvirt's secrets are for, never what they are. The name is the UUID.
          type: list
          elements: dict
          sample: [{name: 1b54a0f4-0b5c-4a35-8d9e-6a3c2f0e5d11, usage: ceph, usage_id: client.libvirt}]
        cpu_models:
          description: CPU models that libvirt knows for the host's architecture.
          type: list
          elements: str
          sample: [EPYC, Skylake-Server]
        documents:
          description:
            - libvirt's documents as dictionaries without loss. Attributes begin with C(@), text beside them is
              C(#text); what may be there several times is always a list.
          type: dict
          sample: {capabilities: {host: {uuid: 9361a5fe-0533-4215-a367-395df745c7e8}}}
    kvm_node_answer:
      description: What O(query) found, V(null) where there is nothing; for a dictionary, one entry for each name.
      type: raw
      returned: with O(query)
      sample: {bridges: [virbr0]}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import, with_libvirt  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.hypervisor.errors import KvmError
from ..module_utils.hypervisor.facts import task
from ..module_utils.hypervisor.task import CONNECTION, READONLY


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **CONNECTION,
            **READONLY,
            "gather": {"type": "list", "elements": "str"},
            "query": {"type": "raw"},
            "percent": {"type": "raw", "default": False},
            "machines": {"type": "list", "elements": "str", "default": []},
            "virttypes": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    with_libvirt.ensure()
    try:
        facts = task.run(module.params)
    except KvmError as error:
        module.fail_json(msg=f"Gathering facts of the node: {error}")
    module.exit_json(ansible_facts=facts)


if __name__ == "__main__":
    main()
