# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Init files: what Lago's users wrote is read, and what cannot be is refused with its place."""

from __future__ import annotations

import copy
import ipaddress
import json

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import InitFileError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.initfile.model import Dhcp, Disk, Nic
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.initfile.reading import load, read
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.lab import specified

VARIABLES = {"LAGO_INITFILE_PATH": "/labs", "LAGO_PREFIX_PATH": "/p"}

ROOT = {"template_name": "el7.4-base", "type": "template", "name": "root", "dev": "vda", "format": "qcow2"}
LAB = {
    "domains": {
        "vm_server01": {
            "memory": 2048,
            "vcpu": "4",
            "groups": ["servers", "all-of-them"],
            "service_provider": "systemd",
            "vm-type": "ovirt-engine",
            "root-password": 123456,
            "bootstrap": False,
            "nics": [{"net": "mgmt"}, {"net": "storage", "ip": "192.168.210.5"}, {"net": "storage"}],
            "disks": [
                {**ROOT, "template_version": "v2", "build": [{"virt-customize": {"touch": ["/a", "/b"]}}]},
                {"template_type": "qcow2", "path": "$LAGO_INITFILE_PATH/x.qcow2", "dev": "vdb", "name": "layer"},
                {"comment": "for data", "type": "empty", "size": "10G", "dev": "sda", "format": "raw", "name": "data"},
                {"type": "file", "url": "http://127.0.0.1/x.iso", "make_a_copy": True, "name": "cd", "format": "iso"},
            ],
            "artifacts": ["/var/log"],
            "metadata": {"deploy-scripts": ["${LAGO_INITFILE_PATH}/setup.sh"], "any": {"thing": 1}},
        },
        "vm-client": {"nics": [{"net": "mgmt"}], "disks": [ROOT], "groups": "all-of-them"},
    },
    "nets": {
        "mgmt": {
            "type": "nat",
            "management": True,
            "dns_domain_name": "lago.local",
            "dhcp": {"start": 100, "end": 254},
            "dns_records": {"www.example.com": "10.0.0.1"},
        },
        "storage": {"type": "nat", "gw": "192.168.210.4", "mtu": 9000},
        "raw": {"type": "bridge"},
    },
}


def with_change(path: str, value: object) -> dict:
    """The lab with another value at a path of keys and numbers."""
    lab = copy.deepcopy(LAB)
    at = lab
    *above, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    for key in above:
        at = at[key]
    at[last] = value
    return lab


def test_a_whole_lab_is_read():
    lab = read(LAB, VARIABLES)
    server = lab.domains["vm_server01"]
    assert (server.memory, server.vcpu, server.root_password) == (2048, 4, "123456")
    assert (server.bootstrap, server.vm_type, server.service_provider) == (False, "ovirt-engine", "systemd")
    assert server.nics == (Nic("mgmt"), Nic("storage", ipaddress.ip_address("192.168.210.5")), Nic("storage"))
    assert server.metadata == {"deploy-scripts": ["/labs/setup.sh"], "any": {"thing": 1}}
    assert server.artifacts == ("/var/log",)
    root, layer, data, cd = server.disks
    assert root == Disk(
        name="root",
        type="template",
        dev="vda",
        format="qcow2",
        template_name="el7.4-base",
        template_version="v2",
        build=({"virt-customize": {"touch": ["/a", "/b"]}},),
    )
    assert (layer.template_type, layer.path, layer.format) == ("qcow2", "/labs/x.qcow2", "qcow2")
    assert (data.size, data.format, data.comment) == (10 << 30, "raw", "for data")
    assert (cd.dev, cd.cdrom, cd.make_a_copy) == ("sdb", True, True)
    mgmt, storage, raw = lab.nets.values()
    assert mgmt.dhcp == Dhcp(100, 254) and mgmt.dns_records == {"www.example.com": ipaddress.ip_address("10.0.0.1")}
    assert (str(storage.subnet), storage.mtu, storage.management) == ("192.168.210.0/24", 9000, False)
    assert raw.type == "bridge" and raw.subnet is None
    assert lab.groups == {"servers": ["vm_server01"], "all-of-them": ["vm_server01", "vm-client"]}
    assert lab.unknown == ()


