"""One person in the renderer: builds every mesh and strand once, then poses, lights and photographs them."""
from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

import hair as strands
from cast import EYES, Person
from geometry import (apply_expression, catmull_clark, load_base, make_identity, subdivide_corners, vertex_normals)
from regions import scalp_texture
from renderer import Camera, Head, Light, Renderer, Strands, Surface
from skin import SIZE, exposure_for, paint_skin, tone_albedo

CLOTH_COLOURS = np.array([(0.02, 0.03, 0.07), (0.10, 0.10, 0.11), (0.30, 0.29, 0.27), (0.16, 0.03, 0.03), (0.03, 0.09, 0.06),
                          (0.22, 0.13, 0.04), (0.05, 0.10, 0.20), (0.20, 0.07, 0.10), (0.015, 0.015, 0.018), (0.34, 0.26, 0.18),
                          (0.10, 0.05, 0.14), (0.05, 0.14, 0.15)])


def neutral_vertices(person: Person, sources: Path, rng: np.random.Generator) -> np.ndarray:
    """The person's head without any expression (n, 3); ``rng`` is the person's own, before anything else is drawn from it."""
    return make_identity(load_base(sources), sources, rng, person.gender, person.age, person.origins, person.weight,
                         person.amplitude, person.gender_share)


class Actor:
    """Geometry, textures and strands of a person, and the pose they are in."""

    def __init__(self, person: Person, sources: Path, skin_size: int = SIZE) -> None:
        self.person, self.sources, self.skin_size = person, sources, skin_size
        self.rng = np.random.default_rng(person.seed)
        self.base = base = load_base(sources)
        self.vertices = neutral_vertices(person, sources, self.rng)
        self.renderer = Renderer(sources / "lights")
        self._marks()
        self._body()
        self._mouth()
        self._eyeballs()
        self._hair()
        self._occlusion()
        self.exposure = exposure_for(person.tone)
        self.dress(self.rng)

    def _centre(self, name: str) -> np.ndarray:
        return self.vertices[self.base.group_vertices(name)].mean(0)

    def _marks(self) -> None:
        """Landmarks of this head."""
        self.neck, joint = self._centre("joint-neck"), self._centre("joint-head")
        self.chin, self.top = self._centre("joint-jaw"), self._centre("joint-head-2")
        self.eyes = [self._centre("joint-l-eye"), self._centre("joint-r-eye")]
        self.between_eyes = (self.eyes[0] + self.eyes[1]) / 2
        self.head = Head(self.neck, joint + np.array([0, -0.25, 0]), float(joint[1] - self.neck[1]))

    def _body(self) -> None:
        """Head and shoulders of the base mesh, subdivided once, with painted skin; and a garment over them."""
        base = self.base
        quads, corner_uv = base.faces["body"], base.uv[base.face_uv["body"]]
        near = (base.vertices[quads][..., 1].min(1) > 3.2) & (np.abs(base.vertices[quads][..., 0]).max(1) < 3.2)
        quads, corner_uv = quads[near], corner_uv[near]
        self.body_index, flat = np.unique(quads, return_inverse=True)
        self.coarse_quads, self.coarse_uv = flat.reshape(quads.shape), corner_uv
        self.subdivision, self.fine_quads = catmull_clark(len(self.body_index), self.coarse_quads)
        self.fine_uv = subdivide_corners(corner_uv)
        corners = np.concatenate([self.fine_quads[:, [0, 1, 2]], self.fine_quads[:, [0, 2, 3]]]).ravel()
        uv = np.concatenate([self.fine_uv[:, [0, 1, 2]], self.fine_uv[:, [0, 2, 3]]]).reshape(-1, 2)
        self.fine_base = self.subdivision @ base.vertices[self.body_index]
        positions = self.renderer.base_positions(self.fine_base[corners], uv, self.skin_size)
        self.scalp = scalp_texture(self.sources, self.skin_size)
        self.skin = paint_skin(self.person, self.sources, positions, self.scalp, self.rng)
        texture = self.renderer.texture(self.skin)
        self.rest = self.subdivision @ self.vertices[self.body_index]
        self.rest_normals = vertex_normals(self.rest, self.fine_quads)
        self.body = Surface(self.renderer, self.fine_quads, self.fine_uv, texture, kind=0, roughness=float(self.rng.uniform(0.46, 0.58)))
        low = self.rest[self.fine_quads][..., 1].max(1) < self.neck[1] + 0.9
        self.garment = Surface(self.renderer, self.fine_quads[low], self.fine_uv[low], casts=False, kind=3, roughness=0.9)

    def _mouth(self) -> None:
        base = self.base
        self.mouth = []
        for names, tint in ((("helper-upper-teeth", "helper-lower-teeth"), (0.46, 0.42, 0.35)), (("helper-tongue",), (0.30, 0.11, 0.10))):
            quads = np.concatenate([base.faces[name] for name in names])
            uv = np.concatenate([base.uv[base.face_uv[name]] for name in names])
            self.mouth.append((Surface(self.renderer, quads, uv, kind=2, tint=tint, casts=False), quads))

    def _eyeballs(self) -> None:
        """Two balls of our own; position and size are fitted to the eye helpers of the base mesh."""
        rings, sectors = 40, 48
        theta, phi = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, sectors + 1), indexing="ij")
        self.ball = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1).reshape(-1, 3)
        index = np.arange((rings + 1) * (sectors + 1)).reshape(rings + 1, sectors + 1)
        quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
        uv = np.stack([theta, phi], -1).reshape(-1, 2)[quads]
        colour = np.array(EYES[self.person.eyes]) * self.rng.uniform(0.85, 1.15)
        self.eyeballs = []
        for side in "lr":
            points = self.vertices[self.base.group_vertices(f"helper-{side}-eye")]
            solution = np.linalg.lstsq(np.c_[2 * points, np.ones(len(points))], (points**2).sum(1), rcond=None)[0]
            centre = solution[:3]
            radius = float(np.sqrt(solution[3] + centre @ centre))
            surface = Surface(self.renderer, quads, uv, kind=1, iris=tuple(colour), casts=False)
            self.eyeballs.append((surface, centre, radius))

    def _hair(self) -> None:
        person, rng = self.person, np.random.default_rng(self.person.seed + 5)
        self.moving: list[tuple] = []      # strands that follow the skin: brows and beard
        self.lashes: list[tuple] = []
        self.strands: list[Strands] = []
        fine = (self.rest, self.rest_normals, self.fine_base, self.fine_quads, self.fine_uv)
        colour = tuple(float(value) for value in person.hair_colour)
        look = {"hair": colour, "grey": person.grey, "root_shade": 0.45, "hair_gloss": 0.55}

        def sampler(density, count):
            return strands.sample_roots(rng, *fine, density, count)

        if person.hair != "shaved":
            style = strands.STYLES[person.hair]
            density = strands.scalp_density(self.scalp, person.recede)
            roots = sampler(density, style.count)
            marks = {"eye": self.between_eyes, "bun": np.array([0, self.between_eyes[1] + 0.62, -0.98]),
                     "density": density(self._uv_of(roots), roots.base)}
            outer = (self.rest[:, 1] > 4.6)
            points, outward = strands.grow_scalp(person.hair, rng, roots, self.rest[outer], self.rest_normals[outer], marks,
                                                 person.part, person.hair_scale)
            self.strands.append(Strands(self.renderer, points, outward, rng.random(len(points)), width=style.width, **look))
            if style.comb == "bun":
                points, outward = strands.grow_bun(rng, marks["bun"] + [0, 0.02, -0.12], 0.34)
                self.strands.append(Strands(self.renderer, points, outward, rng.random(len(points)), width=0.012, **look))
        male = person.gender == "male"
        roots, points, outward = strands.grow_brows(rng, sampler, person.brow_thickness * (1.0 if male else 0.85), 1.1 if male else 0.9)
        fade = 0.45 if sum(colour) > 0.4 and person.years > 45 else 1.0       # brows stay darker than grey hair
        brow_colour = tuple(0.006 + 0.82 * value * warm * fade + 0.11 * skin for value, warm, skin
                            in zip(colour, (0.85, 0.76, 0.68), tone_albedo(person.tone), strict=True))
        brow = {**look, "hair": brow_colour, "grey": person.grey * 0.2, "root_shade": 0.9, "hair_gloss": 0.1}
        self._follow(Strands(self.renderer, points, outward, rng.random(len(points)), False, width=0.0021, **brow), roots)
        if person.beard not in ("none", "stubble"):
            lips = self._lips()
            roots, points, outward = strands.grow_beard(rng, sampler, person.beard, lips)
            self._follow(Strands(self.renderer, points, outward, rng.random(len(points)), True, width=0.0036,
                                 **{**look, "hair_gloss": 0.3, "root_shade": 0.6, "grey": min(0.6, person.grey * 1.3)}), roots)
        feminine = person.gender == "female"
        for side, eye in zip("lr", self.eyes, strict=True):
            for strip, count, length in (("2", 110, 0.95 if feminine else 0.7), ("1", 55, 0.55 if feminine else 0.4)):
                indices = self.base.group_vertices(f"helper-{side}-eyelashes-{strip}")
                points, outward, left, right, share = strands.grow_lashes(rng, self.vertices, indices, eye, count, length)
                lash = Strands(self.renderer, points, outward, rng.random(count), False, width=0.0035,
                               hair=(0.012, 0.009, 0.008), grey=0.0, root_shade=0.9, hair_gloss=0.1)
                self.lashes.append((lash, left, right, share))

    def _uv_of(self, roots: strands.Roots) -> np.ndarray:
        """Skin coordinates of roots, by the vertex that weighs most."""
        uv = np.zeros((len(self.rest), 2))
        uv[self.fine_quads.ravel()] = self.fine_uv.reshape(-1, 2)
        heaviest = roots.corners[np.arange(len(roots.corners)), roots.weights.argmax(1)]
        return uv[heaviest]

    def _lips(self):
        mask = cv2.imread(str(self.sources / "mpfb2/textures/mpfb_lips.jpg"), 0).astype(np.float32) / 255
        mask = cv2.dilate(mask, np.ones((5, 5)))

        def off_lips(uv: np.ndarray) -> np.ndarray:
            rows, columns = mask.shape
            row = np.clip((1 - uv[:, 1]) * rows, 0, rows - 1).astype(int)
            column = np.clip(uv[:, 0] * columns, 0, columns - 1).astype(int)
            return mask[row, column] < 0.12

        return off_lips

    def _follow(self, part: Strands, roots: strands.Roots) -> None:
        self.moving.append((part, roots.corners, roots.weights))

    @property
    def parts(self) -> list:
        return ([self.body, self.garment] + [surface for surface, _ in self.mouth] + [entry[0] for entry in self.eyeballs]
                + self.strands + [entry[0] for entry in self.moving] + [entry[0] for entry in self.lashes])

    def _occlusion(self) -> None:
        """Bake ambient occlusion in the neutral pose."""
        self.cloth_height = -10.0
        self.pose({}, 0, 0, 0)
        centre = self.between_eyes + np.array([0, -0.6, -0.9])
        values = self.renderer.occlusion(self.parts, self.head, centre, self.rest, self.rest_normals)
        smoothed = values.copy()
        for _ in range(2):
            faces = smoothed[self.fine_quads].mean(1)
            total = np.bincount(self.fine_quads.ravel(), np.repeat(faces, 4), len(values))
            number = np.bincount(self.fine_quads.ravel(), minlength=len(values))
            smoothed = total / np.maximum(number, 1)
        values = np.clip(0.5 * values + 0.5 * smoothed, 0, 1)
        self.body.write_occlusion(np.clip(values * 1.12, 0, 1))
        self.garment.write_occlusion(np.clip(values * 1.2, 0, 1))
        for surface, quads in self.mouth:
            surface.write_occlusion(np.full(quads.max() + 1, 0.32))
        for surface, centre_of_ball, radius in self.eyeballs:
            points = centre_of_ball + self.ball * radius
            seen = self.renderer.occlusion([self.body], self.head, centre, points, self.ball)
            surface.write_occlusion(np.clip(seen * 1.35, 0.05, 1))

    def dress(self, rng: np.random.Generator) -> None:
        """A plain or striped garment with a round or a pointed neckline."""
        first, second = rng.choice(len(CLOTH_COLOURS), 2, replace=False)
        self.cloth_height = float(self.neck[1] + rng.uniform(-0.18, 0.06))
        uniforms = {"cloth": tuple(CLOTH_COLOURS[first]), "cloth2": tuple(CLOTH_COLOURS[second]), "knit": float(rng.random() < 0.3),
                    "cloth_height": self.cloth_height, "neckline": float(rng.choice([0.0, 0.0, 0.9]))}
        self.body.uniforms.update(uniforms)
        self.garment.uniforms.update(uniforms)

    def pose(self, expression: dict[str, float], yaw: float, pitch: float, roll: float, gaze: float = 0.7) -> None:
        """Move the skin by an expression, turn the head, and let the eyes look mostly at the camera."""
        lids = 0.11 - 0.13 * self.person.origins.get("asian", 0)                # relaxed lids rest on the iris
        expression = {**expression, "eyeBlink": min(1.0, expression.get("eyeBlink", 0) + max(0.0, lids))}
        expression["eyeWide"] = expression.get("eyeWide", 0) + 4 * max(0.0, -lids) * (1 - expression["eyeBlink"])
        moved = apply_expression(self.vertices, self.sources, expression)
        fine = self.subdivision @ moved[self.body_index]
        normals = vertex_normals(fine, self.fine_quads)
        self.body.write(fine, normals)
        self.garment.write(fine + self.rest_normals * 0.055, self.rest_normals)
        for surface, quads in self.mouth:
            surface.write(moved[: quads.max() + 1], vertex_normals(moved[: quads.max() + 1], quads))
        turn = math.radians(np.clip(-yaw * gaze, -24, 24))
        nod = math.radians(np.clip(-pitch * gaze, -10, 10))
        sideways = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
        upwards = np.array([[1, 0, 0], [0, math.cos(nod), -math.sin(nod)], [0, math.sin(nod), math.cos(nod)]])
        for surface, centre, radius in self.eyeballs:
            directions = self.ball @ (sideways @ upwards).T
            surface.write(centre + directions * radius, directions)
        change = fine - self.rest
        for part, corners, weights in self.moving:
            part.move((change[corners] * weights[..., None]).sum(1))
        delta = moved - self.vertices
        for part, left, right, share in self.lashes:
            part.move(delta[left] * (1 - share) + delta[right] * share)
        self.head.angles = np.array([yaw, pitch, roll], float)

    def light(self, rng: np.random.Generator, environment: str | None = None) -> Light:
        """A random environment with a key light from the front; strength depends little, exposure on skin tone."""
        name = environment or str(rng.choice(self.renderer.environment_names()))
        azimuth, elevation = rng.uniform(-1.1, 1.1), rng.uniform(0.05, 0.9)
        direction = np.array([math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)])
        warm = np.array([1.0, rng.uniform(0.88, 1.0), rng.uniform(0.76, 1.02)])
        return Light(name, float(rng.uniform(0, 6.28)), float(rng.uniform(0.42, 0.68)), direction, rng.uniform(0.85, 1.6) * warm,
                     exposure=self.exposure * 1.5 * float(rng.uniform(0.9, 1.1)), blur=float(rng.uniform(0.6, 2.2)))

    def camera(self, rng: np.random.Generator, size: tuple[int, int], framing: float, jitter: float = 0.06) -> Camera:
        """Frame height is ``framing`` face heights; the camera is 1.1 m away."""
        height = float(self.top[1] - self.chin[1]) * framing
        target = np.array([rng.uniform(-jitter, jitter) * height, (self.top[1] + self.chin[1]) / 2 + rng.uniform(-jitter, jitter) * height,
                           self.between_eyes[2] * 0.5])
        tilt = rng.uniform(-0.12, 0.12)
        return Camera(target + 11 * np.array([0, math.sin(tilt), math.cos(tilt)]), target, height, size)

    def photograph(self, camera: Camera, light: Light, supersample: int = 1) -> np.ndarray:
        return self.renderer.render(self.parts, self.head, self.between_eyes, camera, light, supersample)

    def photograph_with_coverage(self, camera: Camera, light: Light) -> tuple[np.ndarray, np.ndarray]:
        """The image, and where the person covers the background (0..255)."""
        image = self.photograph(camera, light, supersample=2)
        return image, self.renderer.last_coverage


