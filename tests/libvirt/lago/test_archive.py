# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs as archives: whole or not at all, also when killed; what is in one is believed nothing. And what is pruned."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import shutil
import struct
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import pruning
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import ArchiveError, LagoError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.importing import import_lab, look
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish

from tests.libvirt.lago.conftest import Conf, Host, lab
from tests.libvirt.lago.test_snapshots import check_whole, killed_at, read, settled, states, up, without_nics, write


@pytest.fixture
def kept(host: Host) -> Path:
    """A folder that outlives the labs, as the store of templates does."""
    folder = host.folder / "kept"
    folder.mkdir(mode=0o755)
    host.settings["template_store"] = str(folder / "store")
    return folder


def with_template(kept: Path, conf: Conf) -> tuple[Conf, str]:
    """Its root disks are of a template; and the repository that has it."""
    root = kept / "repository"
    root.mkdir()
    image = ["qemu-img", "create", "-q", "-f", "qcow2", str(root / "base.qcow2"), "1M"]
    subprocess.run(image, check=True)
    subprocess.run(
        ["qemu-io", "-c", f"write -P {0x33} 4k 4k", str(root / "base.qcow2")], check=True, capture_output=True
    )
    found = {
        "name": "lab",
        "templates": {"base": {"versions": {"v1": {"source": "here", "handle": "base.qcow2", "timestamp": 1}}}},
        "sources": {"here": {"type": "file", "args": {"root": str(root)}}},
    }
    (kept / "repository.json").write_text(json.dumps(found))
    for domain in conf["domains"].values():
        domain["disks"] = [{"name": "root", "type": "template", "template_name": "base", "dev": "vda"}]
    return conf, str(kept / "repository.json")


def test_a_running_lab_goes_elsewhere_with_its_snapshots(host: Host, kept: Path) -> None:
    conf, repository = with_template(kept, lab("one", "two", bootstrap=False))
    prefix = host.prefix()
    prefix.virt_conf(conf, template_repo=repository)
    prefix.start()
    write(prefix, "one", "a")
    prefix.create_snapshots("first", memory=True)
    write(prefix, "one", "b")
    archive = str(kept / "lab.tar")
    told = prefix.export(archive, compress="gz")
    write(prefix, "one", "c")
    check_whole(prefix)
    assert told["vms"] == ["one", "two"] and told["snapshots"] == ["first"]
    assert os.stat(archive).st_mode & 0o777 == 0o600, "it has a private key"
    assert sorted(os.listdir(kept)) == ["lab.tar", "repository", "repository.json", "store"]

    other = host.prefix("elsewhere/lab")
    told = import_lab(other.paths.prefix(), archive, host.settings)
    assert told["from"] == prefix.uuid != told["uuid"] == other.uuid and told["snapshots"] == ["first"]
    assert other.virt_env.get_vm("one").disks()[0].chain[-1] == prefix.virt_env.get_vm("one").disks()[0].chain[-1], (
        "the store has the template once"
    )
    assert not other.plan(Wish("initialized", conf)), "it is the lab that the file says"
    other.start()
    assert {states(one)["one"] for one in (prefix, other)} == {"running"}
    subnets = {str(one.virt_env.get_net("mgmt").gw()) for one in (prefix, other)}
    assert len(subnets) == 2, "both run, in two subnets"
    assert (read(prefix, "one"), read(other, "one")) == ("c", "b")
    other.revert_snapshots("first")
    check_whole(other)
    assert (read(prefix, "one"), read(other, "one")) == ("c", "a")
    other.delete_snapshots("first")
    check_whole(other)
    assert len(other.virt_env.get_vm("one").disks()[0].chain) == 2, "one file, and the template"


