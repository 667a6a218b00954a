# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates: repositories, downloads that break and are gone on with, images that are kept by what is in them."""

from __future__ import annotations

import hashlib
import json
import lzma
import multiprocessing
import os
import random
import signal
import stat
import struct
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import files
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import TemplateError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates import http, image
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.digests import Digests
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.providers import (
    FileSystemTemplateProvider,
    HttpTemplateProvider,
    unpack,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.repository import (
    TemplateRepository,
    find_repo_by_name,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.store import TemplateStore

from tests.unit.lago.web import serving

DATA = random.Random(3).getrandbits(8 * (3 << 20)).to_bytes(3 << 20, "little") + bytes(2 << 20) + b"end"
QCOW2 = struct.pack(">4sIQIIQIIQQIIQQQQ", b"QFI\xfb", 3, 0, 0, 16, 1 << 30, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0) + bytes(4096)
PACKED = lzma.compress(DATA, preset=0)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setattr(http, "PAUSE", 0.001)
    with serving() as server:
        yield server


@pytest.fixture
def part(tmp_path):
    return str(tmp_path / "part")


def content(path):
    with open(path, "rb") as file:
        return file.read()


# HTTP


def test_a_file_is_fetched_and_summed_up(web, part):
    web.files["/x"] = DATA
    seen = []
    digests = Digests(sha256(DATA))
    http.fetch(f"{web.url}/x", part, digests, lambda have, of: seen.append((have, of)))
    assert content(part) == DATA and digests.sha256 == sha256(DATA) and digests.size == len(DATA)
    assert seen[-1] == (len(DATA), len(DATA))
    digests.check("x")


def test_what_breaks_off_is_gone_on_with(web, part):
    web.files["/x"] = DATA
    web.breaks = [1 << 20, 2 << 20]
    digests = Digests(sha256(DATA))
    http.fetch(f"{web.url}/x", part, digests)
    assert content(part) == DATA and digests.sha256 == sha256(DATA)
    assert web.ranges_of("/x") == ["", f"bytes={1 << 20}-", f"bytes={3 << 20}-"]


def test_a_later_process_goes_on(web, part):
    web.files["/x"] = DATA
    web.breaks = [1 << 20] + [0] * http.ATTEMPTS
    with pytest.raises(http.Interrupted, match=rf"getting .*/x: it broke off after {1 << 20} of {len(DATA)} bytes"):
        http.fetch(f"{web.url}/x", part)
    assert os.stat(part).st_size == 1 << 20
    web.asked.clear()
    digests = Digests()
    http.fetch(f"{web.url}/x", part, digests)
    assert web.ranges_of("/x") == [f"bytes={1 << 20}-"]
    assert digests.sha256 == sha256(DATA) and content(part) == DATA


def test_another_file_under_that_name_is_begun_anew(web, part):
    web.files["/x"] = DATA
    web.breaks = [1 << 20] + [0] * http.ATTEMPTS
    with pytest.raises(http.Interrupted):
        http.fetch(f"{web.url}/x", part)
    web.files["/x"], web.etags["/x"] = b"another", '"2"'
    digests = Digests()
    http.fetch(f"{web.url}/x", part, digests)
    assert content(part) == b"another" and digests.sha256 == sha256(b"another")


def test_a_part_that_is_whole_is_not_fetched_again(web, part):
    web.files["/x"] = DATA
    http.fetch(f"{web.url}/x", part)
    digests = Digests()
    http.fetch(f"{web.url}/x", part, digests)
    assert content(part) == DATA and digests.sha256 == sha256(DATA)
    assert web.ranges_of("/x") == ["", f"bytes={len(DATA)}-"]


def test_a_part_that_is_too_long_is_begun_anew(web, part):
    web.files["/x"] = DATA
    http.fetch(f"{web.url}/x", part)
    with open(part, "ab") as file:
        file.write(b"more")
    http.fetch(f"{web.url}/x", part)
    assert content(part) == DATA


def test_a_server_without_ranges_or_validators_starts_anew(web, part):
    web.files["/x"] = DATA
    web.ranges = False
    web.breaks = [1000]
    http.fetch(f"{web.url}/x", part)
    assert content(part) == DATA
    os.unlink(part)
    web.etags["/x"] = ""
    web.breaks = [1000]
    web.asked.clear()
    http.fetch(f"{web.url}/x", part)
    assert content(part) == DATA and web.ranges_of("/x") == ["", ""]


def test_a_part_of_another_url_is_not_gone_on_with(web, part):
    web.files.update({"/x": b"x" * 100, "/y": b"y" * 100})
    web.breaks = [50] + [0] * http.ATTEMPTS
    with pytest.raises(http.Interrupted):
        http.fetch(f"{web.url}/x", part)
    http.fetch(f"{web.url}/y", part)
    assert content(part) == b"y" * 100


def test_without_a_length_the_end_of_the_connection_is_the_end(web, part):
    web.files["/x"] = DATA
    web.lengths = False
    http.fetch(f"{web.url}/x", part)
    assert content(part) == DATA


def test_errors_of_servers(web, part):
    with pytest.raises(http.NotThere, match=r"getting http://127\.0\.0\.1:\d+/none: Not Found"):
        http.fetch(f"{web.url}/none", part)
    assert len(web.asked) == 1
    web.files["/x"] = DATA
    web.codes = [503, 500, 429]
    http.fetch(f"{web.url}/x", part)
    assert content(part) == DATA
    web.codes = [403]
    with pytest.raises(TemplateError, match="Forbidden"):
        http.fetch(f"{web.url}/x", part)
    web.codes = [500] * http.ATTEMPTS
    with pytest.raises(http.Interrupted, match="Internal Server Error"):
        http.fetch(f"{web.url}/x", part)


def test_a_server_that_is_not_there(web, part):
    url = web.url
    web.server_close()
    with pytest.raises(http.Interrupted, match="Connection refused"):
        http.fetch(f"{url}/x", part)
    with pytest.raises(http.Interrupted, match="Connection refused"):
        http.get_small(f"{url}/x")


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(web, part, monkeypatch):
    import socket

    monkeypatch.setattr(http, "TIMEOUT", 0.05)
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(http.Interrupted, match="timed out"):
            http.fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/x", part)


def test_a_small_file_that_is_large_is_refused(web):
    web.files["/x"] = b"x" * 101
    with pytest.raises(TemplateError, match="has more than 100 bytes"):
        http.get_small(f"{web.url}/x", 100)


# Digests and images


@pytest.mark.parametrize("kind", ["sha1", "sha256", "sha512"])
def test_digests_of_three_kinds(kind):
    right = Digests(hashlib.new(kind, b"abc").hexdigest().upper() + "\n")
    right.update(b"abc")
    right.check("x")
    wrong = Digests(hashlib.new(kind, b"abd").hexdigest())
    wrong.update(b"abc")
    with pytest.raises(TemplateError, match=f"^x: its {kind} is "):
        wrong.check("x")


@pytest.mark.parametrize("said", ["x", "g" * 40, "a" * 41])
def test_what_is_no_digest(said):
    with pytest.raises(TemplateError, match="is no sha1, sha256 or sha512"):
        Digests(said)


def looked_at(tmp_path, data):
    path = tmp_path / "image"
    path.write_bytes(data)
    return image.inspect(str(path))


def test_formats_are_told_by_their_first_bytes(tmp_path):
    assert looked_at(tmp_path, QCOW2) == image.Image("qcow2", 1 << 30)
    assert looked_at(tmp_path, b"QFI") == image.Image("raw", 0)
    assert looked_at(tmp_path, b"") == image.Image("raw", 0)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (4, struct.pack(">I", 9), "of the unknown version 9"),
        (8, struct.pack(">Q", 512), "is an overlay of another file"),
        (72, struct.pack(">Q", 4), "has its data in another file"),
    ],
)
def test_images_that_would_read_other_files_are_refused(tmp_path, at, value, message):
    with pytest.raises(TemplateError, match=message):
        looked_at(tmp_path, QCOW2[:at] + value + QCOW2[at + len(value) :])
    with pytest.raises(TemplateError, match="ends after 20 bytes"):
        looked_at(tmp_path, QCOW2[:20])


