#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: netlink_link
short_description: Network links and their addresses, one or many in one task
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Creates, changes, renames, moves and removes network links (bridges, bonds, VLANs, tunnels, taps, physical NICs) and
    their addresses, by speaking rtnetlink to the kernel. No program is run and nothing has to be installed on the
    managed host.
  - Says what a link is to be; what is not mentioned stays as it is. A link that is right already is not touched.
  - Many links in one task (O(links)) are planned together, in the order in which they depend on each other, sent in
    batches, and read back and compared in the end. When a change fails, those before it are undone.
  - Changes are those of the running kernel and are gone with a reboot.
notes:
  - Needs root (C(CAP_NET_ADMIN) in the network namespace) and Linux 4.20 or newer.
  - The kernel removes with a link what stands on it (VLANs on a bond, the other end of a veth pair). The diff shows
    these too.
seealso:
  - module: fleet.hypervisor.netlink_info
  - module: fleet.hypervisor.netlink_facts
extends_documentation_fragment:
  - fleet.hypervisor.attributes
options:
  name: &name
    description:
      - Name of the link, or one of its alternative names.
      - Together with O(select) or O(links[].select), the name that the selected link is to have.
    type: str
  select: &select
    description:
      - How to find the link, where its name is not certain or is to be changed.
      - A link that is not found this way is looked for by O(name) or O(links[].name), so that renaming is idempotent.
    type: dict
    suboptions:
      name:
        description: Present name of the link.
        type: str
      altname:
        description: An alternative name of the link.
        type: str
      ifindex:
        description: Index of the link.
        type: int
      address:
        description:
          - MAC address of the link. Links that stand on another one (VLANs share their parent's address) are left
            out, and a NIC that was made with the address comes before bonds and bridges that took it over.
        type: str
  state: &state
    description:
      - V(present) creates the link if it is not there, and leaves it up or down as it is (a new one is down).
      - V(up) and V(down) also bring it up or down. IPv6 addresses, which the kernel drops as a link goes down,
        are kept.
      - V(absent) removes it, whatever its kind. What a link that goes cannot have (addresses, ports, options and the
        like) is refused beside it; O(kind) and O(recreate) say nothing then.
    type: str
    choices: [present, absent, up, down]
    default: present
  kind: &kind
    description:
      - Kind of the link, needed to create one, such as V(bridge), V(bond), V(vlan), V(vxlan), V(geneve), V(veth),
        V(macvlan), V(macvtap), V(ipvlan), V(vrf), V(dummy), V(ifb), V(tun), V(tap), V(gre), V(gretap), V(ipip), V(sit),
        V(ip6gre), V(wireguard).
      - Kinds that this collection does not know can be created without options, if the kernel knows them.
    type: str
  options: &options
    description:
      - The kind's own options, in the words of C(ip -d -json link show), such as V(vlan_filtering) of a bridge, V(mode)
        and V(miimon) of a bond, V(id) and V(protocol) of a VLAN, V(id), V(local), V(remote) and V(port) of a VXLAN.
      - They are checked before anything is changed. All options of all kinds, with their ranges and with what can be
        changed in place, are in the collection's C(docs/link_kinds.md).
      - V(peer) of a V(veth) is a dictionary with C(ifname), and where wanted C(address), C(mtu) and C(netns), the
        name of the namespace for the other end. It only counts at creation. The other end starts down; O(links)
        may describe it beside this one.
    type: dict
  link: &link
    description:
      - The link that this one stands on, for kinds that do (V(vlan), V(macvlan), V(vxlan) and others).
    type: str
  mtu: &mtu
    description: Largest packet, in bytes.
    type: int
  address: &address
    description: MAC address, quoted, since YAML takes some (52:54:00:12:34:56) for numbers.
    type: str
  alias: &alias
    description: Description of the link, up to 255 bytes; an empty one removes it.
    type: str
  altnames: &altnames
    description: Alternative names that the link is to have.
    type: list
    elements: str
  altnames_mode: &altnames_mode
    description:
      - V(add) leaves other alternative names (udev gives some); V(exact) removes them, when O(altnames) or
        O(links[].altnames) is given.
    type: str
    choices: [add, exact]
    default: add
  txqueuelen: &txqueuelen
    description: Length of the transmit queue, in packets.
    type: int
  master: &master
    description:
      - The bridge, bond or VRF that the link is to be a port of; an empty string makes it a port of none.
      - A link has to be down to become a port of a bond, and is brought down for it.
    type: str
  ports: &ports
    description:
      - Links that are to be ports of this one, the same as O(master) or O(links[].master) on each of them. Other
        ports are left.
    type: list
    elements: str
  port_options: &port_options
    description:
      - Options of the link as a port of its bridge or bond, in the words of C(ip -d -json link show), such as V(cost),
        V(isolated) or V(learning) of a bridge's port.
    type: dict
  addresses: &addresses
    description:
      - Addresses, as V(10.0.0.1/24) or as a dictionary with C(address) and any of C(peer), C(broadcast), C(label),
        C(scope),
        C(metric), C(valid_lft) and C(preferred_lft) (seconds), C(noprefixroute), C(nodad), C(home), C(mngtmpaddr),
        C(optimistic), C(autojoin).
      - C(preferred_lft) of an IPv4 address, unless it is 0, needs a C(valid_lft) beside it; the kernel forgets it
        otherwise.
    type: list
    elements: raw
  addresses_mode: &addresses_mode
    description:
      - V(exact) removes addresses that are not in O(addresses) or O(links[].addresses), when that is given; V(add)
        leaves them.
      - Addresses that the kernel makes by itself (link-local, autoconfigured, those of C(lo)) are left in any case.
    type: str
    choices: [exact, add]
    default: exact
  netns:
    description:
      - Network namespace to work in, a name (as of C(ip netns)) or an absolute path.
      - With O(links), the one for those that name none.
    type: str
  move_to: &move_to
    description:
      - Network namespace in which the link is to be. It is moved there when it is found in O(netns) or
        O(links[].netns), and
        everything else is done where it then is. Moving costs a link its addresses, its master and its being up.
    type: str
  recreate: &recreate
    description:
      - What an existing link cannot change in place (its kind, the id of a VXLAN) makes the task fail, and says so;
        with V(true) the link is removed and created anew, which interrupts its traffic.
      - The new link keeps the old one's addresses, master, ports, alias, alternative names and being up, where the
        task says nothing else. Links that go with it (VLANs on it) have to be in the same task, with their kind.
    type: bool
    default: false
  vfs: &vfs
    description: Settings of the virtual functions of a NIC with SR-IOV.
    type: list
    elements: dict
    suboptions:
      vf:
        description: Number of the virtual function.
        type: int
        required: true
      address:
        description: MAC address.
        type: str
      vlan:
        description: VLAN that the function is confined to; 0 for none.
        type: int
      qos:
        description: Priority (802.1p) of its frames in that VLAN.
        type: int
      min_tx_rate:
        description: Guaranteed transmit rate, in Mbit/s; 0 for none.
        type: int
      max_tx_rate:
        description: Limit of the transmit rate, in Mbit/s; 0 for none.
        type: int
      spoofchk:
        description: Whether frames with another source address are dropped.
        type: bool
      trust:
        description: Whether the function may change its address and listen to everything.
        type: bool
      state:
        description: State of its link, as the function sees it.
        type: str
        choices: [auto, enable, disable]
  wireguard: &wireguard
    description: Keys and peers of a link of kind V(wireguard). Secret keys never appear in results, diffs or logs.
    type: dict
    suboptions:
      private_key:
        description: The link's own private key (base64); an empty one removes it.
        type: str
      listen_port:
        description: UDP port to listen on; 0 for any.
        type: int
      fwmark:
        description: Mark of its outgoing packets; 0 for none.
        type: int
      replace_peers:
        description: Whether peers that are not listed are removed, when O(wireguard.peers) is given.
        type: bool
        default: true
      peers:
        description: Peers.
        type: list
        elements: dict
        suboptions:
          public_key:
            description: Public key of the peer (base64).
            type: str
            required: true
          preshared_key:
            description: Key shared with the peer (base64); an empty one removes it.
            type: str
          endpoint:
            description: Where the peer is reached, V(host:port) or V([2001:db8::1]:51820).
            type: str
          allowed_ips:
            description: All prefixes that are routed to the peer and accepted from it.
            type: list
            elements: str
          persistent_keepalive:
            description: Seconds between packets that keep the way open; 0 for none.
            type: int
  links:
    description:
      - Many links in one task. Each takes the options that a single one takes.
      - They may depend on each other and stand in any order.
    type: list
    elements: dict
    suboptions:
      name: *name
      select: *select
      state: *state
      kind: *kind
      options: *options
      link: *link
      mtu: *mtu
      address: *address
      alias: *alias
      altnames: *altnames
      altnames_mode: *altnames_mode
      txqueuelen: *txqueuelen
      master: *master
      ports: *ports
      port_options: *port_options
      addresses: *addresses
      addresses_mode: *addresses_mode
      netns:
        description: Network namespace to work in, in place of O(netns).
        type: str
      move_to: *move_to
      recreate: *recreate
      vfs: *vfs
      wireguard: *wireguard
"""

EXAMPLES = r"""
- name: A bridge for guests, with an address
  fleet.hypervisor.netlink_link:
    name: br0
    kind: bridge
    options:
      vlan_filtering: true
    state: up
    mtu: 9000
    addresses:
      - 192.0.2.1/24
      - 2001:db8::1/64

- name: A hypervisor's network in one task, in any order
  fleet.hypervisor.netlink_link:
    links:
      - name: bond0
        kind: bond
        options:
          mode: 802.3ad
          miimon: 100
        ports: [eth1, eth2]
        state: up
      - name: bond0.100
        kind: vlan
        link: bond0
        options:
          id: 100
        master: br100
        state: up
      - name: br100
        kind: bridge
        state: up
        addresses: [192.0.2.1/24]

- name: Name a NIC after its MAC address
  fleet.hypervisor.netlink_link:
    name: storage0
    select:
      address: "52:54:00:12:34:56"

- name: A tap for a guest, owned by the user that runs QEMU
  fleet.hypervisor.netlink_link:
    name: tap7
    kind: tap
    options:
      user: libvirt-qemu
      vnet_hdr: true
    master: br0
    state: up

- name: A pair of links, one end in a namespace
  fleet.hypervisor.netlink_link:
    name: to-blue
    kind: veth
    options:
      peer:
        ifname: eth0
        netns: blue
    addresses: [198.51.100.1/30]
    state: up

- name: No such bridge any more
  fleet.hypervisor.netlink_link:
    name: br-old
    state: absent
"""

RETURN = r"""
changes:
  description: What was done, or with check mode would be done, in order.
  returned: success
  type: list
  elements: str
  sample:
    - "br0: create bridge"
    - "br0: mtu 9000"
    - "br0: add address 192.0.2.1/24"
    - "br0: up"
link:
  description:
    - The link as read back from the kernel, in the keys and values of C(ip -d -json addr show); V(null) when it is
      absent.
    - In check mode, the link as it is.
  returned: success, without O(links)
  type: dict
  sample:
    ifindex: 4
    ifname: br0
    flags: [BROADCAST, MULTICAST, UP, LOWER_UP]
    mtu: 9000
    operstate: UP
    address: "52:54:00:12:34:56"
    linkinfo:
      info_kind: bridge
      info_data:
        vlan_filtering: 1
    addr_info:
      - family: inet
        local: 192.0.2.1
        prefixlen: 24
        scope: global
links:
  description: The links of O(links) that are there, each as in RV(link), in their order.
  returned: success, with O(links)
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.invocation import invocation
from ..module_utils.netlink.legible import legible, visible
from ..module_utils.netlink.links import spec, task


def main() -> None:
    alone = [option for option, about in spec.LINK.items() if option != "netns" and "default" not in about]
    module = AnsibleModule(
        argument_spec={**spec.LINK, "links": {"type": "list", "elements": "dict", "options": spec.LINK}},
        mutually_exclusive=[["links", option] for option in alone],
        required_one_of=[["name", "select", "links"]],
        supports_check_mode=True,
    )
    try:
        result = task.run(module.params, module.check_mode, module._diff)
    except task.FAILURES as error:
        module.fail_json(msg=visible(str(error)))
    module.exit_json(**legible(result), invocation=invocation(module))


if __name__ == "__main__":
    main()
