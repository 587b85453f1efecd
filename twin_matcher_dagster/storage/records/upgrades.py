"""What older schemas looked like, and how each becomes the present one: known here alone.

Schema 1 are bodies without a number, in every shape that version 0.1.0 and its forerunners wrote.
What an older shape did not say is filled in with what makes the next step come out right: a model
of nobody knows which celebrities is trained again, a version of the data set that names no lists
is built from all verdicts. Examples of each are in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.records.parts import person_of

Body = dict[str, Any]

_NUMBERED = re.compile(r"(\d{8})\.json$")
_IDENTITY = re.compile(r"\((c-[0-9a-f]{16}|u-[0-9A-Z]{26})\)")
_UNKNOWN = float("nan")


def upgrade(kind: str, body: Mapping[str, Any], written: int, schema: int) -> Body:
    """A body as a schema has it, one step after the other.

    Args:
        kind: name of the record's class.
        body: as it is stored; it is not changed.
        written: its own schema.
        schema: the one that is wanted.
    """
    upgraded = dict(body)
    for number in range(written, schema):
        if step := _STEPS.get((kind, number)):
            upgraded = step(upgraded)
    return upgraded


def _number_in(key: str) -> int:
    """The number of a manifest by its key, which counts down."""
    found = _NUMBERED.search(key)
    return 99_999_999 - int(found[1]) if found else 0


def _raw_version(body: Body) -> Body:
    return {"people": {}, **body}


def _balanced_version(body: Body) -> Body:
    # The raw manifest was named by its key; the first ones knew no table and no templates.
    older = {"table": "", "images": {}, "templates": {}, "people": {}}
    return {**older, **body, "raw": _number_in(body.get("raw", ""))}


def _verdict(body: Body) -> Body:
    state = body.get("state") or ("accepted" if body["accepted"] else "rejected")
    flags = body.get("flags", ())
    # Whom an upload resembles stood in the words of its flags alone.
    resembles = [who for flag in flags for who in _IDENTITY.findall(flag)]
    older = {
        "publication": False,
        "reasons": (),
        "flags": (),
        "resembles": resembles,
        "hints": (),
        "review": {"decision": "none", "note": ""},
        "template": None,
    }
    shards = body.pop("shards", ())
    return {**older, **body, "state": state, "shard": shards[0] if shards else None}


def _dataset_version(body: Body) -> Body:
    if "members" in body:
        return body
    # It named all shards one by one: the next version is built from all verdicts.
    nothing = {"number": 0, "fingerprint": "", "rows": 0, "identities": 0, "splits": {}}
    return {
        "fingerprint": body["fingerprint"],
        "balanced": nothing,
        "members": {},
        "rows": body["rows"],
        "users": 0,
        "identities": len(body["identities"]),
        "splits": {},
    }


def _model(body: Body) -> Body:
    older = {
        "celebrities": "",  # so that they are others: it is trained again
        "trained_at": None,
        "uploads": (),
        "plan": {},
        "backbone": "",
        "ancestor": None,
        "curve": (),
        "refused": None,
    }
    return {**older, **body}


def _index(body: Body) -> Body:
    older = {
        "model_fingerprint": "",
        "recogniser": "",
        "uploads": (),
        "shards": {},
        "imprinted": (),
        "imprinted_found": None,
        "answers": "",
        "fusion": {"names": ["resnet"], "weights": [1.0], "bias": 0.0},
        "refused": "",
    }
    upgraded = {**older, **body}
    return {"basis": _basis(upgraded), **upgraded, "figures": _figures(body)}


def _release(body: Body) -> Body:
    older = {
        "model_fingerprint": "",
        "recogniser": "",
        "answers": "",
        "uploads": (),
        "shards": {},
        "imprinted": (),
        "against": {"nothing": "it was not compared"},
        "override": "",
        "rolled_back_to": None,
    }
    upgraded: Body = {**older, **body}
    people = [{"about": {}, **person} for person in body["identities"]]
    return {
        "basis": _basis(upgraded),
        **upgraded,
        "figures": _figures(body),
        "identities": people,
        "against": _against(upgraded["against"]),
    }


def _against(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A comparison; before the network was compared by itself, one difference stood in it."""
    if "difference" not in body:
        return body
    fused = {name: body[name] for name in ("difference", "low", "high", "worse")}
    return {**{name: body[name] for name in ("release", "faces", "worse")}, "fused": fused}


