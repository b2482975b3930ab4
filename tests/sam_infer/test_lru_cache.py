from sam_infer.lru_cache import LruCache


def test_the_last_used_are_kept_and_the_rest_is_made_again() -> None:
    made: list[str] = []
    memo = LruCache(2)

    def get(key: str) -> str:
        return memo.get(key, lambda: made.append(key) or key.upper())

    assert [get(key) for key in "abacb"] == ["A", "B", "A", "C", "B"]
    assert made == ["a", "b", "c", "b"]