def test_what_is_not_said_is_as_in_lago():
    client = read(LAB, VARIABLES).domains["vm-client"]
    assert (client.memory, client.vcpu, client.bootstrap, client.ssh_user) == (16384, 2, True, "root")
    assert (client.vm_provider, client.boot_time_sec, client.accel) == ("local-libvirt", 600, "auto")


def test_a_file_in_json_is_the_same(tmp_path):
    path = tmp_path / "init.json"
    path.write_text(json.dumps(LAB))
    assert load(str(path), VARIABLES) == read(LAB, VARIABLES)


def test_a_file_that_is_no_json(tmp_path):
    path = tmp_path / "init.json"
    path.write_text("domains: {}")
    with pytest.raises(InitFileError, match=r"init\.json is no JSON"):
        load(str(path), {})
    path.write_text("[" * 100000)
    with pytest.raises(InitFileError, match="is no JSON"):
        load(str(path), {})


def test_reading_changes_nothing_of_what_is_given():
    given = copy.deepcopy(LAB)
    read(given, VARIABLES)
    assert given == LAB


# Prototypes


def based(on: object, prototypes: object = None) -> dict:
    lab = with_change("domains/vm-client", {"based-on": on, "memory": 512})
    return {**lab, "prototypes": prototypes or {}}


BASE = {"memory": 1024, "vcpu": 1, "nics": [{"net": "mgmt"}], "disks": [ROOT]}


@pytest.mark.parametrize(
    "lab",
    [
        based("base", {"base": BASE}),  # 0.3: its name
        based(BASE),  # 1.0: itself
        based("more", {"base": BASE, "more": {"based-on": "base"}}),
    ],
)
def test_a_prototype_says_what_the_domain_does_not(lab):
    client = read(lab, VARIABLES).domains["vm-client"]
    assert (client.memory, client.vcpu, client.nics) == (512, 1, (Nic("mgmt"),))


@pytest.mark.parametrize(
    ("lab", "message"),
    [
        (based("base"), "domains.vm-client.based-on: there is no prototype base"),
        (
            based("a", {"a": {"based-on": "b"}, "b": {"based-on": "a"}}),
            "domains.vm-client.based-on: a is based on itself",
        ),
        (based("a", {"a": 1}), "prototypes.a: has to be a dictionary, not 1"),
    ],
)
def test_a_prototype_that_cannot_be(lab, message):
    with pytest.raises(InitFileError) as caught:
        read(lab, VARIABLES)
    assert str(caught.value) == message


# What is refused, and how


