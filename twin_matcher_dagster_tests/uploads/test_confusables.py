"""Names that can be taken for one another, in whatever letters; and names that cannot."""

from __future__ import annotations

from itertools import combinations

import pytest

from twin_matcher_dagster.uploads.confusables import NameLook


def alike(one: str, other: str) -> bool:
    return NameLook.of(one).is_like(NameLook.of(other))


def nearly_alike(one: str, other: str) -> bool:
    return NameLook.of(one).unmarked().is_like(NameLook.of(other).unmarked())


# SAFETY, "names with Cyrillic or zero-for-o letters pass".
@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Ana Aranda", "ana  ARANDA"),
        ("Ana Aranda", "Аnа Аrаndа"),  # Cyrillic А and а
        ("Ana Aranda", "Αna Aranda"),  # Greek capital alpha
        ("Bo Berg", "B0 Berg"),
        ("Bo Berg", "Bо Веrg"),  # Cyrillic о, В, е
        ("Bo Berg", "BO ВЕRG"),  # capitals
        ("Scarlett Johansson", "Ѕcarlett Јohansson"),
        ("Scarlett Johansson", "Ѕсаrlеtt Jоhаnѕѕоn"),
        ("Scarlett Johansson", "Scarlett-Johansson"),
        ("Scarlett Johansson", "ScarlettJohansson"),
        ("Scarlett Johansson", "Scarlett\u200dJohansson"),
        ("Elon Musk", "ＥＬＯＮ　ＭＵＳＫ"),
        ("Elon Musk", "𝓔𝓵𝓸𝓷 𝓜𝓾𝓼𝓴"),
        ("Elon Musk", "𝙴𝚕𝚘𝚗 𝙼𝚞𝚜𝚔"),
        ("Elon Musk", "Ⓔⓛⓞⓝ Ⓜⓤⓢⓚ"),
        ("Elon Musk", "E\u200blon Mus\u200ck"),
        ("Elon Musk", "E\u00adlon Mu\ufeffsk"),
        ("Elon Musk", "EIon Musk"),  # a capital i
        ("Elon Musk", "E|on Musk"),
        ("Elon Musk", "E1on Musk"),
        ("Elon Musk", "ΕLΟΝ ΜUЅΚ"),
        ("Tom Hanks", "Τom Ηanks"),
        ("Tom Hanks", "Тоm Нanks"),
        ("Tom Hanks", "Torn Hanks"),
        ("Mike Tyson", "МІКЕ ТУЅОN"),
        ("Mike Tyson", "mikе tуsоn"),
        ("Hugh Grant", "Нugh Grаnt"),
        ("Hugh Grant", "ᎻUGH GRANT"),  # Cherokee
        ("Brad Pitt", "Вrad Рitt"),
        ("Paul Klee", "PauI KIee"),
        ("Ольга", "Oльгa"),  # Latin in a Cyrillic name
        ("Νίκος", "Nίκoς"),  # and in a Greek one
        ("Maria", "Marıa"),
        ("Straße", "STRASSE"),
        ("O'Neill", "O’Neill"),
        ("O'Neill", "ONeill"),
        ("Zoë", "Zoe\u0308"),
    ],
)
def test_other_letters_that_look_the_same_make_no_other_name(name: str, written: str) -> None:
    assert alike(name, written)
    assert alike(written, name)
    assert nearly_alike(name, written)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Beyoncé", "Beyonce"),
        ("Zoë", "Zoe"),
        ("Łukasz", "Lukasz"),
        ("Đorđe", "Dorde"),
        ("Elon Musk", "E\u0332lon Mu\u0323sk"),
        ("Elon Musk", "Ėlön Müšk"),
        ("Elon Musk", "E\u20d2lon Musk"),
        ("Søren", "Soren"),
    ],
)
def test_accents_are_a_smaller_difference(name: str, written: str) -> None:
    assert not alike(name, written)
    assert nearly_alike(name, written)


HONEST = [
    *("Ægir", "Zoë", "Łukasz", "Đorđe", "Søren", "Þóra", "Şeyma", "Ján", "Jan Novák", "Nguyễn An"),
    *("Ольга", "Олег", "Оксана", "Сергей", "Катя", "Анна Ахматова", "Ђорђе", "Таня"),
    *("Οδυσσέας", "Νίκος", "Ελένη", "Άννα Παπαδοπούλου"),
    *("محمد", "أحمد", "فاطمة", "مریم", "דוד", "שרה", "רבקה"),
    *(
        "李小龙",
        "李小龍",
        "王伟",
        "王芳",
        "陳大文",
        "山田太郎",
        "さくら",
        "サクラ",
        "김민준",
        "이서연",
    ),
    *("राम", "रमा", "रीना", "रानी", "மாலா", "মিতা", "สมชาย", "ლელა", "Արամ", "አበበ"),
    *(
        "Ian",
        "Lan",
        "Ali",
        "Al",
        "Bill",
        "Jill",
        "Lisa",
        "Elsa",
        "Mary-Jane",
        "O'Brien",
        "Anne-Lise",
    ),
    *("Ana Aranda", "Bo Berg", "Jo", "Joe", "X Æ A-12", "Agent 007", "Olga", "Anna Achmatova"),
]


def test_honest_names_are_not_taken_for_one_another() -> None:
    taken = [(a, b) for a, b in combinations(HONEST, 2) if nearly_alike(a, b)]
    assert taken == []
    assert all(alike(name, name) for name in HONEST)


@pytest.mark.parametrize("name", ["", "-", "...", "🙂", "\u200d"])
def test_what_has_no_letters_is_like_nothing(name: str) -> None:
    assert not alike(name, name)
    assert not alike(name, "Ana")
