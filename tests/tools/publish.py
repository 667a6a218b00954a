# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps `docs` and `build`: the collection as HTML pages, and as an archive."""

from __future__ import annotations

import shutil
from pathlib import Path

import environment
import tree
from locks import held
from paths import CACHE, COLLECTIONS, LOGS, ROOT
from process import must, say

NAME = "fleet.hypervisor"
DOCS = CACHE / "docs"
# Two labels of antsibull's pages live in Ansible's own documentation, which is not fetched.
SPHINX = "\nintersphinx_mapping = {}\nsuppress_warnings = ['ref.ref']\n"


def docs() -> None:
    """Lint the documentation, then render it; a warning of Sphinx is a failure."""
    env = environment.tools()
    shutil.rmtree(DOCS, ignore_errors=True)
    source = DOCS / "source"
    source.mkdir(parents=True, mode=0o700)
    steps = {
        "documentation of plugins": (
            ["antsibull-docs", "lint-collection-docs", "--plugin-docs"]
            + ["--validate-collection-refs=all", str(_collection())],
            "documentation has faults",
        ),
        "frame of the pages": (
            ["antsibull-docs", "sphinx-init", "--use-current", "--squash-hierarchy", NAME]
            + ["--project", NAME, "--title", NAME, "--copyright", f"the {NAME} authors"]
            + ["--dest-dir", str(source)],
            "antsibull-docs could not lay out the pages",
        ),
    }
    for title, (argv, lack) in steps.items():
        must(title, argv, LOGS / "docs.log", cwd=_collection(), env=env, lack=lack)
    with (source / "conf.py").open("a") as settings:
        settings.write(SPHINX)
    argv = ["antsibull-docs", "--config-file", str(source / "antsibull-docs.cfg"), "collection"]
    argv += ["--use-current", "--dest-dir", str(source / "rst"), "--squash-hierarchy", NAME]
    argv += ["--cleanup", "similar-files", "--fail-on-error"]
    lack = "antsibull-docs could not write the pages"
    must("pages of plugins", argv, LOGS / "docs.log", cwd=source, env=env, lack=lack)
    argv = ["sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "-c", str(source)]
    argv += [str(source / "rst"), str(DOCS / "html")]
    must("HTML", argv, LOGS / "docs.log", cwd=source, env=env, lack="the pages have faults")
    say(f"  to read: {DOCS / 'html' / 'index.html'}")


def build() -> None:
    """An archive in dist/, made from what git knows, and proved by installing it."""
    env = environment.tools()
    with held("tree-build"):
        collection = tree.arrange("build")
        output = ROOT / "dist"
        argv = ["ansible-galaxy", "collection", "build", "--force", "--output-path", str(output)]
        log = LOGS / "build.log"
        must("archive", argv, log, cwd=collection, env=env, lack="the collection does not build")
    archive = max(output.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)
    trial = CACHE / "trial"
    shutil.rmtree(trial, ignore_errors=True)
    argv = ["ansible-galaxy", "collection", "install", "--offline", "-p", str(trial), str(archive)]
    must("trial installation", argv, log, cwd=CACHE, env=env, lack="the archive does not install")
    shutil.rmtree(trial)
    say(f"  built: {archive.relative_to(ROOT)}")


def _collection() -> Path:
    return COLLECTIONS / "ansible_collections" / "fleet" / "hypervisor"
