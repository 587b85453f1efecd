"""What is true of a person who is drawn: what the renderer made them of."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from cast import Person
from face_shape import shapes_of
from people import ORIGINS

GREY_STRAND = np.array([0.26, 0.25, 0.24])                      # as in shaders.HAIR_VERTEX: half of it in every grey strand
TRUTH_FILE = "truth.parquet"


def a_list(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("item", kind))


COLUMNS = {"years": pa.int32(), "gender": pa.string(), "origins": a_list(pa.float32()), "tone": pa.float32(), "hair": pa.string(),
           "hair_colour": a_list(pa.float32()), "eyes": pa.string(), "beard": pa.string(), "weight": pa.float32(),
           "shape": a_list(pa.float32())}


def truth_of(person: Person, shape: np.ndarray) -> dict:
    """What is true of a person; the colour of hair is what is seen of it, grey strands among the others."""
    colour = np.array(person.hair_colour)
    return {"years": person.years, "gender": person.gender, "origins": [person.origins[name] for name in ORIGINS],
            "tone": person.tone, "hair": person.hair, "hair_colour": (colour + 0.5 * person.grey * (GREY_STRAND - colour)).tolist(),
            "eyes": person.eyes, "beard": person.beard, "weight": person.weight, "shape": shape.tolist()}


def write_truth(people: list[Person], sources: Path, folder: Path) -> None:
    """One row a person, beside their renders."""
    shapes, _ = shapes_of(people, sources)
    rows = [{"person": person.key, **truth_of(person, shape)} for person, shape in zip(people, shapes, strict=True)]
    temporary = folder / f".{TRUTH_FILE}"
    parquet.write_table(pa.Table.from_pylist(rows, schema=pa.schema({"person": pa.string(), **COLUMNS})), temporary)
    temporary.rename(folder / TRUTH_FILE)
