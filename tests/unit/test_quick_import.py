# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module shipped in a zip imports as it always did, and each of its sources is compiled once."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import zipfile

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils import quick_import

HERE = pathlib.Path(quick_import.__file__)
FILES = {
    "shipped/__init__.py": "",
    "shipped/quick_import.py": HERE.read_text(),
    "shipped/plain.py": "from .inner import deep\nNAME = __name__\n",
    "shipped/inner/__init__.py": "WHERE = __file__\n",
    "shipped/inner/deep.py": "from . import WHERE\nVALUE = 42\n",
    "shipped/broken.py": "def unfinished(:\n",
}
# What `compile` is asked for is counted below the importer of zips, which has it from builtins.
SCRIPT = """
import builtins, gc, json, sys
seen = []
real = builtins.compile
def counting(source, name, *more, **named):
    seen.append(name)
    return real(source, name, *more, **named)
sys.path.insert(0, sys.argv[1])
if sys.argv[2] == "quick":
    import shipped.quick_import
builtins.compile = counting
import shipped.plain, shipped.inner.deep
builtins.compile = real
try:
    import shipped.broken
except SyntaxError as error:
    broken = error.filename
try:
    import shipped.missing
except ModuleNotFoundError as error:
    missing = error.name
files = [shipped.plain.__file__, shipped.inner.__file__, shipped.inner.deep.__file__]
loaders = [type(one.__loader__).__name__ for one in (shipped.plain, shipped.inner.deep)]
print(json.dumps({"compiled": seen, "files": files, "broken": broken, "missing": missing,
    "path": shipped.inner.__path__, "loaders": loaders, "value": shipped.inner.deep.VALUE,
    "collecting": gc.isenabled(), "json": json.__file__}))
"""


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "shipped.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in FILES.items():
            file.writestr(name, text)
    return path


def told(where, how):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(where), how], stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout)


def test_what_is_imported_is_what_it_was(archive):
    quick, usual = told(archive, "quick"), told(archive, "usual")
    for name in ("files", "path", "value", "missing", "json"):
        assert quick[name] == usual[name]
    assert quick["broken"].endswith("broken.py")
    assert quick["loaders"] == ["Importer"] * 2
    assert usual["loaders"] == ["zipimporter"] * 2


def test_each_source_is_compiled_once(archive):
    found = told(archive, "quick")
    assert sorted(found["compiled"]) == sorted(found["files"])
    usual = told(archive, "usual")["compiled"]
    assert len(usual) == len(set(usual)) * (1 if sys.version_info >= (3, 14) else 2)  # what it is there for


def test_no_garbage_is_looked_for_in_what_is_shipped(archive):
    assert told(archive, "quick")["collecting"] is False
    assert told(archive, "usual")["collecting"] is True


# What is registered first runs last.
AT_THE_END = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count()))
sys.path.insert(0, sys.argv[1])
import shipped.quick_import
"""


def test_none_is_looked_for_at_the_end_either(archive):
    done = subprocess.run([sys.executable, "-c", AT_THE_END, str(archive)], stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) > 1000


def test_in_a_folder_it_does_nothing(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = told(tmp_path, "quick")
    assert found["loaders"] == ["SourceFileLoader"] * 2
    assert found["collecting"] is True


def test_other_folders_are_left_to_others(monkeypatch):
    monkeypatch.setattr(quick_import, "ARCHIVE", "/somewhere/shipped.zip")
    with pytest.raises(ImportError):
        quick_import.hook("/elsewhere")
