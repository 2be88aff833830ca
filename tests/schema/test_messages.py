"""Words of any script in messages: shown as they are, and the nearest of them."""

from itertools import pairwise

import pytest

from engine.schema.messages import did_you_mean, plain, quoted, rounded, shown, vocabulary

HOMES = vocabulary(["owner", "parents", "rent", "aluguel", "propria", "São Paulo", "Évora", "Київ"])


@pytest.mark.parametrize(
    "word", ["São Paulo", "Łódź", "Київ", "東京", "서울", "القاهرة", "मुंबई", "ශ්‍රී ලංකා", "می‌روم", "🏠"]
)
def test_word_of_any_script_is_shown_as_it_is(word: str) -> None:
    assert f"'{word}'" == shown(word)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("a\nb\0\x1b[2J", r"'a\nb\x00\x1b[2J'"),
        ("\u202eabc\u2066", r"'\u202eabc\u2066'"),
        ("São\xa0Paulo", r"'São\xa0Paulo'"),
        ("a\u200bb\ufeff", r"'a\u200bb\ufeff'"),
        ("\ud800", r"'\ud800'"),
        ("d'água", '"d\'água"'),
        ("\\", r"'\\'"),
    ],
)
def test_what_cannot_be_seen_or_turns_text_is_escaped(word: str, text: str) -> None:
    assert text == quoted(word)


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("alugado", "aluguel"),
        ("ALUGUEL", "aluguel"),
        ("Própria", "propria"),
        ("sao paulo", "São Paulo"),
        ("evora", "Évora"),
        ("КИЇВ", "Київ"),
        ("rend", "rent"),
        ("ent", "rent"),
        ("zzz", ""),
        ("", ""),
        ("x" * 10**6, ""),
    ],
)
def test_suggestion_is_the_nearest_word_whatever_its_case_and_accents(
    word: str, nearest: str
) -> None:
    assert (f" (did you mean '{nearest}'?)" if nearest else "") == did_you_mean(word, HOMES)


def test_suggestion_when_there_are_many_words_compares_the_neighbours_in_the_alphabet() -> None:
    words = [f"{letter}{number:03}" for letter in "ÀBCD" for number in range(500)]

    assert " (did you mean 'À499'?)" == did_you_mean("a499x", vocabulary(words))
    assert all(first <= second for first, second in pairwise(vocabulary(words)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.69567, "0.6957"), (0.0, "0.0000"), (63.78984, "63.7898"), (1.7e9, "1700000000.0000"),
        (1.0068e-9, "0.000000001007"), (1e-30, "1e-30"),
        (-0.00012345, "-0.0001234"), (float("nan"), "nan"),
    ],
)  # fmt: skip
def test_score_when_it_is_small_has_the_digits_that_count(value: float, text: str) -> None:
    assert text == rounded(value)
    assert text.removeprefix("-") == rounded(abs(value), sign="+").removeprefix("+")


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (10_000.0, None, "10000"), (1e-5, None, "0.00001"), (0.1, None, "0.1"), (-0.0, None, "0"),
        (7.6123e-5, 2, "0.000076"), (1234.5, 2, "1234"), (99.7, 2, "100"), (129.25, 6, "129.25"),
        (1e22, 6, "1e+22"), (1e-20, None, "1e-20"), (float("inf"), 2, "inf"),
    ],
)  # fmt: skip
def test_number_when_people_read_it_has_no_exponent(
    number: float, digits: int | None, text: str
) -> None:
    assert text == plain(number, digits)
