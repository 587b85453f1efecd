"""Records: what is written is read back whole, and nothing else is read as one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from twin_matcher_dagster.errors import RecordError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.encoding import encode
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion
from twin_matcher_dagster.storage.records.dataset import (
    EMPTY,
    Celebrities,
    DatasetVersion,
    Member,
    MemberList,
    decode_members,
    encode_members,
    list_of,
)
from twin_matcher_dagster.storage.records.index import (
    HeldOutAnswer,
    decode_answers,
    encode_answers,
)
from twin_matcher_dagster.storage.records.parts import person_of, user_id
from twin_matcher_dagster.storage.records.record import Record
from twin_matcher_dagster.storage.records.release import Release, Withdrawn, read_release
from twin_matcher_dagster.storage.records.uploads import ERASED
from twin_matcher_dagster_tests.records import (
    ABOUT,
    ANA,
    BALANCED,
    DATASET,
    EVERY,
    INDEX,
    MEMBERS,
    MODEL,
    OTHER,
    RAW,
    RELEASE,
    TRAINING_DUE,
    UPLOAD,
    VERDICT,
    WITHDRAWN,
    ZOE,
    digest,
    example,
)

every = pytest.mark.parametrize("record", EVERY, ids=lambda one: type(one).__name__)


def stored(record: Record) -> dict[str, Any]:
    """What comes back of a record from the bucket."""
    return json.loads(encode(record.as_body()))


@every
def test_a_record_reads_back_as_it_was_written(record: Record) -> None:
    body = stored(record)
    assert type(record).from_body(body) == record
    assert encode(type(record).from_body(body).as_body()) == encode(record.as_body())


@every
def test_the_schema_is_in_the_body(record: Record) -> None:
    body = stored(record)
    assert body["schema"] == record.schema
    assert set(body) == {"schema", *vars(record)}


@every
@pytest.mark.parametrize("newer", [1, 99])
def test_a_schema_of_a_newer_version_is_refused(record: Record, newer: int) -> None:
    with pytest.raises(RecordError, match="Update Twin Matcher"):
        type(record).from_body({**stored(record), "schema": record.schema + newer})


@every
@pytest.mark.parametrize("schema", ["2", None, 2.5, 0, -1, True, False])
def test_a_schema_that_is_no_number_is_damaged(record: Record, schema: object) -> None:
    with pytest.raises(RecordError, match=r"its schema is no number\. Restore it"):
        type(record).from_body({**stored(record), "schema": schema})


@every
def test_a_body_that_lacks_a_part_is_refused(record: Record) -> None:
    kind = type(record)
    optional = {"refused", "rolled_back_to"}
    for name in set(vars(record)) - optional:
        body = stored(record)
        del body[name]
        with pytest.raises(
            RecordError, match=rf"This is no {kind.__name__}: {name}: .*\. Restore it"
        ):
            kind.from_body(body)


@every
def test_a_body_with_a_part_of_another_kind_is_refused(record: Record) -> None:
    for name in vars(record):
        with pytest.raises(RecordError, match="materialize its asset again"):
            type(record).from_body({**stored(record), name: object()})


def test_an_error_names_nobody() -> None:
    """Names are keys of mappings, too."""
    damaged = {**stored(BALANCED), "people": {"Zoë Ödegård": "no biography"}}
    with pytest.raises(RecordError, match="This is no BalancedVersion: people: ") as raised:
        BalancedVersion.from_body(damaged)
    assert "Zoë" not in str(raised.value)


@pytest.mark.parametrize("data", [b"", b"half of {", b"[]", b"[" * 100_000, b"\xff"])
def test_what_is_no_record_of_a_list_says_so(data: bytes) -> None:
    for read in (decode_members, decode_answers):
        with pytest.raises(RecordError, match=r"cannot be read\. Restore it"):
            read(data)


@every
def test_a_record_cannot_be_changed(record: Record) -> None:
    with pytest.raises(AttributeError):
        record.fingerprint = "another"  # ty: ignore[invalid-assignment]


def test_a_release_and_its_withdrawal_are_told_apart() -> None:
    assert read_release(stored(RELEASE)) == RELEASE
    assert read_release(stored(WITHDRAWN)) == WITHDRAWN
    with pytest.raises(RecordError):
        read_release(stored(MODEL))


def test_the_files_that_a_record_names() -> None:
    """By what retention knows which to keep: those of ours that are named by their content."""
    assert RAW.content_keys() == {layout.shard(layout.RAW, digest("raw"))}
    faces = {one.key for one in (*BALANCED.shards, *BALANCED.uncleaned)}
    assert BALANCED.content_keys() == {BALANCED.table, *faces}
    assert VERDICT.shard is not None
    assert VERDICT.content_keys() == {VERDICT.shard.key}
    assert DATASET.content_keys() == {MEMBERS.key}
    assert MODEL.content_keys() == {MODEL.files[0].key}
    files = {INDEX.index, INDEX.portraits, INDEX.answers, INDEX.likeness}
    assert INDEX.content_keys() == files
    assert RELEASE.content_keys() == {*files, MODEL.files[0].key}
    assert TRAINING_DUE.content_keys() == WITHDRAWN.content_keys() == set()


@pytest.mark.parametrize(
    "key",
    [
        f"photos/files/{digest('x')}.jpg",
        f"models/files/{digest('x')[:-1]}.json",
        f"models/versions/{digest('x')}.json",
        f"users/../files/{digest('x')}.json",
        f"erasures/{UPLOAD}.json",
        f"see models/files/{digest('x')}.json",
    ],
)
def test_what_is_no_file_of_ours_is_never_deleted_as_one(key: str) -> None:
    assert replace(INDEX, index=key).content_keys() == INDEX.content_keys() - {INDEX.index}


def test_what_a_record_is_made_from() -> None:
    assert {type(one).__name__: dict(one.stands_on()) for one in EVERY if one.stands_on()} == {
        "BalancedVersion": {layout.RAW: 3},
        "DatasetVersion": {layout.BALANCED: 2},
        "Model": {layout.DATASETS: 4},
        "Index": {layout.MODELS: 7, layout.DATASETS: 4},
        "Release": {layout.INDEXES: 8},
    }


def test_an_index_without_an_upload_says_nothing_of_it() -> None:
    assert INDEX.names(UPLOAD)
    assert not INDEX.names(OTHER)
    without = INDEX.without(UPLOAD, "index", "portraits", "likeness")
    assert UPLOAD not in json.dumps(without.as_body())
    assert not without.names(UPLOAD)
    assert (without.rows, without.index, without.portraits) == (1, "index", "portraits")
    assert without.likeness == "likeness"
    assert without.fingerprint != INDEX.fingerprint
    # What was measured of the model stands.
    assert (without.figures, without.answers) == (INDEX.figures, INDEX.answers)


def test_a_release_without_an_upload_says_nothing_of_it() -> None:
    index = Manifest(
        9, "indexes/versions/99999990.json", INDEX.without(UPLOAD, "index", "faces", "likeness")
    )
    without = RELEASE.without(UPLOAD, index)
    assert RELEASE.names(UPLOAD)
    assert not without.names(UPLOAD)
    assert UPLOAD not in json.dumps(without.as_body())
    assert (without.face_index, without.index, without.portraits) == (9, "index", "faces")
    assert [one.identity_id for one in without.identities] == [ANA]
    assert without.fingerprint != RELEASE.fingerprint
    assert without.against == RELEASE.against
    assert without.released_at >= RELEASE.released_at
    assert not WITHDRAWN.names(UPLOAD)


def test_a_verdict_without_another_upload_keeps_its_words() -> None:
    assert VERDICT.names(OTHER)
    without = VERDICT.without(OTHER)
    assert not without.names(OTHER)
    assert OTHER not in json.dumps(without.as_body())
    assert without.resembles == (user_id(ERASED),)
    assert without.flags == (VERDICT.flags[0].replace(OTHER, ERASED),)
    assert without.review.note == f"she says that {ERASED} is her sister"
    same = ("fingerprint", "upload_id", "state", "publication", "hints", "template", "shard")
    assert all(getattr(without, name) == getattr(VERDICT, name) for name in same)
    assert without.without(OTHER) == without


def test_a_verdict_without_another_upload_is_not_mangled_by_its_letters() -> None:
    odd = replace(VERDICT, review=replace(VERDICT.review, note='Zoë\\ "\u2028" \U0001f600'))
    assert odd.without(OTHER).review == odd.review


def test_a_release_says_what_it_was_made_of() -> None:
    assert (RELEASE.dataset, RELEASE.model, RELEASE.face_index) == (4, 7, 8)
    assert RELEASE.files == MODEL.files
    assert RELEASE.model_fingerprint == MODEL.fingerprint
    for name in ("basis", "index", "portraits", "answers", "likeness", "identity_limit"):
        assert getattr(RELEASE, name) == getattr(INDEX, name)
    for name in ("recogniser", "uploads", "shards"):
        assert getattr(RELEASE, name) == getattr(INDEX, name)
    assert (RELEASE.imprinted, RELEASE.figures) == (INDEX.imprinted, INDEX.figures)
    assert [dict(one.about) for one in RELEASE.identities] == [ABOUT, {}]
    assert [one.identity_id for one in RELEASE.identities] == [ANA, ZOE]


def test_a_release_again_is_another_entry_of_the_same() -> None:
    again = RELEASE.again(model=12, number=3)
    assert (again.model, again.rolled_back_to) == (12, 3)
    assert again.fingerprint != RELEASE.fingerprint
    changed = {"model", "rolled_back_to", "fingerprint", "released_at"}
    for name in set(vars(RELEASE)) - changed:
        assert getattr(again, name) == getattr(RELEASE, name)


def test_equal_withdrawals_are_one() -> None:
    assert Withdrawn.because("why") == Withdrawn.because("why") != Withdrawn.because("why not")


def test_a_version_is_a_function_of_what_is_in_it() -> None:
    """Equal celebrities and equal lists give an equal version, whichever came first."""
    balanced = Celebrities(2, "balanced", 7, 2, {"train": 5, "test": 2})
    one, two = MemberList("one", 1, 25, 0, 0), MemberList("two", 3, 40, 1, 10)
    version = DatasetVersion.of(balanced, {"00": one, "ff": two})
    assert DatasetVersion.of(balanced, {"ff": two, "00": one}) == version
    assert (version.rows, version.users, version.identities) == (72, 3, 5)
    assert dict(version.splits) == {"train": 60, "test": 12}
    others = [
        DatasetVersion.of(balanced, {"00": one}),
        DatasetVersion.of(balanced, {"00": two, "ff": one}),
        DatasetVersion.of(replace(balanced, fingerprint="others"), {"00": one, "ff": two}),
        EMPTY,
    ]
    assert len({version.fingerprint, *(other.fingerprint for other in others)}) == 5
    # The number of the celebrities' version is not their content.
    renumbered = DatasetVersion.of(replace(balanced, number=9), {"00": one, "ff": two})
    assert renumbered.fingerprint == version.fingerprint


def test_lists_of_members_are_the_same_bytes_whoever_came_first() -> None:
    assert VERDICT.shard is not None
    one = Member(UPLOAD, VERDICT.shard, publication=True, person=person_of(UPLOAD))
    two = Member(OTHER, VERDICT.shard, publication=False, person=person_of(UPLOAD))
    data = encode_members({UPLOAD: one, OTHER: two})
    assert encode_members({OTHER: two, UPLOAD: one}) == data
    assert decode_members(data) == {UPLOAD: one, OTHER: two}
    assert encode_members(decode_members(data)) == data
    assert "Zoë Ödegård".encode() in data  # readable
    assert json.loads(data)[UPLOAD]["publication"] is True


def test_lists_are_written_as_ever() -> None:
    """A list's key is the hash of its bytes, and a version's fingerprint is of these keys: written
    otherwise, every data set would be another one.
    """
    members = encode_members(decode_members(example("MemberList-0.1.0")))
    assert hashlib.sha256(members).hexdigest()[:16] == "cc78e768270c10c3"


def test_an_upload_has_one_of_256_lists() -> None:
    assert list_of(person_of(UPLOAD)) == list_of(person_of(UPLOAD))
    names = {list_of(person_of(f"{UPLOAD}{number}")) for number in range(5000)}
    assert names == {f"{number:02x}" for number in range(256)}


def test_answers_are_the_same_bytes_whichever_came_first() -> None:
    one, two = (
        HeldOutAnswer(ANA, True, False, fused_margin=1.5, network_margin=-0.25),
        HeldOutAnswer(ZOE, fused=False, network=None),
    )
    data = encode_answers({"1": one, "2": two})
    assert encode_answers({"2": two, "1": one}) == data
    assert decode_answers(data) == {"1": one, "2": two}
    assert encode_answers(decode_answers(data)) == data


def test_what_is_stored_of_a_time_is_what_is_in_memory() -> None:
    assert RELEASE.released_at.microsecond == 0
    assert Release.from_body(stored(RELEASE)).released_at == RELEASE.released_at