# Providers


def test_a_packed_image_is_unpacked_with_holes(tmp_path, part):
    zeros = bytes(4 << 20)
    packed = tmp_path / "x.xz"
    packed.write_bytes(PACKED + bytes(4) + lzma.compress(zeros, preset=0))
    digests = Digests()
    unpack(str(packed), part, digests)
    assert content(part) == DATA + zeros and digests.sha256 == sha256(DATA + zeros)
    assert os.stat(part).st_blocks * 512 < len(DATA)


DAMAGED = [PACKED[:-20], PACKED[:100] + b"x" * 9 + PACKED[109:], b"no"]


@pytest.mark.parametrize("raw", DAMAGED, ids=["torn", "changed", "no xz"])
def test_what_cannot_be_unpacked(tmp_path, part, raw):
    packed = tmp_path / "x.xz"
    packed.write_bytes(raw)
    with pytest.raises(TemplateError, match=r"^unpacking .*/x\.xz: "):
        unpack(str(packed), part)


@pytest.mark.parametrize("handle", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a\nb", "a/.."])
def test_handles_stay_below_their_root(tmp_path, handle):
    for provider in (FileSystemTemplateProvider(str(tmp_path)), HttpTemplateProvider("http://127.0.0.1:1")):
        with pytest.raises(TemplateError, match="cannot be the handle of a template"):
            provider.get_hash(handle)


def test_an_http_provider_is_no_way_to_files(tmp_path):
    with pytest.raises(TemplateError, match="begins with neither"):
        HttpTemplateProvider("file:///etc")


def put(web, folder, name, data, packed=False, with_hash=None, metadata=None):
    """The same template on the server and in the folder."""
    found = {name + (".xz" if packed else ""): PACKED if packed else data}
    found[f"{name}.hash"] = (with_hash or hashlib.sha1(data).hexdigest()).encode() + b"  image\n"
    if metadata is not None:
        found[f"{name}.metadata"] = json.dumps(metadata).encode()
    for path, raw in found.items():
        web.files[f"/{path}"] = raw
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)


