# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of disks: overlays of templates, empty ones, copies. Formats are always said, never guessed."""

from __future__ import annotations

import os
import typing as t

from . import files
from .errors import CommandError, LagoError
from .templates import http
from .templates.image import inspect
from .utils import run_command

# Everybody may read: QEMU's user reads what is below an overlay, while libvirt gives it the file that is written.
MODE = 0o644
LIMIT = 3600.0  # seconds for a command; copying takes the longest

Base = t.Tuple[str, str]  # a file and its format


def create(
    path: str,
    form: str,
    meaning: t.Mapping[str, t.Any],
    base: Base | None = None,
    progress: http.Progress | None = None,
) -> None:
    """Makes the file of a disk, as the init file means it, over `base` if it has one. Raises LagoError, OSError.

    `progress` is told of a download.
    """
    kind = meaning["type"]
    if kind == "template" and base is not None:
        qemu_img("create", "-q", "-f", form, "-b", base[0], "-F", base[1], "--", path)
    elif kind == "empty":
        qemu_img("create", "-q", "-f", form, "--", path, str(meaning["size"]))
    elif meaning.get("url"):
        fetch(meaning["url"], path, progress)
    else:
        copy(meaning["path"], path)
    os.chmod(path, MODE)


def overlay(path: str, base: Base) -> None:
    """A qcow2 that has only what will be written from now on. Raises CommandError, OSError."""
    create(path, "qcow2", {"type": "template"}, base)


def base_of(path: str) -> Base:
    """A template that is a file of its own. Raises LagoError."""
    try:
        return os.path.abspath(path), inspect(path).format
    except OSError as error:
        raise LagoError(f"using {path} as a template: {error.strerror}") from None


def resize(path: str, form: str, size: int) -> None:
    """Lets a disk grow that no guest uses. Raises CommandError."""
    qemu_img("resize", "-q", "-f", form, "--", path, str(size))


def copy(source: str, path: str) -> None:
    """With its holes, and shared blocks where the file system can. Raises CommandError."""
    run("copying", "cp", "--sparse=always", "--reflink=auto", "--", source, path)


def fetch(url: str, path: str, progress: http.Progress | None = None) -> None:
    if url.startswith("file://"):
        return copy(url[len("file://") :], path)
    files.remove(path)
    return http.fetch(url, path, progress=progress)


def qemu_img(*words: str) -> bytes:
    """What `qemu-img` prints. Raises CommandError."""
    return run(f"qemu-img {words[0]}", "qemu-img", *words)


def run(doing: str, *argv: str) -> bytes:
    done = run_command(argv, timeout=LIMIT)
    if done:
        said = done.err.decode(errors="replace").strip() or f"exit status {done.code}"
        raise CommandError(f"{doing} ({argv[-1]}): {said}")
    return done.out