def _without_likeness(body: Body) -> Body:
    """Before likeness was asked apart from identity, and strangers were measured."""
    unmeasured = {"dir_at_far_1e2_strangers": None, "nll": None, "rank1_interval": (0.0, 1.0)}
    return {
        **body,
        "likeness": "",
        "identity_limit": None,
        "strangers": None,
        "as_they_came": None,
        "figures": {name: {**unmeasured, **one} for name, one in body["figures"].items()},
    }


def _cleaned_alone(body: Body) -> Body:
    """Before held-out faces were drawn as they came, cleaning drew them."""
    return {**body, "uncleaned": ()}


def _without_newcomers(body: Body) -> Body:
    """Before anybody was kept out of a training."""
    return {**body, "newcomers": None}


def _of_somebody_new(body: Body) -> Body:
    """Before a second upload was another clip: each was of a person of its own."""
    return {**body, "person": person_of(body["upload_id"])}


def _without_other_clips(body: Body) -> Body:
    """A version of the data set, whose members were all enrolled."""
    lists = {
        name: {**one, "other_clips": 0, "held_out": 0} for name, one in body["members"].items()
    }
    return {**body, "members": lists}


def _other_clips_unasked(body: Body) -> Body:
    """An index or a release, before there were other clips of users."""
    return {**body, "other_clips": None}


def _all_judged(body: Body) -> Body:
    """An index or a release, before there could be one of which something was not judged."""
    return {**body, "unjudged": ()}


def _any_number_of_faces(body: Body) -> Body:
    """Balanced celebrities, before it was noted how many faces were asked for."""
    return {**body, "min_faces": 0, "too_few": {}}


def _environment_unknown(body: Body) -> Body:
    """A model, before it was noted in which environment it was trained."""
    return {**body, "environment": {}}


def _withdrawn(body: Body) -> Body:
    return {"fingerprint": body["fingerprint"], "reason": body["withdrawn"]}


def _basis(body: Body) -> str:
    """What model and recogniser were before they had one name together."""
    return fingerprint(body["model_fingerprint"], body["recogniser"])


def _figures(body: Body) -> Body:
    """What was measured; before there was a fusion, the network alone was the scorer."""
    if "figures" in body:
        return body["figures"]
    before = body.get("held_out", {})
    unknown = {
        "faces": 0,
        "identities": body.get("rows", len(body.get("identities", ()))),
        "chance": _UNKNOWN,
        "rank1": _UNKNOWN,
        "rank5": _UNKNOWN,
        "rank1_celebrities": None,
        "rank1_users": None,
        "rank1_lowest": _UNKNOWN,
        "rank1_by_identity": {},
        "dir_at_far_1e2": None,
        "calibration_error": None,
        "tar_at_far_1e2": None,
        "tar_at_far_1e3": None,
        "eer": None,
    }
    network = {**unknown, **{name: before[name] for name in unknown if name in before}}
    return {"fused": network, "resnet": network, "recogniser": unknown}


# (Class, schema) -> what makes the next schema of it. Kinds that stayed as they were are not here.
_STEPS: Mapping[tuple[str, int], Callable[[Body], Body]] = {
    ("RawVersion", 1): _raw_version,
    ("BalancedVersion", 1): _balanced_version,
    ("Verdict", 1): _verdict,
    ("DatasetVersion", 1): _dataset_version,
    ("Model", 1): _model,
    ("Index", 1): _index,
    ("Release", 1): _release,
    ("Withdrawn", 1): _withdrawn,
    ("Index", 2): _without_likeness,
    ("Release", 2): _without_likeness,
    ("BalancedVersion", 3): _cleaned_alone,
    ("Model", 3): _without_newcomers,
    ("Verdict", 3): _of_somebody_new,
    ("DatasetVersion", 3): _without_other_clips,
    ("Index", 3): _other_clips_unasked,
    ("Release", 3): _other_clips_unasked,
    ("BalancedVersion", 4): _any_number_of_faces,
    ("Model", 4): _environment_unknown,
    ("Index", 4): _all_judged,
    ("Release", 4): _all_judged,
}
