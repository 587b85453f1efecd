"""Who resembles whom: one limit, whether everybody is alike or not."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.faces.coverage import Coverage
from twin_matcher_dagster.faces.recheck import Recheck
from twin_matcher_dagster.faces.sameness import Sameness
from twin_matcher_dagster.faces.templates import decode_template, encode_template, template_of
from twin_matcher_dagster.uploads import resemblance
from twin_matcher_dagster.uploads.resemblance import (
    KNOWN_PERSON,
    Resemblance,
    ResemblanceReport,
    compared,
    find_resemblance,
    resembling,
)
from twin_matcher_dagster_tests.uploads.known import Known


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def vectors(count: int, shared: float, seed: int) -> np.ndarray:
    """Random people whose vectors have a part in common: 0 for none, 1 for as much as their own."""
    common = unit(np.random.default_rng(0).normal(size=128))
    return unit(unit(np.random.default_rng(seed).normal(size=(count, 128))) + shared * common)


def people(count: int, shared: float = 0) -> dict[str, np.ndarray]:
    return {f"c-{n}": vector for n, vector in enumerate(vectors(count, shared, seed=1))}


def compare(
    template: np.ndarray, known: dict[str, np.ndarray], shared: float = 0
) -> list[Resemblance]:
    """Beside strangers who are as alike as those who are known."""
    sameness = Sameness(vectors(400, shared, seed=2))
    alike = compared(template[None], np.stack(list(known.values())), sameness)[0]
    return resembling(list(known), alike)


def at(person: np.ndarray, cosine: float, seed: int = 9) -> np.ndarray:
    """A vector at a given cosine to a person's."""
    other = np.random.default_rng(seed).normal(size=128)
    other = unit(other - (other @ person) * person)
    return cosine * person + np.sqrt(1 - cosine**2) * other


def test_nobody_is_known_at_first() -> None:
    assert resembling([], np.zeros(0)) == []


@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize(("cosine", "same"), [(0.95, True), (0.7, True), (0.5, False)])
def test_among_different_people_a_clear_resemblance_is_enough(
    cosine: float, same: bool, count: int
) -> None:
    known = people(count)
    found = compare(at(known["c-0"], cosine), known)[0]
    assert found.identity_id == "c-0"
    assert found.same is same


def test_among_people_who_are_alike_more_is_asked_for() -> None:
    known = people(30, shared=1)
    assert not compare(at(known["c-7"], 0.7), known, shared=1)[0].same
    assert compare(at(known["c-7"], 0.9), known, shared=1)[0].same


def test_people_who_are_alike_are_not_taken_for_one() -> None:
    known = people(30, shared=1)
    newcomer = known.pop("c-7")
    assert max(vector @ newcomer for vector in known.values()) > KNOWN_PERSON
    assert not compare(newcomer, known, shared=1)[0].same


def test_everybody_who_is_taken_for_the_same_is_named() -> None:
    known = people(30)
    known |= {"u-1": at(known["c-7"], 0.95, seed=5), "u-2": at(known["c-7"], 0.97, seed=6)}
    found = compare(known["c-7"], known)
    assert [one.identity_id for one in found] == ["c-7", "u-2", "u-1"]
    assert all(one.same for one in found)


SAMENESS = Sameness(vectors(400, 0, seed=2))


@pytest.fixture(autouse=True)
def _sameness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resemblance, "load_sameness", lambda name: SAMENESS)


def faces(*looks: np.ndarray) -> Recheck:
    shown = np.stack(looks).astype(np.float32)
    pose = Coverage(30, 30, ())
    return Recheck((), (), (), (), (), template_of(shown), shown, pose, flat=False)


def report(known: Known, *looks: np.ndarray, name: str = "Somebody") -> ResemblanceReport:
    return find_resemblance(faces(*looks), name, known, "bundled")


def photos(person: np.ndarray, count: int, seed: int = 3) -> list[np.ndarray]:
    return [at(person, 0.8, seed=100 * seed + n) for n in range(count)]


def test_a_stranger_is_like_nobody() -> None:
    found = report(Known(people(50)), *photos(vectors(1, 0, seed=8)[0], 24))
    assert found.flagged == {}
    assert found.hints == ()
    assert found.person == ""
    assert found.nearest is not None


def test_beside_nobody_there_is_nothing_to_be_like() -> None:
    assert report(Known({}), *photos(vectors(1, 0, seed=8)[0], 24)) == ResemblanceReport()