def test_elsewhere_without_the_template_it_comes_along(host: Host, kept: Path) -> None:
    conf, repository = with_template(kept, without_nics(lab("one")))
    prefix = host.prefix()
    prefix.virt_conf(conf, template_repo=repository)
    archive = str(kept / "lab.tar")
    prefix.export(archive)
    other = Prefix(str(host.folder / "other"), {**host.settings, "template_store": str(kept / "another")})
    host.prefixes.append(other)
    import_lab(other.paths.prefix(), archive, other.settings)
    base = other.virt_env.get_vm("one").disks()[0].chain[-1][0]
    assert os.path.dirname(base) == other.paths.images() and not other.plan(Wish("initialized"))
    other.start()
    check_whole(other)
    done = subprocess.run(
        ["qemu-io", "-U", "-r", "-c", f"read -P {0x33} 4k 4k", other.virt_env.get_vm("one").disks()[0].chain[0][0]],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, "what the template has is there"


def test_standalone_has_one_file_a_disk_and_no_snapshots(host: Host, kept: Path) -> None:
    prefix = up(host, without_nics(lab("one", "two")))
    write(prefix, "one", "a")
    prefix.create_snapshots("first")
    write(prefix, "one", "b")
    told = prefix.export(str(kept / "lab.tar"), snapshot="first", standalone=True)
    assert told["files"] == 4 and told["snapshots"] == []
    other = host.prefix("other")
    import_lab(other.paths.prefix(), str(kept / "lab.tar"), host.settings)
    assert read(other, "one") == "a"
    assert [len(vm.disks()[0].chain) for vm in other.virt_env.get_vms().values()] == [1, 1]


@pytest.mark.parametrize("standalone", [False, True])
def test_holes_of_a_raw_disk_take_no_place_there_nor_after(host: Host, kept: Path, standalone: bool) -> None:
    conf = without_nics(lab("one"))
    conf["domains"]["one"]["disks"] = [{"name": "root", "type": "empty", "size": "256M", "format": "raw", "dev": "vda"}]
    prefix = host.prefix()
    prefix.virt_conf(conf)
    image = prefix.virt_env.get_vm("one").disks()[0].chain[0][0]
    for place, letter in (("0", "a"), ("100M", "b"), ("255M", "c")):
        write_raw(image, place, letter)
    archive = kept / "lab.tar"
    told = prefix.export(str(archive), standalone=standalone)
    assert told["size"] == os.stat(archive).st_size < 1 << 20
    other = host.prefix("other")
    import_lab(other.paths.prefix(), str(archive), host.settings)
    found = other.virt_env.get_vm("one").disks()[0].chain
    assert len(found) == 1 and found[0][1] == "raw" and found[0][0] != image
    assert os.stat(found[0][0]).st_size == 256 << 20 and os.stat(found[0][0]).st_blocks * 512 < 1 << 20
    subprocess.run(["cmp", image, found[0][0]], check=True)
    with tarfile.open(archive) as tar:  # the sha256 in the manifest is that of the disk, not of what the archive has
        files = json.load(t.cast(t.IO[bytes], tar.extractfile("manifest.json")))["files"]
    sums = {one["sha256"]: one["size"] for one in files}
    done = subprocess.run(["sha256sum", image], check=True, capture_output=True, text=True)
    assert sums[done.stdout.split()[0]] == 256 << 20


def write_raw(image: str, place: str, letter: str) -> None:
    done = ["qemu-io", "-f", "raw", "-c", f"write -P {ord(letter)} {place} 4k", image]
    subprocess.run(done, check=True, capture_output=True)


def test_cds_come_along(host: Host, kept: Path) -> None:
    conf = without_nics(lab("one"))
    (kept / "tools.iso").write_bytes(b"tools" * 4096)
    cd = {"type": "file", "path": str(kept / "tools.iso"), "format": "iso"}
    conf["domains"]["one"]["disks"] += [
        {**cd, "name": "own", "dev": "sdb", "make_a_copy": True},
        {**cd, "name": "placed", "dev": "sdc"},
    ]
    prefix = host.prefix()
    prefix.virt_conf(conf)
    for standalone in (False, True):
        archive = str(kept / "lab.tar")
        prefix.export(archive, standalone=standalone)
        os.rename(kept / "tools.iso", kept / "away.iso")
        other = host.prefix("other")
        import_lab(other.paths.prefix(), archive, host.settings)
        other.start()
        files = [disk.chain[0][0] for disk in other.virt_env.get_vm("one").disks() if disk.cdrom]
        assert [Path(path).read_bytes()[:5] for path in files] == [b"tools"] * 2
        assert {os.path.dirname(path) for path in files} == {other.paths.images()}
        other.create_snapshots("x")
        other.revert_snapshots("x")
        check_whole_but_cds(other)
        other.destroy()
        os.rename(kept / "away.iso", kept / "tools.iso")


def check_whole_but_cds(prefix: Prefix) -> None:
    prefix.forget()
    assert states(prefix) == {"one": "running"}


def test_subnets_that_the_file_says_are_changed_when_asked_for(host: Host, kept: Path) -> None:
    conf = lab("one", bootstrap=False)
    conf["nets"]["mgmt"]["gw"] = "192.168.203.1"
    prefix = host.prefix()
    prefix.virt_conf(conf)
    archive = str(kept / "lab.tar")
    prefix.export(archive)
    same, other = host.prefix("same"), host.prefix("other")
    with pytest.raises(LagoError, match="192.168.203.0/24"):
        import_lab(same.paths.prefix(), archive, host.settings)
    same.destroy()
    import_lab(other.paths.prefix(), archive, host.settings, new_subnets=True)
    assert other.virt_env.get_net("mgmt").gw() != "192.168.203.1"


def test_a_snapshot_with_a_vm_that_left_stays_behind(host: Host, kept: Path) -> None:
    conf = without_nics(lab("one", "two"))
    prefix = up(host, conf)
    prefix.create_snapshots("both")
    prefix.virt_conf({**conf, "domains": {"one": conf["domains"]["one"]}})
    prefix.create_snapshots("alone")
    told = prefix.export(str(kept / "lab.tar"))
    assert told["snapshots"] == ["alone"] and told["vms"] == ["one"]
    for name in ("both", "alone"):
        prefix.delete_snapshots(name)
    check_whole(prefix)
    assert os.listdir(prefix.paths.images()) == ["one_root.qcow2"]


def test_one_that_is_there_is_not_written_over(host: Host, kept: Path) -> None:
    prefix = host.prefix()
    prefix.virt_conf(without_nics(lab("one")))
    prefix.export(str(kept / "lab.tar"))
    with pytest.raises(ArchiveError, match="there is one already"):
        import_lab(prefix.paths.prefix(), str(kept / "lab.tar"), host.settings)


@pytest.fixture
def full() -> t.Iterator[t.Callable[[], None]]:
    """After it is called no file of this process can become larger than 100 KiB, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100 << 10, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half(host: Host, kept: Path, packed: Members, full: t.Callable[[], None]) -> None:
    archive = repacked(kept, packed)
    prefix = host.prefixes[0]
    full()
    with pytest.raises(OSError):
        prefix.export(str(kept / "again.tar"))
    assert sorted(os.listdir(kept)) == ["lab.tar", "made.tar"] and prefix.standing().action == ""
    other = host.prefix("other")
    with pytest.raises(OSError):
        import_lab(other.paths.prefix(), archive, host.settings)
    assert not other.specified()
    other.destroy()
    assert not Path(other.paths.prefix()).exists()


# What others may have made of an archive

Members = t.List[t.Tuple[str, bytes]]


@pytest.fixture
def packed(host: Host, kept: Path) -> Members:
    prefix = host.prefix()
    prefix.virt_conf(without_nics(lab("one")))
    prefix.create_snapshots("first")
    prefix.export(str(kept / "lab.tar"))
    with tarfile.open(kept / "lab.tar") as tar:
        return [(one.name, tar.extractfile(one).read()) for one in tar.getmembers()]


def repacked(kept: Path, members: Members) -> str:
    with tarfile.open(kept / "made.tar", "w") as tar:
        for name, data in members:
            one = tarfile.TarInfo(name)
            one.size = len(data)
            if name.startswith("link:"):
                one.name, one.type, one.linkname, one.size = name[5:], tarfile.SYMTYPE, "/etc/hostname", 0
            if name.startswith("map:"):
                one.name, one.pax_headers = name[4:], {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
            tar.addfile(one, io.BytesIO(data) if one.size else None)
    return str(kept / "made.tar")


def manifest_with(members: Members, change: t.Callable[[t.Any], None]) -> Members:
    found = json.loads(members[0][1])
    change(found)
    return [("manifest.json", json.dumps(found).encode()), *members[1:]]


def described(members: Members, name: str, data: bytes) -> Members:
    """With another file, and a manifest that says so."""

    def change(found: t.Any) -> None:
        for file in found["files"]:
            if file["name"] == name:
                file.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())

    changed = [(one, data if one == name else old) for one, old in members]
    return manifest_with(changed, change)


def renamed(found: t.Any, name: str) -> None:
    found["files"][-1]["name"] = name


def on_itself(found: t.Any) -> None:
    found["disks"]["one"]["root"] *= 2


def turned(found: t.Any) -> None:
    found["disks"]["one"]["root"].reverse()


def another_disk(found: t.Any) -> None:
    found["disks"]["other"] = found["disks"].pop("one")


def kernel_of_the_host(found: t.Any) -> None:
    found["spec"]["domains"]["one"]["kernel"] = "/etc/hostname"


def cd_of_the_host(found: t.Any) -> None:
    cd = {"name": "cd", "type": "file", "path": "/etc/hostname", "dev": "sdb", "format": "iso"}
    found["spec"]["domains"]["one"]["disks"].append(cd)


def disk_of_the_host(found: t.Any) -> None:
    found["spec"]["domains"]["one"]["disks"][0].update(type="file", path="/etc/hostname", format="raw")


def copy_of_the_host(found: t.Any) -> None:
    cd = {"name": "cd", "type": "file", "path": "/etc/hostname", "dev": "sdb", "format": "iso", "make_a_copy": True}
    found["spec"]["domains"]["one"]["disks"].append(cd)


MANIFESTS = {
    "a kernel of the host": kernel_of_the_host,
    "a CD of the host": cd_of_the_host,
    "a disk of the host": disk_of_the_host,
    "a copy of a file of the host": copy_of_the_host,
    "a number without an end": lambda found: found.update(time=float("inf")),
    "another format": lambda found: found.update(format="zip"),
    "a later version": lambda found: found.update(version=2),
    "no files": lambda found: found.pop("files"),
    "a path out of it": lambda found: renamed(found, "images/../../../../etc/cron.d/x"),
    "a hidden file": lambda found: renamed(found, "images/.new-x"),
    "a file twice": lambda found: found["files"].append(found["files"][0]),
    "no size": lambda found: found["files"][0].update(size=-1),
    "a chain in a ring": on_itself,
    "two files below one": turned,
    "a VM that the file does not have": another_disk,
    "a file that is not in it": lambda found: found["disks"]["one"]["root"].append("images/other.qcow2"),
    "no chain": lambda found: found["disks"]["one"].update(root=[]),
    "a snapshot's name": lambda found: found["snapshots"]["taken"].update({"../x": {}}),
    "a list for a dictionary": lambda found: found.update(snapshots=[]),
    "an init file that is none": lambda found: found.update(spec={"domains": {}}),
    "numbers for text": lambda found: found["files"][0].update(name=3),
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_manifests_that_cannot_be(host: Host, kept: Path, packed: Members, what: str) -> None:
    other = host.prefix("other")
    with pytest.raises(LagoError):
        import_lab(other.paths.prefix(), repacked(kept, manifest_with(packed, MANIFESTS[what])), host.settings)
    assert not other.specified()


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def mapped(data: bytes) -> bytes:
    """As long as the data, which lies where the archive has ended."""
    return b"2\n0\n1\n1\n%d\n" % (1 << 30) + data[15:]


MEMBERS: dict[str, t.Callable[[Members], Members]] = {
    "one other byte": lambda members: [*members[:-1], (members[-1][0], flipped(members[-1][1]))],
    "another key": lambda members: [(name, flipped(data) if name == "id_rsa" else data) for name, data in members],
    "one that is missing": lambda members: members[:-1],
    "another order": lambda members: [members[0], *reversed(members[1:])],
    "one that is longer": lambda members: [*members[:-1], (members[-1][0], members[-1][1] + b"x")],
    "a link in its place": lambda members: [*members[:-1], (f"link:{members[-1][0]}", b"")],
    "a map that is none": lambda members: [*members[:-1], (f"map:{members[-1][0]}", b"1\nx\n" * 512)],
    "a map beyond its end": lambda members: [*members[:-1], (f"map:{members[-1][0]}", mapped(members[-1][1]))],
    "no manifest": lambda members: members[1:],
    "a manifest that is no JSON": lambda members: [("manifest.json", b"\xff{"), *members[1:]],
    "no image": lambda members: described(members, "images/one_root.qcow2", b"no image" * 100),
    "an image that ends": lambda members: described(members, "images/one_root.qcow2", b"QFI\xfb\0\0\0"),
}


@pytest.mark.parametrize("what", MEMBERS)
def test_members_that_cannot_be(host: Host, kept: Path, packed: Members, what: str) -> None:
    other = host.prefix("other")
    with pytest.raises(ArchiveError):
        import_lab(other.paths.prefix(), repacked(kept, MEMBERS[what](packed)), host.settings)
    assert not other.specified()


@pytest.mark.parametrize("compress", ["", "gz", "xz"])
def test_an_archive_that_ends_early(host: Host, kept: Path, compress: str) -> None:
    prefix = host.prefix()
    prefix.virt_conf(without_nics(lab("one")))
    archive = kept / "lab.tar"
    size = prefix.export(str(archive), compress=compress)["size"]
    os.truncate(archive, size * 3 // 4)
    other = host.prefix("other")
    with pytest.raises(ArchiveError):
        import_lab(other.paths.prefix(), str(archive), host.settings)
    assert not other.specified()


def test_no_archive_at_all(host: Host, kept: Path) -> None:
    (kept / "text").write_text("x" * 10000)
    with pytest.raises(ArchiveError, match="is no archive of a lab"):
        import_lab(str(host.folder / "other"), str(kept / "text"), host.settings)
    assert not (host.folder / "other").exists()


def test_an_image_cannot_choose_a_file_to_stand_on(host: Host, kept: Path, packed: Members) -> None:
    """A guest could read any file of the host by it."""
    (kept / "secret").write_bytes(b"s" * 1024 * 1024)
    image = kept / "image.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(kept / "secret"), "-F", "raw", str(image)]
    subprocess.run(argv, check=True)
    other = host.prefix("other")
    archive = repacked(kept, described(packed, "images/one_root.qcow2", image.read_bytes()))
    import_lab(other.paths.prefix(), archive, host.settings)
    for path, _unused in other.virt_env.get_vm("one").disks()[0].chain:
        told = subprocess.run(["qemu-img", "info", path], capture_output=True, text=True, check=True).stdout
        assert str(kept) not in told
    data = bytearray(image.read_bytes())
    struct.pack_into(">Q", data, 72, 1 << 2)  # its data are in another file
    third = host.prefix("third")
    with pytest.raises(ArchiveError, match="has its data in another file"):
        archive = repacked(kept, described(packed, "images/one_root.qcow2", bytes(data)))
        import_lab(third.paths.prefix(), archive, host.settings)


# Killed


def test_killed_at_each_record_of_an_export_nothing_is_left(host: Host, kept: Path) -> None:
    prefix = up(host, without_nics(lab("one", "two")))
    write(prefix, "one", "a")
    archive = kept / "lab.tar"
    count, died = 0, True
    while died:
        count += 1
        died = killed_at(prefix, count, "record", lambda it: it.export(str(archive)))
        prefix.forget()
        action = prefix.resume()
        assert action in ("", "snapshot", "export")
        if archive.exists():
            assert look(str(archive)).disks.keys() == {"one", "two"}
            archive.unlink()
        prefix.export(str(archive))
        archive.unlink()
        assert settled(prefix) == [] and sorted(os.listdir(kept)) == [], "no snapshot, no half archive"
        assert read(prefix, "one") == "a"
    assert count > 10


def test_killed_at_each_record_of_an_import_it_is_gone_on_with_or_goes(host: Host, kept: Path, packed: Members) -> None:
    archive = repacked(kept, packed)
    count, died = 0, True
    while died:
        count += 1
        other = host.prefix(f"other{count}")

        def importing(it: Prefix) -> None:
            import_lab(it.paths.prefix(), archive, it.settings)

        died = killed_at(other, count, "record", importing)
        if count % 2 and died:
            if not other.specified() or other.standing().action == "import":
                import_lab(other.paths.prefix(), archive, other.settings)
            else:
                other.resume()
            other.forget()
            assert list(other.virt_env.snapshots["taken"]) == ["first"] and not other.plan(Wish("initialized"))
        other.destroy()
        assert not Path(other.paths.prefix()).exists()
    assert count > 15


# What is nobody's


def test_what_is_left_of_labs_that_are_gone_is_pruned(host: Host, kept: Path) -> None:
    conf, repository = with_template(kept, lab("one", bootstrap=False))
    before = host.look()
    lost, lives = host.prefix("lost"), host.prefix("lives")
    for prefix in (lost, lives):
        prefix.virt_conf(conf, template_repo=repository)
        prefix.start()
    with Connection(host.daemon.uri, readonly=False) as connection:
        foreign = "<network><name>somebodys</name><bridge name='somebodys'/></network>"
        connection.ask("networkDefineXML", foreign)
        this = pruning.Host(connection, host.settings)
        assert not pruning.plan(this), "both labs are there"
        shutil.rmtree(lost.paths.prefix())
        plan = pruning.plan(this)
        found = sorted(line.split()[0] for line in plan.review())
        assert found == ["domain", "lease", "network", "network"]
        plan.apply()
        assert not pruning.plan(this)
        assert states(lives) == {"one": "running"} and "somebodys" in host.daemon.virsh("net-list", "--all").stdout
        lives.destroy()
        plan = pruning.plan(this)
        assert [line.split()[0] for line in plan.review()] == ["image"]
        plan.apply()
        assert not pruning.plan(this) and os.listdir(kept / "store" / "sha256") == []
        connection.ask_of(connection.ask("networkLookupByName", "somebodys"), "undefine")
    host.check(before | frozenset(one for one in host.look() if one.startswith(f"file {kept}")))
