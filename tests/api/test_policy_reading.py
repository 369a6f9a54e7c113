"""The policy as it stands and as it came to be: exact for who administers all of it, a part for who does not."""

import pytest

from policies.files.policy_file import read_policy_text
from policies.wording import rule_id
from tests.api.administered import EPOCH, LINKS, RULES, Speaker, code, hr


async def test_the_whole_policy_is_shown_with_its_version_as_tag(ada: Speaker) -> None:
    response = await ada.get()
    shown = response.json()
    assert (shown["tenant"], shown["epoch"], shown["whole"]) == ("acme", EPOCH, True)
    assert [rule["id"] for rule in shown["rules"]] == [rule_id(rule) for rule in RULES]
    assert [(link["member"], link["parent"]) for link in shown["links"]] == [
        (link.member, link.parent) for link in LINKS
    ]
    assert response.headers["etag"] == f'"acme:{EPOCH}"'
    assert response.headers["cache-control"] == "no-store"


async def test_who_administers_a_part_sees_the_lines_of_that_part(dora: Speaker) -> None:
    shown = (await dora.get()).json()
    subjects = {rule["subject"] for rule in shown["rules"]}
    assert shown["whole"] is False
    assert subjects == {"user:dora", "assistant:editor", "role:hr-reader"}
    assert [link["parent"] for link in shown["links"]] == ["role:hr-reader"]


async def test_an_export_reads_back_as_the_same_policy(ada: Speaker) -> None:
    response = await ada.get("/export")
    file = read_policy_text(response.content, "export")
    assert response.headers["content-type"].startswith("application/yaml")
    assert response.headers["etag"] == await ada.tag()
    assert set(file.rules_in("acme")) == set(RULES)
    assert set(file.links_in("acme")) == set(LINKS)


async def test_every_edit_stands_in_the_history_with_author_and_reason(ada: Speaker, dora: Speaker) -> None:
    await dora.edit(add_rules=[hr()], reason="bob joined")
    page = (await ada.get("/history")).json()
    newest = page["revisions"][0]
    assert (newest["epoch"], newest["author"], newest["reason"]) == (EPOCH + 1, "user:dora", "bob joined")
    assert [rule["subject"] for rule in newest["added_rules"]] == ["user:bob"]
    assert page["next"] is None
    assert code(await dora.get("/history")) == (403, "not_administered")


async def test_a_long_history_comes_in_pages_without_gap_or_repetition(ada: Speaker) -> None:
    for number in range(4):
        await ada.edit(add_rules=[hr(f"user:new{number}")])
    epochs, cursor = [], {}
    for _ in range(9):
        page = (await ada.get("/history", limit=2, **cursor)).json()
        epochs += [revision["epoch"] for revision in page["revisions"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert epochs == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("cursor", ["", "5", "!", "YmVmb3JlOjA=", "YmVmb3JlOjk5OTk5OTk5OTk=", "\u00e9"])
async def test_a_cursor_that_was_not_given_out_is_refused(cursor: str, ada: Speaker) -> None:
    assert code(await ada.get("/history", cursor=cursor)) == (400, "invalid_cursor")


@pytest.mark.parametrize("limit", [0, 101, "x"])
async def test_a_page_has_a_bounded_size(limit: object, ada: Speaker) -> None:
    assert code(await ada.get("/history", limit=limit)) == (422, "validation_failed")


async def test_a_difference_reads_in_both_directions(ada: Speaker, dora: Speaker) -> None:
    await ada.edit(add_rules=[hr()], remove_links=[{"member": "user:ann", "parent": "role:hr-reader"}])
    await ada.edit(add_rules=[hr("user:new")])
    forth = (await ada.get("/diff", old=EPOCH, new=EPOCH + 2)).json()
    back = (await ada.get("/diff", old=EPOCH + 2, new=EPOCH)).json()
    assert {rule["subject"] for rule in forth["added_rules"]} == {"user:bob", "user:new"}
    assert forth["removed_links"] == [{"member": "user:ann", "parent": "role:hr-reader"}]
    assert (back["removed_rules"], back["added_links"]) == (forth["added_rules"], forth["removed_links"])
    assert code(await dora.get("/diff", old=EPOCH, new=EPOCH + 2)) == (403, "not_administered")


async def test_a_version_that_does_not_exist_yet_has_no_difference(ada: Speaker) -> None:
    """Also one so far away that looking for the steps to it would take for ever."""
    for new in (EPOCH + 1, 2**31 - 1):
        assert code(await ada.get("/diff", old=0, new=new)) == (409, "history_incomplete")
    for new in (-1, 2**31, "x"):
        assert code(await ada.get("/diff", old=0, new=new)) == (422, "validation_failed")
