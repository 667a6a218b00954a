# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents as dictionaries: python-kvm's shape row by row, the lossless one on generated documents, hostile ones."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor import document, schema
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.document import (
    from_xml,
    parse,
    to_dict,
    to_element,
    to_xml,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import KvmError
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<a/>", {"a": True}),
        ("<a> </a>", {"a": True}),
        ("<a> t </a>", {"a": "t"}),
        ('<a x="1"/>', {"a": {"@x": "1"}}),
        ('<a x="1">t</a>', {"a": {"@x": "1", "#text": "t"}}),
        ("<a>t<b/></a>", {"a": {"b": True}}),
        ("<a><b/><b/></a>", {"a": {"b": [True, True]}}),
        ("<a><b/>tail<c/></a>", {"a": {"b": True, "c": True}}),
        ('<n:z xmlns:n="urn:x">3</n:z>', {"{urn:x}z": "3"}),
        ("<a><!-- no --><b>1</b><?no?></a>", {"a": {"b": "1"}}),
    ],
)
def test_the_shape_of_python_kvm(text, value):
    assert from_xml(parse(text)) == value


def test_forced_lists_go_by_the_name_anywhere():
    found = from_xml(parse("<d><disk/><x><disk>1</disk></x></d>"), ["disk"])
    assert found == {"d": {"disk": [True], "x": {"disk": ["1"]}}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"@x": 1, "#text": "t"}, '<a x="1">t</a>'),
        ({"b": [{"@c": "d"}, "t", 7, True]}, '<a><b c="d" /><b>t</b><b>7</b><b /></a>'),
        ({"b": None, "c": False, "d": {"e": "f"}}, "<a><b /><c /><d><e>f</e></d></a>"),
    ],
)
def test_documents_from_the_shape_of_python_kvm(value, text):
    made = to_xml("a", value)
    assert "".join(line.strip() for line in made.splitlines()) == text
    assert made.endswith("</a>\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<a/>", {}),
        ("<a>\n</a>", {}),
        ("<a> t </a>", " t "),
        ('<a x="1">t<b/></a>', {"@x": "1", "#text": "t", "b": {}}),
        ("<a><b/><c/><b/></a>", {"b": [{}, {}], "c": {}, "#order": ["b", "c", "b"]}),
        ("<a><b/>u<b/></a>", {"b": [{}, {}], "#order": ["b", "b"], "#tails": ["u", ""]}),
    ],
)
def test_the_lossless_shape(text, value):
    assert to_dict(parse(text)) == {"a": value}
    assert ElementTree.tostring(to_element({"a": value})) == ElementTree.tostring(_stripped(parse(text)))


def _stripped(element):
    for one in element.iter():
        one.text = one.text if (one.text or "").strip() else None
        one.tail = one.tail if (one.tail or "").strip() else None
    return element


def test_what_is_said_once_or_often_has_one_shape():
    one = to_dict(parse("<network><ip address='192.0.2.1' prefix='24'/></network>"))
    assert one == {"network": {"ip": [{"@address": "192.0.2.1", "@prefix": 24}]}}
    plain, placed = (
        to_dict(parse(f"<domain><vcpu{more}>2</vcpu></domain>"))["domain"]["vcpu"] for more in ("", " current='1'")
    )
    assert (plain, placed) == ({"#text": 2}, {"@current": 1, "#text": 2})


@pytest.mark.parametrize("name", ["7", "007", "1e3", "١٢"])
def test_names_stay_text_and_numbers_only_those_that_come_back(name):
    assert to_dict(parse(f"<volume><name>{name}</name></volume>"))["volume"]["name"] == name
    found = to_dict(parse(f"<volume><capacity unit='bytes'>{name}</capacity></volume>"))["volume"]["capacity"]["#text"]
    assert found == (7 if name == "7" else name)
    assert str(found) == name


TAGS = st.sampled_from(["a", "b", "capability", "cell", "cpu", "cpus", "enum", "memory", "pages", "value"])
TEXT = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=6
) | st.integers(0, 99).map(str)
ATTRIBUTES = st.dictionaries(st.sampled_from(["id", "num", "size", "unit"]), TEXT, max_size=3)


@st.composite
def elements(draw, depth=3):
    element = ElementTree.Element(draw(TAGS), draw(ATTRIBUTES))
    element.text = draw(TEXT)
    if depth:
        for child in draw(st.lists(elements(depth=depth - 1), max_size=3)):
            child.tail = draw(st.just("") | TEXT)
            element.append(child)
    return element


def plain(element):
    texts = [text if (text or "").strip() else "" for text in (element.text, element.tail)]
    return element.tag, dict(element.attrib), texts, [plain(child) for child in element]


@settings(max_examples=200, deadline=None)
@given(elements())
def test_generated_documents_come_back(element):
    written = ElementTree.tostring(element, encoding="unicode")
    found = json.loads(json.dumps(to_dict(parse(written))))
    assert plain(to_element(found)) == plain(parse(written))


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<?xml version='1.0' encoding='utf-16'?><!DOCTYPE a><a/>",
        "<!DOCTYPE l [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]><l>&c;</l>",
    ],
)
def test_bombs_are_refused(text):
    with pytest.raises(KvmError, match="a document type or entities of its own is refused"):
        parse(text)


@pytest.mark.parametrize("text", ["", "no", "<a>", "<a></b>", "<a>&x;</a>", "<a>\0</a>"])
def test_what_is_no_document(text):
    with pytest.raises(KvmError, match="not well-formed XML"):
        parse(text)


def test_a_document_that_is_too_deep_or_too_large(monkeypatch):
    deep = parse("<a>" * 1000 + "</a>" * 1000)
    for convert in (to_dict, from_xml):
        with pytest.raises(KvmError, match="more than 200 levels"):
            convert(deep)
    monkeypatch.setattr(document, "LARGEST", 10)
    with pytest.raises(KvmError, match="11 characters is too large"):
        parse("<a>1234</a>")


@pytest.mark.parametrize("value", [{}, {"a": 1, "b": 2}, {"a": None}, {"a": {"b": [None]}}])
def test_what_is_no_document_as_a_dictionary(value):
    with pytest.raises(KvmError):
        to_element(value)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("12", 12), ("-1", "-1"), ("0x10", "0x10"), ("", "")])
def test_numbers(text, number):
    assert schema.number(text) == number
