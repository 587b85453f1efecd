"""The columns of what is stored as Parquet, as Dagster shows them."""

import dagster as dg

_SHOWN = "dagster/column_schema"


def _schema(*columns: tuple[str, str, str]) -> dict[str, dg.TableSchema]:
    return {
        _SHOWN: dg.TableSchema(
            columns=[dg.TableColumn(name, kind, told) for name, kind, told in columns]
        )
    }


RAW_COLUMNS = _schema(
    ("image", "image", "The encoded image, as it came."),
    ("label", "string", "The name as it stands in the source."),
    ("split", "string", "The source's split."),
)
"""Metadata of an asset of raw faces."""

FACE_COLUMNS = _schema(
    ("image", "image", "JPEG or PNG of a crop, 160 x 160, RGB."),
    ("label", "string", "The person's name, for display only."),
    ("identity_id", "string", "Who it is: the class to learn."),
    ("kind", "string", "celebrity or user."),
    ("upload_id", "string", "The upload of a user's face; empty for celebrities."),
    ("split", "string", "train, validation or test: whole photos and uploads go to one."),
    ("yaw", "float32", "Degrees that the head is turned, to its left positive."),
    ("pitch", "float32", "Degrees that it is raised."),
    ("roll", "float32", "Degrees that it leans."),
    ("quality", "float32", "Sharpness; 0 is blurred."),
)
"""Metadata of an asset of faces; see ``dataset.schema.Face``."""