def test_two_in_one_upload_are_both_named() -> None:
    """By the mean of both, which is near either, or by the crops."""
    known = Known(people(50))
    found = report(known, *photos(known.looks["c-3"], 12), *photos(known.looks["c-9"], 12))
    assert set(found.flagged) == {"c-3", "c-9"}


def test_a_few_crops_of_somebody_known_are_named() -> None:
    known = Known(people(50))
    stranger = vectors(1, 0, seed=8)[0]
    found = report(known, *photos(stranger, 22), *photos(known.looks["c-9"], 2))
    assert set(found.flagged) == {"c-9"}
    assert found.flagged["c-9"].startswith("2 of 24 faces look like Person c-9 (c-9)")


# SAFETY, "two matches lift the limit for each other": with 38 strangers, or with none.
@pytest.mark.parametrize("count", [2, 10, 40])
def test_a_blend_of_two_is_flagged_for_both_whoever_else_is_known(count: int) -> None:
    known = Known(people(count))
    blend = unit(known.looks["c-0"] + known.looks["c-1"])
    weak = unit(blend + 0.9 * vectors(1, 0, seed=77)[0])
    for one in (blend, weak):
        found = report(known, *photos(one, 24))
        assert {"c-0", "c-1"} <= set(found.flagged)
    assert "lies between" in found.flagged["c-0"]


def test_copies_of_whom_it_is_like_do_not_hide_it() -> None:
    alone = people(10)
    copies = {f"u-{n}": at(alone["c-4"], 0.97, seed=n) for n in range(30)}
    for looks, count in ((alone, 1), (alone | copies, 3)):
        found = report(Known(looks), *photos(alone["c-4"], 24))
        assert len(found.flagged) == count
        assert all("looks like" in flag for flag in found.flagged.values())


def test_another_clip_under_the_same_name_is_not_flagged() -> None:
    looks = people(10)
    own = looks.pop("c-9")
    known = Known(looks | {"u-1": own}, {"u-1": "Zoë"}, accepted=("u-1",))
    found = report(known, *photos(own, 24), name="zoë")
    assert found.flagged == {}
    assert found.hints == ()
    assert found.person == "mark of u-1"


@pytest.mark.parametrize("name", ["Ana Aranda", "ana aranda", "Аnа Аrаndа", "ANA-ARANDA"])
def test_the_name_of_a_celebrity_is_flagged_with_another_face_too(name: str) -> None:
    known = Known(people(10), {"c-5": "Ana Aranda"})
    found = report(known, *photos(vectors(1, 0, seed=8)[0], 24), name=name)
    assert found.flagged == {"c-5": "the name looks like that of Ana Aranda (c-5)"}


def test_face_and_name_of_a_celebrity_are_one_flag_of_two_reasons() -> None:
    known = Known(people(10), {"c-5": "Ana Aranda"})
    flag = report(known, *photos(known.looks["c-5"], 24), name="Ana Aranda").flagged["c-5"]
    assert "the face looks like Ana Aranda" in flag
    assert "; the name looks like that of Ana Aranda" in flag


@pytest.mark.parametrize(
    ("who", "theirs", "name"),
    [("c-5", "Beyoncé", "Beyonce"), ("u-5", "Zoë", "Zoe"), ("u-5", "Bo Berg", "B0 Berg")],
)
def test_a_name_that_is_nearly_somebodys_is_a_hint(who: str, theirs: str, name: str) -> None:
    known = Known({who: people(1)["c-0"]}, {who: theirs}, accepted=("u-5",))
    found = report(known, *photos(vectors(1, 0, seed=8)[0], 24), name=name)
    assert found.flagged == {}
    shown = theirs if who == "c-5" else "an earlier upload"
    assert found.hints == (f"the name looks like that of {shown} ({who})",)


def test_a_namesake_is_nothing_to_hint_at() -> None:
    known = Known({"u-5": people(1)["c-0"]}, {"u-5": "Jan Novák"}, accepted=("u-5",))
    assert report(known, *photos(vectors(1, 0, seed=8)[0], 24), name="jan  novák").hints == ()


def test_everybody_is_compared_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, known = vectors(3, 0, seed=4), vectors(25, 0, seed=5)
    whole = compared(shown, known, SAMENESS)
    monkeypatch.setattr(resemblance, "_BLOCK", 7)
    np.testing.assert_allclose(compared(shown, known, SAMENESS), whole, atol=1e-6)


def test_a_template_survives_a_manifest() -> None:
    vector = unit(np.random.default_rng(3).normal(size=128))
    again = decode_template(encode_template(vector))
    assert again.dtype == np.float32
    assert float(again @ vector) > 0.99999