@pytest.mark.parametrize("packed", [False, True])
def test_both_providers_give_the_same(web, tmp_path, part, packed):
    put(web, tmp_path, "el7/v 1.img", DATA, packed, metadata={"distro": "el7"})
    for provider in (FileSystemTemplateProvider(str(tmp_path)), HttpTemplateProvider(web.url + "/")):
        assert provider.get_hash("el7/v 1.img") == hashlib.sha1(DATA).hexdigest()
        assert provider.get_metadata("el7/v 1.img") == {"distro": "el7"}
        assert (provider.get_hash("none"), provider.get_metadata("none")) == ("", {})
        digests = Digests(provider.get_hash("el7/v 1.img"))
        provider.download_image("el7/v 1.img", part, digests)
        digests.check("x")
        assert content(part) == DATA
        os.unlink(part)
        with pytest.raises(TemplateError):
            provider.download_image("none", part)


def test_metadata_that_is_none(web, tmp_path):
    for raw in (b"{", b"[]", b"\xff"):
        web.files["/x.metadata"] = raw
        with pytest.raises(TemplateError):
            HttpTemplateProvider(web.url).get_metadata("x")


# Repositories


def repository(web, folder, **versions):
    return TemplateRepository(
        {
            "name": "lab",
            "templates": {
                "el7": {"versions": {key: {"source": "web", "handle": handle, "timestamp": number}
                        for number, (key, handle) in enumerate(versions.items())}},
            },
            "sources": {
                "web": {"type": "http", "args": {"baseurl": web.url}},
                "disk": {"type": "file", "args": {"root": "x"}},
            },
        }
    )  # fmt: skip


def test_the_newest_version_is_the_default(web, tmp_path):
    template = repository(web, tmp_path, v2="a", v1="b").get_by_name("el7")
    assert template.get_version().name == "lab:el7:v1" == template.get_latest_version().name
    assert template.get_version("v2").name == "lab:el7:v2" and template.get_version("v2").timestamp() == 0.0
    with pytest.raises(TemplateError, match="^the template el7 has no version v9; it has v1, v2$"):
        template.get_version("v9")
    with pytest.raises(TemplateError, match="^the repository lab has no template el9; it has el7$"):
        repository(web, tmp_path).get_by_name("el9")
    with pytest.raises(TemplateError, match="has no version$"):
        repository(web, tmp_path).get_by_name("el7").get_version()