SERVER = "domains/vm_server01"
VM = "domains.vm_server01"
REFUSED = [
    (f"{SERVER}/nics/1/net", "nowhere", f"{VM}.nics[1].net: there is no network nowhere"),
    (f"{SERVER}/nics/1/ip", "192.168.210.400", f"{VM}.nics[1].ip: '192.168.210.400' is no IP address"),
    (f"{SERVER}/nics/1", {"ip": "10.0.0.1"}, f"{VM}.nics[1]: net is missing"),
    (f"{SERVER}/nics/1", "mgmt", f"{VM}.nics[1]: has to be a dictionary, not 'mgmt'"),
    (f"{SERVER}/nics", {"net": "mgmt"}, f"{VM}.nics: has to be a list, not a dictionary"),
    (
        f"{SERVER}/nics/1/net",
        "mgmt",
        f"{VM}.nics: one has to be on a management network, and 2 are",
    ),
    (f"{SERVER}/nics", [], f"{VM}.nics: one has to be on a management network, and 0 are"),
    (
        f"{SERVER}/nics/1/ip",
        "192.168.210.4",
        f"{VM}.nics[1].ip: 192.168.210.4 is also that of nets.storage.gw",
    ),
    (
        f"{SERVER}/nics/2/ip",
        "192.168.210.5",
        f"{VM}.nics[2].ip: 192.168.210.5 is also that of {VM}.nics[1].ip",
    ),
    (
        f"{SERVER}/memory",
        "2 GB",
        f"{VM}.memory: has to be a whole number of 16 to 16777216, not '2 GB'",
    ),
    (f"{SERVER}/memory", True, f"{VM}.memory: has to be a whole number of 16 to 16777216, not True"),
    (f"{SERVER}/vcpu", 0, f"{VM}.vcpu: has to be a whole number of 1 to 4096, not 0"),
    (f"{SERVER}/bootstrap", "maybe", f"{VM}.bootstrap: has to be true or false, not 'maybe'"),
    (
        f"{SERVER}/service_provider",
        "openrc",
        f"{VM}.service_provider: has to be one of systemd, sysvinit, systemdcontainer, not 'openrc'",
    ),
    (f"{SERVER}/groups", [["a"]], f"{VM}.groups[0]: has to be text, not a list"),
    (f"{SERVER}/initrd", "/i", f"{VM}: initrd and cmdline mean something only with kernel"),
    (f"{SERVER}/type", "ova", f"{VM}: type: ova and url go together"),
    (f"{SERVER}/type", "vmx", f"{VM}.type: has to be one of ova, not 'vmx'"),
    (f"{SERVER}/disks/0/type", "nbd", f"{VM}.disks[0].type: has to be one of template, empty, file, not 'nbd'"),
    (f"{SERVER}/disks/0/format", "vmdk", f"{VM}.disks[0].format: has to be one of qcow2, raw, iso, not 'vmdk'"),
    (
        f"{SERVER}/disks/0/template_type",
        "ova",
        f"{VM}.disks[0].template_type: has to be one of lago, qcow2, not 'ova'",
    ),
    (
        f"{SERVER}/disks/0/build",
        [{"virt-customize": {}}, {"ansible": {}}],
        f"{VM}.disks[0].build[1].ansible: is not known; virt-customize is",
    ),
    (
        f"{SERVER}/disks/0/build",
        [{"virt-customize": ["touch"]}],
        f"{VM}.disks[0].build[0].virt-customize: has to be a dictionary, not a list",
    ),
    (
        f"{SERVER}/disks/0/size",
        1,
        f"{VM}.disks[0].size: means nothing to a disk of type template with template_name",
    ),
    (f"{SERVER}/disks/2/size", "ten", f"{VM}.disks[2].size: has to be a size such as 10G, not 'ten'"),
    (f"{SERVER}/disks/2/size", None, f"{VM}.disks[2]: a disk of type empty needs size"),
    (f"{SERVER}/disks/2/dev", "vda", f"{VM}.disks[2].dev: vda is also that of {VM}.disks[0]"),
    (f"{SERVER}/disks/2/dev", "xyz", f"{VM}.disks[2].dev: 'xyz' is no disk's name such as vda, sda or hda"),
    (f"{SERVER}/disks/2/format", "iso", f"{VM}.disks[2].format: only a disk of type file can be an iso"),
    (f"{SERVER}/disks/3/path", "/x", f"{VM}.disks[3]: a disk of type file needs either path or url"),
    (
        f"{SERVER}/disks/3/url",
        "gopher://x",
        f"{VM}.disks[3].url: 'gopher://x' begins with neither http://, https:// nor file://",
    ),
    (
        f"{SERVER}/disks/0/name",
        "../root",
        f"{VM}.disks[0].name: '../root' cannot be a name (letters, digits, _ . and -, 100 at most)",
    ),
    (
        f"{SERVER}/disks/1/path",
        "$LAGO_WORKDIR_PATH/x",
        f"{VM}.disks[1].path: $LAGO_WORKDIR_PATH is not known here",
    ),
    ("domains", {}, "domains: there is none"),
    ("domains", [], "domains: there is none"),
    ("domains", ["vm"], "domains: has to be a dictionary, not a list"),
    ("domains/-x", {}, "domains.-x: '-x' cannot be a host name (letters, digits and - inside, 63 a label)"),
    ("nets/mgmt/dhcp", {"start": 9, "end": 3}, "nets.mgmt.dhcp: the start 9 lies behind the end 3"),
    ("nets/mgmt/dhcp", {"start": 9}, "nets.mgmt.dhcp: end is missing"),
    ("nets/storage/dhcp", {"start": 9, "end": 300}, "nets.storage.dhcp.end: 192.168.210.0/24 has no host 300"),
    ("nets/raw/dhcp", {"start": 9, "end": 30}, "nets.raw.dhcp: a network of type bridge has no DHCP server"),
    (
        "nets/raw/bridge",
        "br/0",
        "nets.raw.bridge: 'br/0' cannot be a link's name (letters, digits, _ . and -, 15 at most)",
    ),
    ("nets/mgmt/bridge", "br0", "nets.mgmt.bridge: only a network of type bridge can be on one of the host's"),
    ("nets/raw", {"type": "bridge", "bridge": "br0", "mtu": 9000}, "nets.raw.mtu: a bridge of the host's has its own"),
    ("nets/raw/type", "vlan", "nets.raw.type: has to be one of nat, bridge, not 'vlan'"),
    ("nets/raw/dns_domain_name", "x.y", "nets.raw.dns_domain_name: only management networks have DNS"),
    (
        "nets/storage/subnet",
        "10.0.0.0",
        "nets.storage.subnet: '10.0.0.0' is no network with a length, for two hosts at least",
    ),
    ("nets/storage/subnet", "10.0.0.0/24", "nets.storage.gw: 192.168.210.4 does not lie in 10.0.0.0/24"),
    ("nets/storage/gw", "192.168.210.255", "nets.storage.gw: 192.168.210.255 is no host's address in 192.168.210.0/24"),
    ("nets/storage/gw", "fd00::1", "nets.storage.gw: fd00::1 does not lie in an IPv4 subnet"),
    ("nets/raw/subnet6", "10.0.0.0/24", "nets.raw.subnet6: 10.0.0.0/24 is not of IPv6"),
    ("nets/raw/mtu", 1, "nets.raw.mtu: has to be a whole number of 68 to 65521, not 1"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), REFUSED, ids=[f"{path}={value}" for path, value, _m in REFUSED])
