#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipdb_txn
short_description: A host's whole network as one transaction that cannot lock anyone out
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Brings links, addresses, routes, rules, neighbours, forwarding entries and VLANs of bridges to what the task says,
    all of it or nothing. The plan is made before anything is changed, shown by check mode and C(--diff) as it would be
    carried out, applied in batches, and read back and compared in the end.
  - What is done is journaled on the host before it is done. A task that is killed leaves a transaction that the next
    one rolls back or finishes; there is never a mixture for long.
  - With O(confirm_timeout) the host takes everything back by itself unless the task comes back over a new connection
    in time. A change that cuts off the way in undoes itself.
  - Changes are those of the running kernel and are gone with a reboot. The role P(fleet.hypervisor.host_network#role)
    also writes the files of the distribution.
notes:
  - Needs root (C(CAP_NET_ADMIN) in the network namespace) and Linux 4.20 or newer.
  - What is begun or committed is noted below C(/run/fleet.hypervisor/ipdb), for root alone, until it is confirmed,
    dropped or taken back.
  - What happens to a link besides the change itself (that it goes down for a moment, routes that the kernel drops) is
    told in RV(review), and restored.
seealso:
  - module: fleet.hypervisor.ipdb_txn_info
  - module: fleet.hypervisor.netlink_link
  - module: fleet.hypervisor.netlink_route
extends_documentation_fragment:
  - fleet.hypervisor.attributes
options:
  interfaces:
    description:
      - Links and their addresses, with the options that M(fleet.hypervisor.netlink_link) takes.
      - They may depend on each other and stand in any order.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the link, or one of its alternative names; with O(interfaces[].select), the name that it is to
            have.
        type: str
      select:
        description: How to find the link where its name is not certain or is to be changed.
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
            description: MAC address of the link.
            type: str
      state:
        description:
          - V(present) creates the link if it is not there; V(up) and V(down) also bring it up or down.
          - V(absent) removes it.
        type: str
        choices: [present, absent, up, down]
        default: present
      kind:
        description: Kind of the link, needed to create one, such as V(bridge), V(bond), V(vlan), V(vxlan) or V(veth).
        type: str
      options:
        description: The kind's own options, in the words of C(ip -d -json link show).
        type: dict
      link:
        description: The link that this one stands on, for kinds that do.
        type: str
      mtu:
        description: Largest packet, in bytes.
        type: int
      address:
        description: MAC address.
        type: str
      alias:
        description: Description of the link; an empty one removes it.
        type: str
      altnames:
        description: Alternative names that the link is to have.
        type: list
        elements: str
      altnames_mode:
        description: V(add) leaves other alternative names; V(exact) removes them.
        type: str
        choices: [add, exact]
        default: add
      txqueuelen:
        description: Length of the transmit queue, in packets.
        type: int
      master:
        description: The bridge, bond or VRF that the link is to be a port of; an empty string makes it a port of none.
        type: str
      ports:
        description: Links that are to be ports of this one. Other ports are left.
        type: list
        elements: str
      port_options:
        description: Options of the link as a port of its bridge or bond.
        type: dict
      addresses:
        description:
          - Addresses, as V(10.0.0.1/24) or as a dictionary with C(address) and what else belongs to it.
          - C(preferred_lft) of an IPv4 address, unless it is 0, needs a C(valid_lft) beside it; the kernel forgets it
            otherwise.
        type: list
        elements: raw
      addresses_mode:
        description:
          - V(exact) removes addresses that are not in O(interfaces[].addresses), when that is given; V(add) leaves
            them.
        type: str
        choices: [exact, add]
        default: exact
      netns:
        description: 'One transaction has one namespace, so this is O(netns) or nothing.'
        type: str
      move_to:
        description: Refused, for a transaction has one namespace.
        type: str
      recreate:
        description: Whether the link may be removed and made anew for what cannot be changed in place.
        type: bool
        default: false
      vfs:
        description: Refused, for a transaction cannot take it back; M(fleet.hypervisor.netlink_link) does it.
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
      wireguard:
        description: Refused, for a transaction cannot take it back; M(fleet.hypervisor.netlink_link) does it.
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
          replace_peers:
            description: Whether peers that are not listed are removed, when O(interfaces[].wireguard.peers) is given.
            type: bool
            default: true
  routes:
    description: Routes, with the options that M(fleet.hypervisor.netlink_route) takes.
    type: list
    elements: dict
    suboptions:
      dst:
        description: Destination, a network such as V(192.0.2.0/24), an address, or V(default).
        type: str
      state:
        description: Whether the route is to be there.
        type: str
        choices: [present, absent]
        default: present
      family:
        description: Family of a V(default) route, where no address tells it.
        type: str
        choices: [inet, inet6]
      gateway:
        description: Address of the next hop.
        type: str
      dev:
        description: Link to go out by.
        type: str
      table:
        description: Routing table, V(main), V(local), V(default) or a number. Without it, V(main).
        type: str
      metric:
        description: The lower one wins among routes to the same destination. Without it, 0, or 1024 for IPv6.
        type: int
      type:
        description: What is done with packets. Without it, V(unicast).
        type: str
        choices: [unicast, blackhole, unreachable, prohibit, throw, local]
      protocol:
        description: Who made the route, a name known to iproute2 or a number. A new one is V(static).
        type: str
      scope:
        description: Scope, such as V(global) or V(link). Without it, what fits the rest.
        type: str
      prefsrc:
        description: Source address for packets that have none yet.
        type: str
      mtu:
        description: Largest packet on this route, in bytes.
        type: int
      advmss:
        description: Segment size to advertise for TCP, in bytes.
        type: int
      onlink:
        description: Whether the gateway is taken to be on the link, even if no address says so.
        type: bool
      nhid:
        description: Id of a next hop object to go by.
        type: int
      nexthops:
        description: Several ways at once (multipath).
        type: list
        elements: dict
        suboptions:
          gateway:
            description: Address of the next hop.
            type: str
          dev:
            description: Link to go out by.
            type: str
          weight:
            description: Share of the packets, beside the weights of the others.
            type: int
            default: 1
  rules:
    description: Rules of policy routing, in the words of C(ip rule).
    type: list
    elements: dict
    suboptions:
      state:
        description: Whether the rule is to be there.
        type: str
        choices: [present, absent]
        default: present
      priority:
        description: 'Its place: the lowest is asked first. A rule that is to be there needs one.'
        type: int
      family:
        description: Family of the packets. Without it, that of O(rules[].src) or O(rules[].dst), or else V(inet).
        type: str
        choices: [inet, inet6]
      src:
        description: Network that packets come from.
        type: str
      dst:
        description: Network that packets go to.
        type: str
      iif:
        description: Link that packets come in by; V(lo) for those of this host.
        type: str
      oif:
        description: Link that packets of bound sockets go out by.
        type: str
      fwmark:
        description: Mark of the packets.
        type: int
      fwmask:
        description: Which bits of the mark count. Without it, all.
        type: int
      tos:
        description: Type of service.
        type: int
      ipproto:
        description: Protocol above IP, such as V(tcp), or its number.
        type: str
      sport:
        description: Source port, or a range such as V(1000-2000).
        type: str
      dport:
        description: Destination port, or a range such as V(1000-2000).
        type: str
      invert:
        description: Whether the rule is for all other packets.
        type: bool
        default: false
      table:
        description: Routing table to look in, a name as of routes or a number.
        type: str
      action:
        description: What is done with packets where no table is looked in.
        type: str
        choices: [blackhole, unreachable, prohibit]
      suppress_prefixlen:
        description: Routes that the table finds count only if their prefix is longer than this.
        type: int
      protocol:
        description: Who made the rule, a name known to iproute2 or a number.
        type: str
  neighbours:
    description: Permanent neighbours (ARP, neighbour discovery), and addresses to answer for.
    type: list
    elements: dict
    suboptions:
      state:
        description: Whether the neighbour is to be there.
        type: str
        choices: [present, absent]
        default: present
      dst:
        description: IP address of the neighbour.
        type: str
        required: true
      dev:
        description: Link on which it is.
        type: str
        required: true
      lladdr:
        description: Its MAC address; needed but for O(neighbours[].proxy).
        type: str
      proxy:
        description: Whether this host answers for the address.
        type: bool
        default: false
      router:
        description: Whether the neighbour is a router (IPv6).
        type: bool
        default: false
  fdb:
    description: Permanent forwarding entries of bridges and VXLANs.
    type: list
    elements: dict
    suboptions:
      state:
        description: Whether the entry is to be there.
        type: str
        choices: [present, absent]
        default: present
      mac:
        description: MAC address.
        type: str
        required: true
      dev:
        description: Port of the bridge, or the VXLAN.
        type: str
        required: true
      vlan:
        description: VLAN of the entry.
        type: int
      dst:
        description: Other end of the tunnel, for a VXLAN.
        type: str
      vni:
        description: VNI to that end, where it is another one.
        type: int
  bridge_vlans:
    description: VLANs of ports, and of bridges themselves, where C(vlan_filtering) is on.
    type: list
    elements: dict
    suboptions:
      dev:
        description: The port, or the bridge.
        type: str
        required: true
      vlans:
        description: Its VLANs.
        type: list
        elements: dict
        required: true
        suboptions:
          vid:
            description: VLAN id, or a range such as V(100-199).
            type: str
            required: true
          pvid:
            description: Whether untagged frames that come in belong to it.
            type: bool
            default: false
          untagged:
            description: Whether frames go out without the tag.
            type: bool
            default: false
      mode:
        description:
          - V(exact) removes VLANs that are not listed, also VLAN 1 that a new port begins with; V(add) leaves
            them.
        type: str
        choices: [add, exact]
        default: exact
  scope:
    description:
      - V(listed) changes nothing but what the task speaks of.
      - V(exact) removes what it does not list, of the lists that it gives (links for O(interfaces), and O(routes),
        O(rules), O(neighbours) and O(fdb); VLANs have O(bridge_vlans[].mode) instead).
      - It never touches C(lo), physical links, the links that carry the SSH connection, routes by these, rules that may
        lead there, or what O(protect) names, unless they are listed.
    type: str
    choices: [listed, exact]
    default: listed
  protect:
    description:
      - Patterns of names of links that O(scope=exact) leaves alone with all that belongs to them, such as V(tap*) or
        V(vnet*).
    type: list
    elements: str
  mode:
    description:
      - 'V(implicit) makes a transaction of the task: all of it, or nothing.'
      - V(explicit) only commits what was begun before, by O(state=begun).
      - V(snapshot) never changes the host, whatever O(state) says; the task shows what it would do, as in check mode.
      - 'V(direct) sends each change as it comes, and keeps no way back: what was done before a failure stays.'
    type: str
    choices: [direct, implicit, explicit, snapshot]
    default: implicit
  state:
    description:
      - V(committed) applies what the task lists, together with what was begun as O(transaction) if that is given.
      - V(begun) only notes it on the host and returns the review and the UUID of the transaction; with O(transaction),
        it is added to that one. Several can be begun side by side.
      - V(confirmed) confirms a transaction that was committed with O(confirm_timeout) and O(confirm=later).
      - V(dropped) forgets one that was begun and not committed.
      - V(rolled_back) takes back one that was committed and is not confirmed yet, or tells that it has been.
      - 'V(recovered) brings to an end what a task was killed at: rolled back, or finished if all had been applied.
        Each commit does so by itself before it begins.'
    type: str
    choices: [committed, begun, confirmed, dropped, rolled_back, recovered]
    default: committed
  transaction:
    description: UUID of the transaction meant, as O(state=begun) or a commit returned it.
    type: str
  plan_sha:
    description:
      - The RV(plan_sha) of a review, for O(state=committed). If the plan is another one now, because the host or the
        wish is, nothing is changed and the task fails.
    type: str
  confirm_timeout:
    description:
      - Seconds in which the commit has to be confirmed. A process of its own on the managed host, started before the
        first change, takes everything back if it is not.
      - The task then resets its connection, connects anew and confirms; if the host cannot be reached any more, it
        waits until the host has come back by itself and fails, with the diff that was rolled back.
      - 'Connecting anew takes seconds: V(20) and more are sensible.'
    type: int
  confirm:
    description:
      - Who confirms a commit with O(confirm_timeout).
      - With V(reconnected), the task itself, over a new connection. The changes are made when the task's first answer
        has gone out.
      - With V(later), another task, with O(state=confirmed).
    type: str
    choices: [reconnected, later]
    default: reconnected
  confirm_host:
    description: Address at which the host is reached after a commit with O(confirm_timeout), where that changes.
    type: str
  proof:
    description:
      - The RV(proof) of an earlier answer to O(state=confirmed).
      - The task asks for it and gives it by itself.
    type: str
  verify_timeout:
    description:
      - 'Seconds in which what was applied has to be seen when it is read back. Waiting is rarely needed: the kernel
        is done when it answers.'
    type: int
    default: 0
  netns:
    description: Network namespace to work in, a name (as of C(ip netns)) or an absolute path.
    type: str
"""

EXAMPLES = r"""
- name: The address moves from the NIC to a bridge, over the very connection that it carries
  fleet.hypervisor.ipdb_txn:
    confirm_timeout: 60
    interfaces:
      - name: eth0
        master: br0
        addresses: []
      - name: br0
        kind: bridge
        state: up
        addresses: [192.0.2.10/24]
    routes:
      - dst: default
        gateway: 192.0.2.1
        dev: br0

- name: The host gets another address, at which it confirms
  fleet.hypervisor.ipdb_txn:
    confirm_timeout: 60
    confirm_host: 192.0.2.20
    interfaces:
      - name: br0
        addresses: [192.0.2.20/24]

- name: Look first
  fleet.hypervisor.ipdb_txn:
    state: begun
    interfaces:
      - name: bond0
        kind: bond
        options:
          mode: active-backup
          miimon: 100
        ports: [eth1, eth2]
        state: up
  register: begun

- name: Then do that, and only that
  fleet.hypervisor.ipdb_txn:
    mode: explicit
    transaction: "{{ begun.transaction }}"
    plan_sha: "{{ begun.plan_sha }}"

- name: What nobody lists goes, but for the guests' taps
  fleet.hypervisor.ipdb_txn:
    scope: exact
    protect: [tap*, vnet*]
    interfaces:
      - name: br0
        kind: bridge
        state: up

- name: Clean up after a task that was killed
  fleet.hypervisor.ipdb_txn:
    state: recovered
"""

RETURN = r"""
transaction:
  description: UUID of the transaction; V(null) where there was none to make, or with O(mode=direct).
  returned: success
  type: str
  sample: 7a637a44-8935-4395-b5e7-0ce40d31d937
review:
  description:
    - What was done, or would be done, in order, with what interrupts traffic and what the kernel takes along.
  returned: when O(state) is V(begun), V(committed) or V(confirmed)
  type: list
  elements: str
  sample:
    - "br0: create bridge"
    - "br0: add address 192.0.2.10/24"
    - "br0: up"
plan_sha:
  description: SHA-256 of the plan, to be given as O(plan_sha).
  returned: when O(state) is V(begun), V(committed) or V(confirmed)
  type: str
  sample: 0f5d2c4a7bb3a1f3a7a3e1c7c0b6f9f0a5a0e8a9ab0d7f2f2c1d1b2a3c4d5e6f
pending:
  description: Whether the transaction is still to be confirmed.
  returned: when O(state=committed)
  type: bool
seconds_left:
  description:
    - Seconds until the host takes the changes back.
    - The task counts from there, so that it is only seen where the action plugin does not run.
  returned: when the changes are made after this answer
  type: float
proof:
  description:
    - What O(proof) has to be for the host to take it as confirmed; it exists since the changes were made. Who can name
      it has been heard and answered since then.
    - The task asks for it and gives it by itself, so that it is only seen where the action plugin does not run.
  returned: when O(state=confirmed) and the changes were made after the answer to the task that committed them
  type: str
timings:
  description:
    - What was sent together, in order, with the milliseconds that the kernel took for it; reading back comes last.
    - The kernel takes a batch at once and does not say when it was done with each change of it. A change has a time of
      its own where it is alone in its batch.
  returned: when something was applied, but not with O(mode=direct)
  type: list
  elements: dict
  contains:
    changes:
      description: The changes of one batch.
      type: list
      elements: str
    ms:
      description: Milliseconds until the kernel had answered for all of them.
      type: float
  sample:
    - changes: ["br0: create bridge"]
      ms: 0.412
network:
  description:
    - What the task speaks of, as read back from the kernel, by kind of object.
    - What most links and addresses have is left out unless the task says it. That is of links no C(ifalias),
      C(altnames), C(master) and C(link), C(group) 0, C(txqlen) 1000, C(addr_gen_mode) V(eui64); of addresses the
      C(scope) V(global).
    - Of the options of a link's kind, and of those that it has as a port, it holds what the task says.
    - In check mode, as it is.
  returned: when O(state) is V(committed) or V(confirmed)
  type: dict
  sample:
    links:
      - ifindex: 4
        ifname: br0
        kind: bridge
        up: true
meanwhile:
  description: What somebody else changed while the transaction was applied, a line each. It was left alone.
  returned: when something was applied, but not with O(mode=direct)
  type: list
  elements: str
recovered:
  description: Transactions that a killed task had left behind, and what became of them.
  returned: when there were any, or O(state=recovered)
  type: list
  elements: dict
  contains:
    transaction:
      description: UUID of the transaction.
      type: str
    outcome:
      description: V(rolled_back), V(finished), or V(given_up) where nothing had been changed yet.
      type: str
    diff:
      description: The diff of the transaction.
      type: dict
waiting:
  description: UUIDs of transactions that were begun, or wait to be confirmed.
  returned: when O(state=recovered)
  type: list
  elements: str
why:
  description: Why the transaction was rolled back.
  returned: when O(state=rolled_back), or when it was not confirmed in time
  type: str
rolled_back:
  description: Whether the host was taken back to what it was before.
  returned: failure of a commit with O(confirm_timeout)
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.invocation import invocation
from ..module_utils.ipdb import spec, task
from ..module_utils.netlink.legible import legible, visible


def main() -> None:
    module = AnsibleModule(argument_spec=spec.TRANSACTION, supports_check_mode=True)
    try:
        result = legible(task.run(module.params, module.check_mode))
    except task.FAILURES as error:
        module.fail_json(msg=visible(str(error)), **legible(getattr(error, "details", {})))
    diff = result.pop("diff", None)
    result["invocation"] = invocation(module)
    module.exit_json(**result, **({"diff": diff} if module._diff and diff else {}))


if __name__ == "__main__":
    main()
