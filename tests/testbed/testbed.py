# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named guests with real kernels: build, start, list, enter, stop, and offer to Ansible.

Guests of different sessions, and of different checkouts, know nothing of each other.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Callable, Iterable, Iterator

import guest as guests
import inventory
import machine
import processes
from errors import TestbedError
from guest import Guest
from image import image_of
from places import SESSIONS
from recipes import RECIPES

Act = Callable[[Path, argparse.Namespace], None]


@contextmanager
def locked(session: Path) -> Iterator[None]:
    """One start or stop at a time in a session; an empty session leaves nothing behind."""
    SESSIONS.mkdir(parents=True, exist_ok=True)
    path = Path(f"{session}.lock")
    lock = _lock(path)
    try:
        yield
    finally:
        if session.is_dir() and not any(session.iterdir()):
            session.rmdir()
        if not session.is_dir():
            path.unlink()
        lock.close()


def _lock(path: Path) -> IO[str]:
    """The locked file of that path, not one that its last holder has removed meanwhile."""
    while True:
        lock = path.open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
            return lock
        lock.close()


def build(session: Path, options: argparse.Namespace) -> None:
    for name in options.guests:
        print(f"{name}: image {image_of(name)}")


def start(session: Path, options: argparse.Namespace) -> None:
    for name in options.guests:
        with locked(session):
            _start(session, name, options.follow)


def _start(session: Path, name: str, follow: int | None) -> None:
    folder = session / name
    known = guests.load(folder)
    if known and known.alive:
        print(f"{name}: already running, port {known.port}")
        return
    if known:
        guests.stop(known)
    image, recipe = image_of(name), RECIPES[name]
    for attempt in range(1, recipe.tries + 1):
        try:
            _boot(session, name, image, follow)
            return
        except TestbedError as error:
            if attempt == recipe.tries:
                raise
            print(f"{error}\n{name}: that was attempt {attempt} of {recipe.tries}", flush=True)


def _boot(session: Path, name: str, image: Path, follow: int | None) -> None:
    folder, began = session / name, time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{name}: booting ...", flush=True)
    try:
        process, port = machine.launch(RECIPES[name], name, image, folder)
    except BaseException:
        shutil.rmtree(folder)
        raise
    runtime = tempfile.mkdtemp(prefix="testbed-")
    tick = processes.ticks(process.pid) or 0
    started = Guest(name, process.pid, tick, port, str(image), str(folder), runtime)
    try:
        guests.save(started)
        if follow is not None:
            _guard(session, name, follow)
        guests.wait_ready(started, RECIPES[name].ready)
    except BaseException:
        guests.stop(started)
        raise
    print(f"{name}: ready after {time.monotonic() - began:.1f} s, port {port}", flush=True)


def _guard(session: Path, name: str, follow: int) -> None:
    """Leave a process behind that stops the guest when `follow` is gone, however it went."""
    argv = [sys.executable, __file__, f"--session={session.name}", "guard", name, str(follow)]
    quiet = subprocess.DEVNULL  # it outlives us, and whoever reads what we say waits for no one else
    subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)


def guard(session: Path, options: argparse.Namespace) -> None:
    known = guests.load(session / options.guest)
    if known is None:
        return
    try:
        followed, machine_itself = os.pidfd_open(options.pid), os.pidfd_open(known.pid)
    except ProcessLookupError:
        followed = None
    if followed is not None:
        processes.any_ended([followed, machine_itself])
    with locked(session):
        guests.stop(known)


def stop(session: Path, options: argparse.Namespace) -> None:
    sessions = [path for path in SESSIONS.glob("*") if path.is_dir()] if options.all else [session]
    for each in sessions:
        _stop(each, options.guests or RECIPES)


def _stop(session: Path, names: Iterable[str]) -> None:
    with locked(session):
        for known in _known(session):
            if known.name in names:
                guests.stop(known)
                print(f"{known.name}: stopped")


def list_(session: Path, options: argparse.Namespace) -> None:
    for folder in sorted(SESSIONS.glob("*/*")):
        known = guests.load(folder)
        if known:
            state = f"running, pid {known.pid}, port {known.port}" if known.alive else "ended"
            print(f"{folder.parent.name}/{known.name}: {state}")


def inventory_(session: Path, options: argparse.Namespace) -> None:
    form = inventory.as_json if options.json else inventory.as_yaml
    sys.stdout.write(form([known for known in _known(session) if known.alive]))


def enter(session: Path, options: argparse.Namespace) -> None:
    known = _running(session, options.guest)
    argv = guests.ssh(known, *(options.command or ()))
    os.execvp(argv[0], argv)


def console(session: Path, options: argparse.Namespace) -> None:
    sys.stdout.write(Path(_running(session, options.guest).folder, "console.log").read_text())


def _known(session: Path) -> list[Guest]:
    return [known for name in RECIPES if (known := guests.load(session / name))]


def _running(session: Path, name: str) -> Guest:
    known = guests.load(session / name)
    if known is None or not known.alive:
        raise TestbedError(f"no guest {name} is running in session {session.name}")
    return known


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="testbed.py", description=__doc__)
    parser.add_argument("--session", default="default", help="which guests are meant: %(default)s")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, act: Act, explain: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=explain, description=explain)
        added.set_defaults(act=act)
        return added

    names: dict[str, Any] = {"nargs": "*", "metavar": "GUEST", "help": f"of: {', '.join(RECIPES)}"}
    verb("build", build, "build images not built yet").add_argument("guests", **names)
    starting = verb("start", start, "start guests and wait until they can be used")
    starting.add_argument("guests", **names)
    starting.add_argument("--follow", type=int, metavar="PID", help="stop them when PID is gone")
    stopping = verb("stop", stop, "stop guests, all of the session by default")
    stopping.add_argument("guests", **names)
    stopping.add_argument("--all", action="store_true", help="those of every session of this checkout")
    verb("list", list_, "list the guests of all sessions of this checkout")
    listing = verb("inventory", inventory_, "print the running guests as an Ansible inventory")
    listing.add_argument("--json", action="store_true", help="as JSON rather than YAML")
    entering = verb("enter", enter, "log in to a guest, or run a command there")
    entering.add_argument("guest", choices=RECIPES)
    entering.add_argument("command", nargs="*")
    verb("console", console, "print a guest's console").add_argument("guest", choices=RECIPES)
    guarding = verb("guard", guard, "wait for a process to end, then stop the guest")
    guarding.add_argument("guest", choices=RECIPES)
    guarding.add_argument("pid", type=int)
    return parser


def main() -> int:
    options = _parser().parse_args()
    unknown = set(getattr(options, "guests", ())) - set(RECIPES)
    if hasattr(options, "guests") and not options.guests and options.act is not stop:
        options.guests = list(RECIPES)
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT is ignored where a shell started this in its background
        signal.signal(number, signal.default_int_handler)
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"  # `su` leaves it out
    try:
        if unknown:
            raise TestbedError(f"no such guest: {', '.join(sorted(unknown))}")
        options.act(SESSIONS / options.session, options)
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("testbed: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
