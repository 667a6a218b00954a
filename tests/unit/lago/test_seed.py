# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest is told at its first boot, and the CD that it is told by, read by a reader of the tests' own."""

from __future__ import annotations

import ipaddress
import json
import struct

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import identity, seed
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.addressing import Subnets, allocate
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import SeedError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.initfile.reading import read
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.iso9660 import image

PREFIX = "0f5c1a9e0d6b4f0bb9a2f3c0de5a1e77"
KEYS = ("ssh-ed25519 AAAA lab",)
NET = ipaddress.ip_network


# A reader: of ISO 9660's entries with Rock Ridge's names, or of Joliet's


def entries(data, volume):
    """Name, place and size of what is in the root folder that the descriptor in sector `volume` has."""
    at, size = struct.unpack_from("<I4xI", data, volume * 2048 + 156 + 2)
    at *= 2048
    end, found = at + size, []
    while at < end and data[at]:
        one = data[at : at + data[at]]
        sector, big, length, big_length = (
            struct.unpack_from("<I", one, 2)
            + struct.unpack_from(">I", one, 6)
            + (struct.unpack_from("<I", one, 10) + struct.unpack_from(">I", one, 14))
        )
        assert (sector, length) == (big, big_length), "both orders say the same"
        name = one[33 : 33 + one[32]]
        more = one[33 + one[32] + (1 - one[32] % 2) :]
        found.append((name, fields(more), sector * 2048, length))
        at += data[at]
    return found


def fields(more):
    """Of the system use area, by their two letters."""
    found = {}
    while len(more) >= 4:
        found[more[:2].decode()] = more[4 : more[2]]
        more = more[more[2] :]
    return found


def rock_ridge(data):
    here, above, *files = entries(data, 16)
    assert (here[0], above[0]) == (b"\0", b"\x01")
    assert here[1]["SP"] == b"\xbe\xef\0" and here[1]["ER"].endswith(b"RRIP_1991A")
    assert [name for name, *_rest in files] == sorted(name for name, *_rest in files), "as the standard asks"
    return {more["NM"][1:].decode(): data[at : at + size] for _name, more, at, size in files}


def joliet(data):
    return {name.decode("utf-16-be"): data[at : at + size] for name, _more, at, size in entries(data, 17)[2:]}


FILES = {
    "meta-data": b"a: 1\n",
    "user-data": b"#cloud-config\n" * 400,
    "network-config": b"",
    "A long name, with (everything) in it.and.dots": b"x" * 2048,
}


def test_all_files_are_there_under_both_kinds_of_names():
    data = image("cidata", FILES)
    assert rock_ridge(data) == FILES
    assert joliet(data) == FILES


def test_a_cd_is_one_by_its_descriptors():
    data = image("cidata", FILES)
    assert [data[sector * 2048 : sector * 2048 + 7] for sector in (16, 17, 18)] == [
        b"\x01CD001\x01",
        b"\x02CD001\x01",
        b"\xffCD001\x01",
    ]
    assert data[16 * 2048 + 40 : 16 * 2048 + 72].rstrip() == b"cidata"
    assert data[17 * 2048 + 40 : 17 * 2048 + 72].decode("utf-16-be").rstrip() == "cidata"
    assert data[17 * 2048 + 88 : 17 * 2048 + 91] == b"%/E"
    (sectors,) = struct.unpack_from("<I", data, 16 * 2048 + 80)
    assert sectors * 2048 == len(data)


def test_path_tables_point_to_the_folders():
    data = image("cidata", FILES)
    for volume in (16, 17):
        root = struct.unpack_from("<I", data, volume * 2048 + 156 + 2)[0]
        (little,) = struct.unpack_from("<I", data, volume * 2048 + 140)
        (big,) = struct.unpack_from(">I", data, volume * 2048 + 148)
        assert struct.unpack_from("<BBIH", data, little * 2048) == (1, 0, root, 1)
        assert struct.unpack_from(">BBIH", data, big * 2048) == (1, 0, root, 1)


def test_the_same_files_give_the_same_bytes():
    assert image("cidata", FILES) == image("cidata", dict(reversed(list(FILES.items()))))


def test_an_empty_cd_and_one_with_as_many_files_as_fit():
    assert rock_ridge(image("x", {})) == {}
    count = 0
    try:
        while True:
            files = {f"{number:060d}": bytes([number]) for number in range(count + 1)}
            assert rock_ridge(image("x", files)) == joliet(image("x", files)) == files
            count += 1
    except SeedError as error:
        assert str(error) == f"{count + 1} files do not fit into one folder of a CD"
    assert count >= 8


@pytest.mark.parametrize("name", ["", "a/b", "ä", "a\nb", "x" * 61])
def test_names_that_have_no_place(name):
    with pytest.raises(SeedError, match="cannot be the name of a file on a CD"):
        image("cidata", {name: b""})


