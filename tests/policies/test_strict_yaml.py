"""What of YAML is read, and what is refused: with its place, and before it can do harm."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from policies.files import strict_yaml
from policies.files.strict_yaml import DEPTH_MAX, SIZE_MAX, InvalidYaml, load


@pytest.fixture(params=["libyaml", "pure"], autouse=True, scope="module")
def parser(request: pytest.FixtureRequest) -> Any:
    """Both parsers that PyYAML may come with read and refuse the same."""
    chosen = pytest.MonkeyPatch()
    if request.param == "pure":
        chosen.setattr(strict_yaml, "_Loader", yaml.SafeLoader)
    elif not yaml.__with_libyaml__:
        pytest.skip("this PyYAML was built without libyaml")
    yield
    chosen.undo()


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8) | st.sampled_from(
    ["no", "null", "~", "1e3", "2026-01-01", "0x1f", "012", "1:30", "*", "@shared", "a: b", "- a", "#", "<<", "=", ""]
)
VALUES = st.recursive(
    TEXTS | st.integers(0, 10**9 - 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(value=VALUES, flow=st.booleans())
def test_what_yaml_writes_is_read_back(value: object, flow: bool) -> None:
    written = yaml.safe_dump([value], default_flow_style=flow, allow_unicode=True)
    if _depth([value]) <= DEPTH_MAX:
        assert load(written) == load(written.encode()) == [value]
    else:
        with pytest.raises(InvalidYaml, match="deep"):
            load(written)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


@given(text=st.text(max_size=40) | st.text("{}[],:-?&*!|>'\"%@` \n\tab1#", max_size=20))
def test_any_text_is_read_or_refused_and_never_read_otherwise_than_by_yaml(text: str) -> None:
    try:
        found = load(text)
    except InvalidYaml:
        return
    try:
        assert found == yaml.safe_load(text)
    except yaml.YAMLError:
        assert strict_yaml._Loader is not yaml.SafeLoader, "libyaml takes some tabs that PyYAML's own parser refuses"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [&x b, *x]", "a.0: anchors and aliases"),
        ("a: &x {b: c}", "a: anchors and aliases"),
        ("a: {b: *x}", "a.b: anchors and aliases"),
        ("a: !!python/object:os.system {}", "a: tags are not used"),
        ("a: !!binary aGk=", "a: tags are not used"),
        ("a: !!str b", "a: tags are not used"),
        ("a: {b: 1, b: 2}", "a: the key 'b' stands twice"),
        ('{"a": 1, a: 2}', "the file: the key 'a' stands twice"),
        ("a:\n  - b: no", "a.0.b: YAML does not read 'no' as text; put it in quotes (line 2)"),
        ("a: null", "a: YAML does not read 'null'"),
        ("a: 2026-01-01", "a: YAML does not read '2026-01-01'"),
        ("a: 2026-13-45", "a: YAML does not read '2026-13-45'"),
        ("a: 1.5", "a: YAML does not read '1.5'"),
        ("a: 012", "a: YAML does not read '012'"),
        ("a: -1", "a: YAML does not read '-1'"),
        ("a: 1:30", "a: YAML does not read '1:30'"),
        ("a: " + "9" * 5000, "a: YAML does not read '999"),
        ("a:", "a: there is no value"),
        ("1: a", "the key 1 must be text"),
        ("[a]: b", "a key must be text"),
        ("{b: c}: d", "a key must be text"),
        ("a: b\n---\nc: d", "a second document"),
        ("a: {", "is not valid YAML"),
        ("a: \x07", "is not valid YAML"),
        ("a: \ud800", "is not UTF-8"),
        (b"a: \xff", "is not UTF-8"),
    ],
)
def test_it_is_refused(text: str | bytes, problem: str) -> None:
    with pytest.raises(InvalidYaml) as refusal:
        load(text)
    assert problem in str(refusal.value)


def test_nesting_is_bounded_before_anything_is_built() -> None:
    assert load("[" * DEPTH_MAX + "]" * DEPTH_MAX) == [[[[[[[[]]]]]]]]
    for opening in ("[", "{a: ", "- "):
        with pytest.raises(InvalidYaml, match=r"deep|not valid"):
            load(opening * 100_000)


def test_size_is_bounded_in_bytes() -> None:
    assert load("# " + "é" * (SIZE_MAX // 2 - 1)) is None
    with pytest.raises(InvalidYaml, match="larger"):
        load("# " + "é" * (SIZE_MAX // 2))


def test_nothing_is_read_from_nothing() -> None:
    assert load("") is None
    assert load("# only a comment\n") is None
