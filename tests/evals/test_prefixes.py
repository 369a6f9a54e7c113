"""What a prefix cache would find, on prompts whose shares can be worked out by hand."""

from evals.prefixes import cached_share


def test_only_whole_blocks_of_a_beginning_that_an_earlier_prompt_had_are_found() -> None:
    assert cached_share(["aabb", "aabbcc"], 2) == 4 / 10
    assert cached_share(["aab", "aabb"], 2) == 2 / 7
    assert cached_share(["aabb", "ccbb"], 2) == 0
    assert cached_share(["aabb", "aabb"], 4) == 4 / 8
    assert cached_share([], 4) == 0