@pytest.mark.parametrize("label", ["", "x" * 17, "ä"])
def test_labels_that_have_no_place(label):
    with pytest.raises(SeedError, match="cannot be the label of a CD"):
        image(label, {})


# What is told


def told(name="vm0", keys=KEYS, nets=None, **vm):
    """The three files, decoded."""
    spec = {
        "domains": {"vm0": {"nics": [{"net": "mgmt"}, {"net": "data"}], **vm}},
        "nets": nets or {"mgmt": {"management": True, "dhcp": {"start": 9, "end": 20}}, "data": {"mtu": 9000}},
    }
    lab = read(spec, {})
    subnets = {"mgmt": Subnets(NET("10.0.1.0/24"), NET("fd00::/64")), "data": Subnets(NET("10.0.2.0/26"))}
    cd = seed.build(PREFIX, lab.domains[name], lab, allocate(lab, subnets), keys)
    files = rock_ridge(cd)
    assert sorted(files) == ["meta-data", "network-config", "user-data"]
    assert files["user-data"].startswith(b"#cloud-config\n{"), "how cloud-init tells it from a script"
    return {key: json.loads(data.replace(b"#cloud-config\n", b"")) for key, data in files.items()}


def test_a_guest_is_told_its_name_and_that_it_is_another_one():
    assert told()["meta-data"] == {
        "instance-id": identity.object_uuid(PREFIX, "domain", "vm0"),
        "local-hostname": "vm0",
    }


def test_root_logs_in_by_key_alone():
    data = told()["user-data"]
    assert data["users"] == ["default", {"name": "root", "ssh_authorized_keys": list(KEYS)}]
    assert (data["disable_root"], data["ssh_pwauth"]) == (False, False) and "chpasswd" not in data


def test_passwords_only_where_the_file_says_them():
    data = told(**{"root-password": "a: 'b'\n", "ssh-user": "admin", "ssh-password": 123})["user-data"]
    assert data["ssh_pwauth"] is True
    assert data["chpasswd"]["users"] == [
        {"name": "root", "password": "a: 'b'\n", "type": "text"},
        {"name": "admin", "password": "123", "type": "text"},
    ]
    assert data["users"][2]["name"] == "admin" and data["users"][2]["lock_passwd"] is False
    assert told(**{"ssh-user": "admin"})["user-data"]["users"][2]["lock_passwd"] is True


def test_a_guest_has_its_own_name_as_an_initiator_of_iscsi():
    (file,) = told()["user-data"]["write_files"]
    assert file["path"] == "/etc/iscsi/initiatorname.iscsi" and file["permissions"] == "0600"
    assert file["content"] == "InitiatorName=iqn.2014-07.org.lago:vm0\n"


def test_interfaces_are_known_by_their_mac_addresses():
    config = told()["network-config"]
    assert config["version"] == 2
    first, second = config["ethernets"]["eth0"], config["ethernets"]["eth1"]
    assert first == {
        "match": {"macaddress": identity.mac(PREFIX, "vm0", 0)},
        "set-name": "eth0",
        "dhcp4": True,
        "dhcp6": True,
    }
    assert second == {
        "match": {"macaddress": identity.mac(PREFIX, "vm0", 1)},
        "set-name": "eth1",
        "mtu": 9000,
        "addresses": ["10.0.2.2/26"],
    }


def test_without_dhcp_the_management_network_has_the_way_out():
    nets = {"mgmt": {"management": True}, "data": {"dhcp": {"start": 9, "end": 20}}}
    config = told(nets=nets)["network-config"]["ethernets"]
    assert config["eth0"]["addresses"] == ["10.0.1.2/24", "fd00::2/64"]
    assert config["eth0"]["routes"] == [{"to": "0.0.0.0/0", "via": "10.0.1.1"}]
    assert config["eth0"]["nameservers"] == {"addresses": ["10.0.1.1"]}
    assert config["eth1"]["dhcp4-overrides"] == {"use-routes": False, "use-dns": False}


def test_names_are_looked_for_in_the_lab_s_domain():
    for more in ({}, {"dhcp": {"start": 9, "end": 20}}):
        nets = {"mgmt": {"management": True, "dns_domain_name": "lab.local", **more}, "data": {}}
        config = told(nets=nets)["network-config"]["ethernets"]
        assert config["eth0"]["nameservers"] == {"addresses": ["10.0.1.1"], "search": ["lab.local"]}
        assert "nameservers" not in config["eth1"]


def test_a_network_without_addresses_is_not_waited_for():
    config = told(nets={"mgmt": {"management": True}, "data": {"type": "bridge"}, "x": {}}, nics=[
        {"net": "mgmt"}, {"net": "x"}])["network-config"]["ethernets"]["eth1"]  # fmt: skip
    assert (config["dhcp4"], config["optional"]) == (False, True)


@pytest.mark.parametrize("key", ["", "nonsense", "ssh-ed25519 A\nssh-ed25519 B"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(SeedError, match="^telling vm0 who may log in: .* is no public key of SSH$"):
        told(keys=[key])