EXPRESSIONS = ("neutral", "smile", "grin", "open", "frown", "surprise", "squint", "smirk")
EXPRESSION_CHANCES = (0.30, 0.22, 0.12, 0.08, 0.08, 0.07, 0.06, 0.07)


def random_expression(rng: np.random.Generator, kind: str | None = None) -> tuple[str, dict[str, float]]:
    """A kind of expression and its face units, with lids that are never quite the same."""
    kind = kind or str(rng.choice(EXPRESSIONS, p=EXPRESSION_CHANCES))
    amount = rng.uniform(0.45, 0.9)
    units = {
        "neutral": {"mouthSmile": 0.12},
        "smile": {"mouthSmile": 0.65 * amount, "cheekSquint": 0.4 * amount},
        "grin": {"mouthSmile": 0.75 * amount, "mouthUpperUp": 0.35 * amount, "jawOpen": 0.10 * amount, "cheekSquint": 0.5 * amount},
        "open": {"jawOpen": 0.40 * amount, "mouthSmile": 0.15},
        "frown": {"browDown": 0.6 * amount, "mouthFrown": 0.5 * amount},
        "surprise": {"browInnerUp": 0.7 * amount, "browOuterUp": 0.6 * amount, "eyeWide": 0.5 * amount, "jawOpen": 0.22 * amount},
        "squint": {"eyeSquint": 0.6 * amount, "noseSneer": 0.2 * amount},
        "smirk": {"mouthSmileLeft": 0.7 * amount},
    }[kind]
    blink = rng.uniform(0.0, 0.14) if kind != "surprise" else 0.0
    return kind, {**units, "eyeBlink": float(blink)}
