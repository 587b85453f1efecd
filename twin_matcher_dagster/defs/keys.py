"""Names that stages know one another by."""

RAW_FACES = "raw_faces"
BALANCED_FACES = "balanced_faces"
USER_FACES = "user_faces"
TWIN_DATASET = "twin_dataset"
TWIN_MODEL = "twin_model"
FACE_INDEX = "face_index"
PRODUCTION_RELEASE = "production_release"

ASSETS = (
    RAW_FACES,
    BALANCED_FACES,
    USER_FACES,
    TWIN_DATASET,
    TWIN_MODEL,
    FACE_INDEX,
    PRODUCTION_RELEASE,
)
"""In the order of the graph."""

CELEBRITIES_JOB = "celebrities"
RELEASE_JOB = "release"
UPLOADS_PARTITION = "uploads"
OWNER = "team:twin-matcher"