def test_repositories_from_files_and_servers(web, tmp_path, monkeypatch):
    dom = {
        "name": "here",
        "templates": {"t": {"versions": {"1": {"source": "d", "handle": "h", "timestamp": "1.5"}}}},
        "sources": {"d": {"type": "file", "args": {"root": "images"}}},
    }
    repos = tmp_path / "repos"
    put(web, repos / "images", "h", QCOW2)
    (repos / "here.json").write_text(json.dumps(dom))
    web.files["/repo"] = json.dumps({**dom, "name": "there"}).encode()
    assert TemplateRepository.from_url(f"{web.url}/repo").name == "there"
    version = find_repo_by_name("here", str(repos)).get_by_name("t").get_version()
    assert version.get_hash() == hashlib.sha1(QCOW2).hexdigest(), "a relative root lies beside the file"
    monkeypatch.setenv("LAGO_TEMPLATE_REPOS", str(repos))
    assert find_repo_by_name("here").names() == ["t"]
    with pytest.raises(TemplateError, match="there is no repository x in .*; there is here"):
        find_repo_by_name("x")
    with pytest.raises(TemplateError, match="No such file"):
        find_repo_by_name("x", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("dom", "message"),
    [
        ([], "the repository has to be a dictionary"),
        ({}, "name has to be text"),
        (
            {"name": "x", "sources": {"a": {"type": "ftp"}}},
            "sources.a.type has to be one of http, file, debootstrap, not 'ftp'",
        ),
        ({"name": "x", "sources": {"a": {"type": "file"}}}, "sources.a.args has to be a dictionary"),
        ({"name": "x", "sources": {"a": {"type": "http", "args": {}}}}, "sources.a.args.baseurl has to be text"),
        ({"name": "x", "templates": {"t": {}}}, "templates.t.versions has to be a dictionary"),
        ({"name": "x", "templates": {"t": {"versions": {"v": {}}}}}, "templates.t.versions.v.source has to be text"),
        (
            {"name": "x", "templates": {"t": {"versions": {"v": {"source": "s", "handle": "h"}}}}},
            "templates.t.versions.v.source: there is no source s",
        ),
    ],
)
def test_repositories_that_cannot_be(dom, message):
    with pytest.raises(TemplateError) as caught:
        TemplateRepository(dom).get_by_name("t")
    assert str(caught.value) == message


# The store


@pytest.fixture
def store(tmp_path):
    return TemplateStore(str(tmp_path / "store"))


@pytest.fixture
def owner(tmp_path):
    def make(name):
        path = tmp_path / f"{name}.uuid"
        path.write_text(name)
        return str(path)

    return make


def tree(folder):
    return sorted(
        os.path.relpath(os.path.join(where, name), folder)
        for where, _unused, names in os.walk(folder)
        for name in names
    )


@pytest.fixture
def version(web, tmp_path):
    """A template on the server, by its name there."""

    def make(name="v1", data=QCOW2, **more):
        put(web, tmp_path / "unused", name, data, **more)
        return repository(web, tmp_path, **{name: name}).get_by_name("el7").get_version()

    return make


def test_an_image_is_kept_by_what_is_in_it(store, version):
    one = version(metadata={"distro": "el7"})
    assert one not in store
    with pytest.raises(TemplateError, match="does not have lab:el7:v1$"):
        store.get_path(one)
    assert store.download(one) and one in store
    path = store.get_path(one)
    assert path.endswith(f"/sha256/{sha256(QCOW2)}") and content(path) == QCOW2
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o444
    assert store.get_stored_hash(one) == sha256(QCOW2) and store.get_format(one) == "qcow2"
    assert store.get_stored_metadata(one) == {"distro": "el7"}
    assert tree(store._path) == ["names/lab:el7:v1.json", f"sha256/{sha256(QCOW2)}"]


def test_what_is_there_is_not_fetched_again(store, version, web):
    one = version()
    store.download(one)
    web.asked.clear()
    assert not store.download(one) and web.asked == []
    web.server_close()
    assert not store.download(one), "also while the server cannot be reached"


def test_refreshed_is_what_the_source_has_changed(store, version):
    one = version()
    store.download(one)
    old = store.get_path(one)
    assert not store.download(one, refresh=True)
    version(data=b"another image")
    assert not store.download(one)
    assert store.download(one, refresh=True)
    assert content(store.get_path(one)) == b"another image" and store.get_format(one) == "raw"
    assert os.path.exists(old), "prefixes may use it"
    assert store.collect(len(b"another image")) == {sha256(QCOW2): len(QCOW2)}


def test_the_same_image_under_two_names_is_there_once(store, version):
    one, two = version("v1"), version("v2")
    store.download(one)
    inode = os.stat(store.get_path(one)).st_ino
    store.download(two)
    assert store.get_path(one) == store.get_path(two) and os.stat(store.get_path(two)).st_ino == inode


def test_a_wrong_digest_leaves_nothing(store, version):
    with pytest.raises(TemplateError, match="^lab:el7:v1: its sha1 is .*, and should be .*; it was thrown away$"):
        store.download(version(with_hash="0" * 40))
    assert tree(store._path) == ["partial/lab:el7:v1/image.from"]
    assert store.download(version())
    assert tree(store._path) == ["names/lab:el7:v1.json", f"sha256/{sha256(QCOW2)}"]


def test_an_overlay_is_no_template(store, version):
    with pytest.raises(TemplateError, match="is an overlay of another file"):
        store.download(version(data=QCOW2[:8] + struct.pack(">Q", 512) + QCOW2[16:]))
    assert not [name for name in tree(store._path) if not name.endswith(".from")]


