"""Make the backbone that ships: a small ResNet that learnt from a recogniser, on rendered faces.

    python tools/pretrain/pretrain.py --renders tools/sample_cast/work/renders

What is done is kept in --work (faces, vectors, checkpoints): stop it and start it again at will.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from faces import SIZE, compose, crops_of, taught
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from twin_matcher_dagster.recognition.backbone import SMALL, image_processor, load_backbone
from twin_matcher_dagster.recognition.network import NECK_FILE, TwinNet, centred
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SAMPLE

HERE = Path(__file__).resolve().parent
HELD_OUT_PEOPLE = 12
SHAPE_WEIGHT = 10.0


class Pupil(nn.Module):
    """A network that learns to say what the recogniser says, and to see the same likenesses."""

    def __init__(self, net: TwinNet, centre: torch.Tensor) -> None:
        super().__init__()
        self.net = net
        self.centre = centre
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, images: torch.Tensor, teacher: torch.Tensor) -> dict[str, torch.Tensor]:
        """Loss of a batch: uint8 RGB [n, 112, 112, 3], float32 [n, 128].

        Beside the vectors themselves, the cosines between the faces of a batch (Tung & Mori 2019,
        https://arxiv.org/abs/1907.09682): they shape the embedding, not the map that leads from it.
        Both without what all faces have in common, which tells nobody from anybody.
        """
        pixels = self.net.preprocessing(images)
        if self.training:
            # The recogniser saw exactly these pixels; mirrored, it says nearly the same.
            mirrored = torch.rand(len(pixels), generator=self.generator) < 0.5
            pixels[mirrored] = pixels[mirrored].flip(3)
        aim = centred(teacher, self.centre)
        normal = self.net.neck(self.net.features(pixels))
        unit = functional.normalize(normal, dim=1)
        away = self.net.away(normal, aim)
        shape = functional.mse_loss(unit @ unit.T, aim @ aim.T)
        return {"loss": away.mean() + SHAPE_WEIGHT * shape, "away": away}


class Pairs(torch.utils.data.Dataset):
    """Faces and what the recogniser says of them, in batches."""

    def __init__(self, faces: np.ndarray, vectors: np.ndarray) -> None:
        self.faces, self.vectors = faces, vectors

    def __len__(self) -> int:
        return len(self.faces)

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        return {
            "images": torch.from_numpy(self.faces[indices]),
            "teacher": torch.from_numpy(self.vectors[indices]),
        }


class Report(TrainerCallback):
    """A line now and then."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        print(json.dumps({k: round(v, 5) for k, v in (logs or {}).items()}), flush=True)


def prepare(renders: Path, work: Path, count: int) -> tuple[Pairs, Pairs]:
    """Faces to learn from, and faces of people who are kept out of them."""
    file = work / f"faces-{count}.safetensors"
    if not file.exists():
        crops, people = crops_of(renders)
        kept = people >= HELD_OUT_PEOPLE
        print(f"{len(crops)} faces of {len(set(people.tolist()))} people")
        made = compose(crops[kept], people[kept], count, seed=0)
        alone = crops[~kept]
        save_file(
            {"made": made, "vectors": taught(made), "alone": alone, "told": taught(alone)}, file
        )
    kept = load_file(file)
    return Pairs(kept["made"], kept["vectors"]), Pairs(kept["alone"], kept["told"])


def main() -> None:
    """Render, compose, ask, learn, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renders", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=HERE / "work")
    parser.add_argument("--faces", type=int, default=16_000, help="how many are composed")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=SAMPLE / "backbone")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    train, held_out = prepare(arguments.renders, arguments.work, arguments.faces)
    set_seed(0)
    model, _ = load_backbone(SMALL, {"nobody": "", "somebody": ""})
    processor = image_processor(SMALL)
    net = TwinNet(model, Preprocessing.of(processor))
    trainer = Trainer(
        model=Pupil(net, torch.from_numpy(train.vectors.mean(0))),
        args=TrainingArguments(
            output_dir=str(arguments.work / f"checkpoints-{arguments.faces}-{arguments.epochs}"),
            num_train_epochs=arguments.epochs,
            per_device_train_batch_size=64,
            per_device_eval_batch_size=128,
            dataloader_drop_last=True,
            learning_rate=3e-3,
            lr_scheduler_type="cosine",
            warmup_steps=200,
            weight_decay=0.05,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            logging_steps=50,
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=["teacher"],
            dataloader_pin_memory=False,
            seed=0,
        ),
        train_dataset=train,
        eval_dataset=held_out,
        data_collator=lambda batch: batch,
        compute_metrics=lambda said: {"cosine": float(1 - np.mean(said.predictions))},
        callbacks=[Report()],
    )
    checkpoints = Path(trainer.args.output_dir)
    last = get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    net.export(arguments.output, 1.0, processor)
    net.model.half().save_pretrained(arguments.output)
    sizes = {path.name: path.stat().st_size for path in sorted(arguments.output.iterdir())}
    print(json.dumps({"faces": len(train), "side": SIZE, "neck": NECK_FILE, "bytes": sizes}))


if __name__ == "__main__":
    main()
