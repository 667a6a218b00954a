# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Template repositories in Lago's format: templates by name, their versions, and where each version lies.

    {"name": "lab", "templates": {"el7": {"versions": {"v1": {"source": "web", "handle": "el7/v1.qcow2",
     "timestamp": 1}}}}, "sources": {"web": {"type": "http", "args": {"baseurl": "http://..."}}}}

A source is of type http (`baseurl`), file (`root`) or debootstrap (see there).
"""

from __future__ import annotations

import json
import os
import typing as t

from .. import config, files
from ..errors import TemplateError
from . import http
from .digests import Digests
from .providers import FileSystemTemplateProvider, HttpTemplateProvider

if t.TYPE_CHECKING:
    from .debootstrap import DebootstrapProvider
    from .providers import Provider as Fetching

    Provider = t.Union[Fetching, DebootstrapProvider]

LARGEST = 16 << 20  # bytes of a repository's file
SOURCES: t.Dict[str, t.Tuple[t.Callable[[str], Fetching], str]] = {
    "http": (HttpTemplateProvider, "baseurl"),
    "file": (FileSystemTemplateProvider, "root"),
}


class TemplateVersion:
    """`name` is repository:template:version, `source` a provider."""

    def __init__(self, name: str, source: Provider, handle: str, timestamp: float) -> None:
        self.name = name
        self._source, self._handle, self._timestamp = source, handle, timestamp

    def timestamp(self) -> float:
        return self._timestamp

    def get_hash(self) -> str:
        return self._source.get_hash(self._handle)

    def get_metadata(self) -> dict[str, t.Any]:
        return self._source.get_metadata(self._handle)

    def download(self, destination: str, digests: Digests | None = None, progress: http.Progress | None = None) -> None:
        """Raises TemplateError, OSError."""
        self._source.download_image(self._handle, destination, digests, progress)


class Template:
    def __init__(self, name: str, versions: t.Mapping[str, TemplateVersion]) -> None:
        self.name, self._versions = name, dict(versions)

    def get_version(self, ver_name: str | None = None) -> TemplateVersion:
        """That version, or the newest. Raises TemplateError."""
        if not ver_name:
            return self.get_latest_version()
        if ver_name not in self._versions:
            raise TemplateError(f"the template {self.name} has no version {ver_name}; it has {_list(self._versions)}")
        return self._versions[ver_name]

    def get_latest_version(self) -> TemplateVersion:
        if not self._versions:
            raise TemplateError(f"the template {self.name} has no version")
        return max(self._versions.values(), key=TemplateVersion.timestamp)


class TemplateRepository:
    """Of the repository's file as a dictionary. Raises TemplateError with the place in it that is wrong."""

    def __init__(self, dom: t.Any, path: str = "") -> None:
        self._path = path
        self._dom = _dictionary("the repository", dom)
        self._name = _text("name", self._dom.get("name"))
        sources = _dictionary("sources", self._dom.get("sources", {}))
        self._providers = {key: self._get_provider(key, spec) for key, spec in sources.items()}
        self._templates = _dictionary("templates", self._dom.get("templates", {}))

    @classmethod
    def from_file(cls, path: str) -> TemplateRepository:
        try:
            raw = files.read_small(path, LARGEST)
        except OSError as error:
            raise TemplateError(f"reading the repository {path}: {error.strerror}") from None
        if raw is None:
            raise TemplateError(f"reading the repository {path}: there is no such file")
        return cls(_json(path, raw), path)

    @classmethod
    def from_url(cls, url: str) -> TemplateRepository:
        return cls(_json(url, http.get_small(url, LARGEST)), url)

    @property
    def name(self) -> str:
        return self._name

    @property
    def path(self) -> str:
        """The file, or the URL, that it was read from; "" where it was given."""
        return self._path

    def names(self) -> list[str]:
        return sorted(self._templates)

    def get_by_name(self, name: str) -> Template:
        """Raises TemplateError."""
        if name not in self._templates:
            raise TemplateError(f"the repository {self.name} has no template {name}; it has {_list(self._templates)}")
        place = f"templates.{name}"
        spec = _dictionary(place, self._templates[name])
        versions = _dictionary(f"{place}.versions", spec.get("versions"))
        made = {key: self._version(f"{place}.versions.{key}", name, key, one) for key, one in versions.items()}
        return Template(name, made)

    def _version(self, place: str, template: str, version: str, spec: t.Any) -> TemplateVersion:
        found = _dictionary(place, spec)
        source = _text(f"{place}.source", found.get("source"))
        if source not in self._providers:
            raise TemplateError(f"{place}.source: there is no source {source}")
        try:
            timestamp = float(found.get("timestamp", 0))
        except (TypeError, ValueError):
            raise TemplateError(f"{place}.timestamp has to be a number") from None
        handle = _text(f"{place}.handle", found.get("handle"))
        return TemplateVersion(f"{self.name}:{template}:{version}", self._providers[source], handle, timestamp)

    def _get_provider(self, name: str, spec: t.Any) -> Provider:
        place = f"sources.{name}"
        found = _dictionary(place, spec)
        kind = found.get("type")
        if kind == "debootstrap":
            from .debootstrap import DebootstrapProvider

            return DebootstrapProvider(_dictionary(f"{place}.args", found.get("args", {})))
        if kind not in SOURCES:
            raise TemplateError(f"{place}.type has to be one of {', '.join(SOURCES)}, debootstrap, not {kind!r}")
        make, argument = SOURCES[kind]
        value = _text(f"{place}.args.{argument}", _dictionary(f"{place}.args", found.get("args")).get(argument))
        if kind == "file" and self._path and "://" not in self._path:
            value = os.path.join(os.path.dirname(self._path), value)  # a relative root lies beside the file
        return make(value)


def find_repo_by_name(name: str, repo_dir: str | None = None) -> TemplateRepository:
    """The repository of that name among the files *.json of a folder. Raises TemplateError."""
    folder = repo_dir or config.get("template_repos")
    try:
        paths = sorted(os.path.join(folder, one) for one in os.listdir(folder) if one.endswith(".json"))
    except OSError as error:
        raise TemplateError(f"looking for the repository {name} in {folder}: {error.strerror}") from None
    found = [TemplateRepository.from_file(path) for path in paths]
    for repository in found:
        if repository.name == name:
            return repository
    raise TemplateError(f"there is no repository {name} in {folder}; there is {_list([one.name for one in found])}")


def _json(where: str, raw: bytes) -> t.Any:
    try:
        return json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"{where} is no JSON: {error}") from None


def _dictionary(place: str, value: t.Any) -> dict[str, t.Any]:
    if not isinstance(value, dict):
        raise TemplateError(f"{place} has to be a dictionary")
    return value


def _text(place: str, value: t.Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise TemplateError(f"{place} has to be text")
    return value


def _list(names: t.Iterable[str]) -> str:
    return ", ".join(sorted(names)[:20]) or "none"