def test_a_download_that_broke_is_gone_on_with(store, version, web):
    one = version(data=DATA)
    web.breaks = [100, 1 << 20] + [0] * http.ATTEMPTS  # the digest comes first
    with pytest.raises(http.Interrupted):
        store.download(one)
    assert one not in store
    web.breaks, web.asked = [], []
    assert store.download(one)
    assert web.ranges_of("/v1") == [f"bytes={1 << 20}-"]
    assert content(store.get_path(one)) == DATA


def test_a_full_disk_is_said_and_can_be_gone_on_with(store, version, monkeypatch):
    one = version()

    def full(_file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            store.download(one)
    assert one not in store
    assert store.download(one)


def test_a_truncated_image_is_fetched_again(store, version):
    one = version()
    store.download(one)
    os.truncate(store.get_path(one), 10)
    assert one not in store
    assert store.download(one) and content(store.get_path(one)) == QCOW2


def test_images_are_kept_for_those_who_use_them(store, version, owner):
    a, b = owner("uuid-a"), owner("uuid-b")
    one, two, three = version("v1"), version("v2", b"two"), version("v3", b"three")
    store.download(one, key_path=a)
    store.mark_used(one, b)
    store.download(two, key_path=b)
    store.download(three)
    assert store.users(one) == [a, b] and store.users(three) == []
    assert store.collect() == {sha256(b"three"): 5}
    os.unlink(b)
    assert store.users(one) == [a]
    assert store.collect() == {sha256(b"two"): 3}
    assert store.release("uuid-a") == 1
    assert store.collect(1 << 20) == {}, "while there is room, what nobody uses stays"
    assert store.collect() == {sha256(QCOW2): len(QCOW2)}
    assert tree(store._path) == []


def test_those_whose_use_is_longest_ago_go_first(store, version):
    made = [version(f"v{number}", bytes([65 + number]) * 100) for number in range(4)]
    for number, one in enumerate(made):
        store.download(one)
        os.utime(os.path.join(store._path, "users", store.get_stored_hash(one)), (1000 + number % 3, 1000 + number % 3))
    store.collect(200)
    assert [one in store for one in made] == [False, True, True, False]


def test_who_has_no_uuid_uses_nothing(store, version, tmp_path, web):
    one = version()
    with pytest.raises(TemplateError, match="is no file with a uuid"):
        store.download(one, key_path=str(tmp_path / "none"))
    assert web.asked == []


def test_abandoned_downloads_go(store, tmp_path):
    for name, age in (("old", 8 * 86400), ("new", 60)):
        folder = tmp_path / "store" / "partial" / name
        folder.mkdir(parents=True)
        (folder / "image").write_bytes(b"x")
        os.utime(folder, (time.time() - age,) * 2)
    store.collect()
    assert tree(store._path) == ["partial/new/image"]


def download(path, one, out):
    out.put(TemplateStore(path).download(one))


def test_processes_that_race_download_once(store, version, web):
    one = version(data=DATA)
    context = multiprocessing.get_context("fork")
    out = context.Queue()
    racing = [context.Process(target=download, args=(store._path, one, out)) for _unused in range(5)]
    for process in racing:
        process.start()
    assert sorted(out.get(timeout=60) for _unused in racing) == [False] * 4 + [True]
    for process in racing:
        process.join(60)
    assert len(web.ranges_of("/v1")) == 1 and content(store.get_path(one)) == DATA
    assert tree(store._path) == ["names/lab:el7:v1.json", f"sha256/{sha256(DATA)}"]


def test_whoever_is_killed_leaves_what_another_goes_on_with(store, version):
    one = version(data=DATA)
    context = multiprocessing.get_context("fork")
    for delay in (0.005, 0.01, 0.02, 0.04, 0.06):
        process = context.Process(target=download, args=(store._path, one, context.Queue()))
        process.start()
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        if one in store:
            assert content(store.get_path(one)) == DATA
            store.collect()
    store.download(one)
    assert content(store.get_path(one)) == DATA
    assert tree(store._path) == ["names/lab:el7:v1.json", f"sha256/{sha256(DATA)}"]


def test_damaged_records_are_as_none(store, version):
    one = version()
    store.download(one)
    for raw in ("", "{", "[]", '{"x": 1}'):
        with open(os.path.join(store._path, "names", "lab:el7:v1.json"), "w") as file:
            file.write(raw)
        assert one not in store
    assert store.download(one) and one in store