def test_what_cannot_be_is_refused_with_its_place(path, value, message):
    with pytest.raises(InitFileError) as caught:
        read(with_change(path, value), VARIABLES)
    assert str(caught.value) == message


def test_an_ova_is_refused_with_what_to_do_instead():
    url = "http://192.0.2.1/x.ova"
    given = {**LAB, "domains": {"vm0": {"nics": [{"net": "mgmt"}], "type": "ova", "url": url}}}
    with pytest.raises(InitFileError) as caught:
        specified(given, VARIABLES)
    assert str(caught.value) == (
        f"domains.vm0.type: an OVA is not taken: unpack {url} (tar xf), make qcow2 of its disks (qemu-img convert -O "
        "qcow2), and name these under disks, as {type: file, path: .., format: qcow2, make_a_copy: true}"
    )
    given["domains"]["vm0"] = {
        "nics": [{"net": "mgmt"}],
        "disks": [{"type": "file", "path": "/x.qcow2", "format": "qcow2", "make_a_copy": True}],
    }
    assert specified(given, VARIABLES).unknown == ()


def test_what_is_no_dictionary_at_all():
    with pytest.raises(InitFileError, match="has to be a dictionary"):
        read([], {})


def test_a_hostile_depth_is_refused():
    deep: dict = {}
    at = deep
    for _unused in range(900):
        at["a"] = {}
        at = at["a"]
    with pytest.raises(InitFileError, match="nested more than 50 levels"):
        read({**LAB, "x": deep}, VARIABLES)


