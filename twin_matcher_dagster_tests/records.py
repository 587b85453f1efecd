"""One record of every kind, with something in every field; ``replace`` makes others of them."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path

from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.records.celebrities import (
    BalancedVersion,
    RawVersion,
    Review,
    ReviewDecision,
)
from twin_matcher_dagster.storage.records.dataset import (
    Celebrities,
    DatasetVersion,
    MemberList,
    list_of,
)
from twin_matcher_dagster.storage.records.index import (
    Figures,
    Index,
    OtherClipFigures,
    Scorers,
    StrangerFigures,
)
from twin_matcher_dagster.storage.records.leaderboard import (
    Leaderboard,
    LearntData,
    MeasuredTraining,
)
from twin_matcher_dagster.storage.records.parts import (
    FileEntry,
    Identity,
    RawShard,
    ShardEntry,
    person_of,
    user_id,
)
from twin_matcher_dagster.storage.records.release import (
    Against,
    Difference,
    Release,
    Withdrawn,
)
from twin_matcher_dagster.storage.records.training import (
    Model,
    Newcomers,
    Refused,
    TrainingDue,
    TriedShare,
)
from twin_matcher_dagster.storage.records.twins import TwinPairs, Visitor
from twin_matcher_dagster.storage.records.uploads import Reviewed, Verdict
from twin_matcher_dagster.training.plan import TrainingPlan

SCHEMAS = Path(__file__).with_name("storage") / "schemas"
UPLOAD, OTHER = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVRZ"
ANA, ZOE = "c-00000000000000aa", user_id(UPLOAD)

FIGURES = Figures(
    faces=189,
    identities=24,
    chance=0.053,
    rank1=0.989,
    rank5=0.995,
    rank1_celebrities=0.989,
    rank1_users=None,
    rank1_lowest=0.979,
    rank1_by_identity={ANA: 0.979},
    dir_at_far_1e2=0.9,
    dir_at_far_1e2_strangers=0.95,
    calibration_error=0.02,
    nll=0.05,
    rank1_interval=(0.96, 0.998),
    tar_at_far_1e2=0.97,
    tar_at_far_1e3=0.95,
    eer=0.01,
)


STRANGERS = StrangerFigures(
    people=400,
    same_twin=0.6,
    within_three=0.85,
    commonest=0.1,
    agreement=0.44,
    percentiles_of="cohort",
)
OTHER_CLIPS = OtherClipFigures(clips="clips", people=6, faces=48, found=42, interval=(0.5, 0.98))


def digest(what: str) -> str:
    """A SHA-256 of something."""
    return fingerprint(what)


def shard(folder: str, who: Identity) -> ShardEntry:
    """A shard of one person."""
    content = digest(f"{folder} {who}")
    return ShardEntry(layout.shard(folder, content), content, sum(who.faces.values()), (who,))


CELEBRITY = Identity(ANA, "Ana Luz", "celebrity", {"train": 5, "test": 2})
USER = Identity(ZOE, "Zoë Ödegård", "user", {"train": 25})
ABOUT = {"age": 41, "nationality": "Chile"}

RAW = RawVersion(
    fingerprint="raw",
    source="sample",
    people={ANA: ABOUT},
    rows=9,
    shards=(RawShard(layout.shard(layout.RAW, digest("raw")), digest("raw"), 9),),
)
BALANCED = BalancedVersion(
    fingerprint="balanced",
    raw=3,
    table=layout.table(layout.BALANCED, digest("table")),
    images={ANA: 9},
    rows=7,
    templates={ANA: (0.6, -0.8)},
    people={ANA: ABOUT},
    shards=(shard(layout.BALANCED, CELEBRITY),),
    uncleaned=(shard(layout.BALANCED, replace(CELEBRITY, faces={"test": 1})),),
    min_faces=4,
    too_few={"Bo Berg": 3},
)
REVIEW = Review(
    fingerprint="review",
    decisions=(ReviewDecision(digest("a photo"), "label=Ana Luz", "her sister's is another"),),
)
VERDICT = Verdict(
    fingerprint="verdict",
    upload_id=UPLOAD,
    person=person_of(OTHER),
    state="accepted",
    publication=True,
    reasons=(),
    flags=(f"the face looks like an earlier upload ({user_id(OTHER)}): similarity 0.90",),
    resembles=(user_id(OTHER),),
    hints=("the head was not turned to the left",),
    review=Reviewed("accept", f"she says that {OTHER} is her sister"),
    template=(0.6, -0.8),
    shard=shard(layout.user(UPLOAD), USER),
)
MEMBERS = MemberList(f"{layout.MEMBERS}/{digest('members')}.json", 2, 50, 1, 25)
DATASET = DatasetVersion.of(
    Celebrities(2, "balanced", 7, 1, {"train": 5, "test": 2}), {list_of(person_of(UPLOAD)): MEMBERS}
)
TRAINING_DUE = TrainingDue(fingerprint="due", reasons=("there is no model yet",))
MODEL = Model(
    fingerprint="model",
    files=(
        FileEntry(
            "model.safetensors",
            layout.file(layout.MODELS, f"{digest('weights')}.safetensors"),
            digest("weights"),
            64,
        ),
    ),
    dataset=4,
    celebrities="balanced",
    trained_at=datetime(2026, 11, 3, 12, 30, 15, tzinfo=timezone.utc),
    uploads=(UPLOAD,),
    plan=asdict(TrainingPlan()),
    backbone="small",
    ancestor=1,
    curve=({"epoch": 1, "train_loss": 0.5},),
    refused=Refused(model=5, index=6, dataset="data"),
    newcomers=Newcomers((ANA,), 0.5, (TriedShare(0.5, 0.97, 0.93, 0.4),)),
    environment={"torch": "2.13.0", "commit": "0123abc-dirty"},
)
INDEX = Index(
    fingerprint="index",
    basis="basis",
    model=7,
    model_fingerprint="model",
    recogniser="bundled",
    dataset=4,
    rows=2,
    uploads=(UPLOAD,),
    shards={UPLOAD: digest("shard")},
    imprinted=(ZOE,),
    imprinted_found=0.96,
    index=layout.file(layout.INDEXES, f"{digest('index')}.safetensors"),
    portraits=layout.file(layout.INDEXES, f"{digest('portraits')}.parquet"),
    answers=layout.file(layout.INDEXES, f"{digest('answers')}.json"),
    likeness=layout.file(layout.INDEXES, f"{digest('likeness')}.safetensors"),
    identity_limit=2.5,
    strangers=STRANGERS,
    figures=Scorers(resnet=FIGURES, recogniser=FIGURES, fused=FIGURES),
    as_they_came=Scorers(resnet=FIGURES, recogniser=FIGURES, fused=FIGURES),
    other_clips=OTHER_CLIPS,
    fusion={"names": ["resnet", "recogniser"], "weights": [1.0, 2.0], "bias": -1.0},
    unjudged=("Too few faces validate the training.",),
    refused="it was worse",
)
AGAINST = Against(
    release=1,
    faces=120,
    worse=True,
    lost=(ANA,),
    fused=Difference(-0.1, -0.2, -0.05, worse=True),
    resnet=Difference(0.0, -0.05, 0.05, worse=False),
    margins={"fused": Difference(-0.2, -0.3, -0.1, worse=True)},
    best=2,
    strangers={"again": Difference(0.0, -0.01, 0.01, worse=False)},
)
RELEASE = Release.of(
    Manifest(4, "datasets/versions/99999995.json", DATASET),
    Manifest(7, "models/versions/99999992.json", MODEL),
    Manifest(8, "indexes/versions/99999991.json", INDEX),
    [CELEBRITY, USER],
    {ANA: ABOUT},
    AGAINST,
    "looked at it",
)
VISITORS = {
    UPLOAD: Visitor(
        since=3, shard=digest("shard"), agreed=True, compared=True, twin=OTHER, likeness=0.995
    ),
    OTHER: Visitor(since=1, shard=digest("other shard"), agreed=True, compared=True),
}
PAIRS = TwinPairs(fingerprint="pairs", release=3, space="space", limit=0.99, visitors=VISITORS)
LEADERBOARD = Leaderboard.of(
    (
        MeasuredTraining(
            model=7,
            fingerprint="model",
            trained_at=MODEL.trained_at,
            data=LearntData(4, "data", 2, 2, 1, 50),
            plan=MODEL.plan,
            backbone="small",
            ancestor=1,
            epochs=1,
            environment=MODEL.environment,
            figures={"rank-1": 0.97},
            outcome="released",
        ),
    )
)
WITHDRAWN = Withdrawn.because("its model learned from an upload that was erased")

EVERY = (
    RAW,
    BALANCED,
    REVIEW,
    VERDICT,
    DATASET,
    TRAINING_DUE,
    MODEL,
    INDEX,
    RELEASE,
    WITHDRAWN,
    PAIRS,
    LEADERBOARD,
)


def example(name: str) -> bytes:
    """A body as an earlier version stored it; see ``storage/test_upgrades.py``."""
    return (SCHEMAS / f"{name}.json").read_bytes()
