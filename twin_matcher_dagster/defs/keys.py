"""Names that stages know one another by."""

RAW_FACES = "raw_faces"
BALANCED_FACES = "balanced_faces"
USER_FACES = "user_faces"
TWIN_DATASET = "twin_dataset"
RETRAINING = "retraining"
TWIN_MODEL = "twin_model"
FACE_INDEX = "face_index"
PRODUCTION_RELEASE = "production_release"
TWIN_PAIRS = "twin_pairs"

ASSETS = (
    RAW_FACES,
    BALANCED_FACES,
    USER_FACES,
    TWIN_DATASET,
    RETRAINING,
    TWIN_MODEL,
    FACE_INDEX,
    PRODUCTION_RELEASE,
    TWIN_PAIRS,
)
"""In the order of the graph."""

LEADERBOARD = "leaderboard"
"""Beside the graph: all trainings, as they were measured."""

PUBLISHED_DATASET = "published_dataset"
PUBLISHED_MODEL = "published_model"
TRACKED_TRAININGS = "tracked_trainings"
"""After the graph, where a token and repositories are set: no part of the demo."""

ERASURES = "erasures"
"""Beside the graph: who is taken out of it."""

CELEBRITIES_JOB = "celebrities"
RELEASE_JOB = "release"
RETENTION_JOB = "retention"
EXPIRED = "expired"
"""Beside the graph: what was kept too long, and is gone."""
JOB_ASSETS = {
    CELEBRITIES_JOB: (RAW_FACES, BALANCED_FACES),
    RELEASE_JOB: (
        TWIN_DATASET,
        RETRAINING,
        TWIN_MODEL,
        FACE_INDEX,
        PRODUCTION_RELEASE,
        TWIN_PAIRS,
    ),
}
"""What the jobs make, in this order."""

BLOCKING_CHECKS = {
    BALANCED_FACES: ("enough_identities", "no_near_duplicate_crosses_the_split"),
    TWIN_DATASET: ("users_split_by_upload",),
    FACE_INDEX: (
        "held_out_faces_are_found",
        "strangers_get_their_twins",
        "onnx_says_what_torch_says",
    ),
}
"""What has to pass before anything is made of an asset."""

AHEAD = {"dagster/priority": "1"}
"""Tags of runs that go before the uploads in the queue: who was judged is released meanwhile."""

UPLOADS_PARTITION = "uploads"
