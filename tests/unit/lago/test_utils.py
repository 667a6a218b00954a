# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Lago has in its utils: undoing, parallel calls, a timer, commands; and its settings."""

from __future__ import annotations

import io
import sys
import threading
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import config, utils
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import CommandError, LagoError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.utils import (
    EggTimer,
    RollbackContext,
    VectorThread,
    invoke_in_parallel,
    run_command,
)


class Broken(Exception):
    pass


def fail(text):
    raise Broken(text)


def test_the_last_done_is_the_first_undone():
    said = []
    with RollbackContext() as rollback:
        rollback.prependDefer(said.append, 1)
        rollback.prependDefer(said.append, 2)
        rollback.defer(said.append, object)
    assert said == [2, 1, object]


def test_what_is_cleared_is_kept():
    said = []
    with RollbackContext() as rollback:
        rollback.defer(said.append, 1)
        rollback.clear()
    assert said == []


def test_all_is_undone_also_when_some_of_it_fails():
    said = []
    with pytest.raises(Broken, match="first"):
        with RollbackContext() as rollback:
            rollback.defer(said.append, 1)
            rollback.defer(fail, "first")
            rollback.defer(fail, text="second")
            rollback.defer(said.append, 2)
    assert said == [1, 2]
    assert [str(error) for error in rollback.errors] == ["first", "second"]


def test_the_block_s_own_error_is_the_one_that_is_raised():
    with pytest.raises(ZeroDivisionError):
        with RollbackContext() as rollback:
            rollback.defer(fail, "undo")
            raise ZeroDivisionError
    assert str(rollback.errors[0]) == "undo"


def test_results_are_in_order_whoever_ends_first():
    def late(number):
        time.sleep(0.02 * (3 - number))
        return number

    assert invoke_in_parallel(late, range(4)) == [0, 1, 2, 3]
    assert invoke_in_parallel(pow, [2, 3], [3, 2]) == [8, 9]
    assert invoke_in_parallel(late, []) == []


def test_they_run_at_the_same_time():
    meeting = threading.Barrier(8)
    assert sorted(invoke_in_parallel(lambda _number: meeting.wait(30), range(8))) == list(range(8))


def test_the_first_error_is_raised_once_all_have_ended():
    done = []
    vector = VectorThread([lambda: fail("a"), lambda: done.append(time.sleep(0.05)), lambda: fail("b")])
    vector.start_all()
    with pytest.raises(Broken, match="a"):
        vector.join_all()
    assert done == [None]
    assert [str(error) for error in vector.errors] == ["a", "None", "b"]
    assert vector.join_all(raise_exceptions=False) == [None, None, None]


def test_calls_that_do_not_end_are_told():
    release = threading.Event()
    vector = VectorThread([release.wait, lambda: 1])
    vector.start_all()
    with pytest.raises(LagoError, match=r"1 of 2 parallel calls have not ended within 0\.05 s"):
        vector.join_all(timeout=0.05)
    release.set()
    assert vector.join_all(timeout=30) == [True, 1]


def test_a_timer_rings():
    with EggTimer(0.03) as timer:
        assert not timer.elapsed()
        time.sleep(0.04)
        assert timer.elapsed()
    assert not EggTimer(60).elapsed()


def test_a_command_s_answer():
    script = "import os, sys; sys.stdout.write(sys.stdin.read() + os.environ['X']); sys.stderr.write('e'); sys.exit(3)"
    status = run_command([sys.executable, "-c", script], b"in ", {"X": "out"})
    assert status == (3, b"in out", b"e")
    assert status, "as in Lago, a failure is true"
    assert not run_command([sys.executable, "-c", ""])


def test_a_command_gets_no_shell():
    assert run_command([sys.executable, "-c", "import sys; print(sys.argv[1:])", "$(id)", "a b"]).out == (
        b"['$(id)', 'a b']\n"
    )


def test_a_command_that_cannot_be_run_or_does_not_end():
    with pytest.raises(CommandError, match="^running /nonexistent: No such file or directory$"):
        run_command(["/nonexistent"])
    started = time.monotonic()
    with pytest.raises(CommandError, match=r"it had not ended after 0\.2 s, and was killed"):
        run_command([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)
    assert time.monotonic() - started < 30


def test_a_service_that_is_not_there_is_not_enabled():
    assert not utils.service_is_enabled("there-is-no-such-service")
    assert not utils.service_is_enabled("--now")


def test_json_is_indented():
    out = io.StringIO()
    utils.json_dump({"a": 1}, out)
    assert out.getvalue() == '{\n    "a": 1\n}'


# Settings


@pytest.fixture
def home(tmp_path):
    """A home without settings, and an environment that says so."""
    return tmp_path, {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg")}


def setting(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_environment_then_the_files_then_what_is_given(home):
    folder, env = home
    assert config.get("lease_dir", environ=env) == "/var/lib/lago/subnets"
    assert config.get("lease_dir", "/given", environ=env) == "/given"
    setting(folder / "xdg/lago/lago.conf", "[lago]\nlease_dir = /everybody\n")
    assert config.get("lease_dir", "/given", environ=env) == "/everybody"
    setting(folder / ".lago", "[lago]\nlease_dir = /0.3\n")
    assert config.get("lease_dir", environ=env) == "/0.3"
    setting(folder / ".config/lago/lago.conf", "[lago]\nlease_dir = /1.0 100%\n[init]\nwhere = x\n")
    assert config.get("lease_dir", environ=env) == "/1.0 100%"
    assert config.get("where", section="init", environ=env) == "x"
    assert config.get("lease_dir", environ={**env, "LAGO_LEASE_DIR": "/env0.3"}) == "/env0.3"
    both = {**env, "LAGO_LEASE_DIR": "/env0.3", "LAGO__LAGO__LEASE_DIR": "/env1.0"}
    assert config.get("lease_dir", environ=both) == "/env1.0"
    assert config.get("where", section="init", environ={**env, "LAGO__INIT__WHERE": "y"}) == "y"


def test_a_setting_that_nobody_says(home):
    with pytest.raises(KeyError, match="init.colour"):
        config.get("colour", section="init", environ=home[1])
    assert config.get("colour", None, environ=home[1]) is None


def test_a_folder_of_labs_in_the_place_of_settings_is_no_harm(home):
    folder, env = home
    (folder / ".lago").mkdir()
    assert config.get("ssh_user", environ=env) == "root"


def test_a_file_that_is_no_ini_is_named(home):
    folder, env = home
    setting(folder / ".lago", "lease_dir = /x\n")
    with pytest.raises(LagoError, match=r"reading the settings in .*/\.lago: File contains no section headers"):
        config.get("lease_dir", environ=env)