def test_every_value_replaced_by_nonsense_is_refused_or_read():
    """Whatever stands anywhere, only InitFileError comes of it."""

    def places(value, path=()):
        yield path
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, one in items:
            yield from places(one, (*path, key))

    for path in list(places(LAB))[1:]:
        for nonsense in (None, [], {}, [[]], {"": {}}, "", "\0", "a\nb", -1, 1e300, float("nan"), True, {1: 2}):
            lab = copy.deepcopy(LAB)
            at = lab
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = nonsense
            try:
                read(lab, VARIABLES)
            except InitFileError as error:
                assert str(error)


# What Lago did besides


def test_the_first_network_by_name_is_for_management_where_none_is():
    lab = copy.deepcopy(LAB)
    lab["nets"] = {"b": {}, "a": None}
    lab["domains"] = {"vm0": {"nics": [{"net": "a"}], "disks": []}}
    assert [net.name for net in read(lab, {}).nets.values() if net.management] == ["a"]


def test_the_same_addresses_in_two_networks_are_none_s_business():
    lab = with_change("nets/raw/subnet", "192.168.210.0/24")
    lab["domains"]["vm-client"]["nics"].append({"net": "raw", "ip": "192.168.210.5"})
    assert read(lab, VARIABLES).domains["vm-client"].nics[1].ip == ipaddress.ip_address("192.168.210.5")


def test_keys_that_mean_nothing_are_named_and_left_out():
    lab = with_change("domains/vm-client/memmory", 1)
    lab["nets"]["raw"]["colour"] = "red"
    lab["common-settings"] = {"anything": 1}  # what YAML's anchors are kept in
    assert read(lab, VARIABLES).unknown == (
        "nets.raw.colour: is not a key that is known here",
        "domains.vm-client.memmory: is not a key that is known here; is memory meant?",
    )


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("10G", 10 << 30),
        ("1.5k", 1536),
        (1000, 1024),
        ("7", 512),
        ("2GiB", 2 << 30),
        ("512MB", 512 << 20),
        ("1T", 1 << 40),
    ],
)
def test_sizes_are_qemu_img_s_in_whole_sectors(said, size):
    assert read(with_change(f"{SERVER}/disks/2/size", said), VARIABLES).domains["vm_server01"].disks[2].size == size


def test_a_prefix_that_lago_saved_has_mappings_and_snapshots():
    lab = with_change("domains/vm-client/snapshots", {"fresh": ["/p/images/root.1"]})
    lab["nets"]["storage"]["mapping"] = {"vm_server01-eth1": "192.168.210.5", "other": "192.168.210.9"}
    found = read(lab, VARIABLES)
    assert found.domains["vm-client"].snapshots == {"fresh": ("/p/images/root.1",)}
    assert found.nets["storage"].mapping["other"] == ipaddress.ip_address("192.168.210.9")


def test_an_address_that_a_mapping_has_for_another_is_refused():
    lab = with_change("nets/storage/mapping", {"other": "192.168.210.5"})
    with pytest.raises(InitFileError, match=r"192\.168\.210\.5 is also that of nets\.storage\.mapping\.other"):
        read(lab, VARIABLES)


def test_disks_that_say_no_device_get_the_next_free_ones():
    lab = with_change(
        "domains/vm-client/disks", [{"type": "empty", "size": "1M"}, ROOT, {"type": "empty", "size": "1M"}]
    )
    lab["domains"]["vm-client"]["disks"][1] = {**ROOT, "name": "system"}
    disks = read(lab, VARIABLES).domains["vm-client"].disks
    assert [(disk.name, disk.dev) for disk in disks] == [("root", "vdb"), ("system", "vda"), ("disk2", "vdc")]
