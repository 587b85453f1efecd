"""A small software-GL renderer (moderngl on EGL): image-based light, one soft-shadowed key light, strands."""
from __future__ import annotations

import functools
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")

import cv2
import moderngl
import numpy as np
import OpenEXR

import shaders

SHADOW_SIZE = 1024
OCCLUSION_SIZE = 384
OCCLUSION_DIRECTIONS = 40
BACKGROUND_SHARE = 6  # the background is out of focus: drawn small and enlarged


def look_at(eye: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """View matrix and the camera's forward, right and up."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    helper = np.array([0.0, 1.0, 0.0]) if abs(forward[1]) < 0.98 else np.array([0.0, 0.0, 1.0])
    right = np.cross(forward, helper)
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    view = np.eye(4)
    view[0, :3], view[1, :3], view[2, :3] = right, up, -forward
    view[:3, 3] = -view[:3, :3] @ eye
    return view, forward, right, up


def gl_bytes(matrix: np.ndarray) -> bytes:
    return np.ascontiguousarray(matrix.T, "f4").tobytes()


@dataclass
class Light:
    """One environment with a key light; ``exposure`` belongs to the person's skin tone."""

    environment: str
    rotation: float
    ambient: float
    key_direction: np.ndarray
    key_colour: np.ndarray
    exposure: float = 1.0
    blur: float = 1.0


@dataclass
class Camera:
    eye: np.ndarray
    target: np.ndarray
    height: float  # of the frame, in decimetres at the target
    size: tuple[int, int]


@dataclass
class Environment:
    texture: moderngl.Texture
    harmonics: np.ndarray
    mean: float


@dataclass
class Head:
    """The uniforms of the neck warp."""

    neck: np.ndarray
    pivot: np.ndarray
    span: float
    angles: np.ndarray = field(default_factory=lambda: np.zeros(3))


class Renderer:
    """Owns the GL context, the programs, the frame buffers and the environments."""

    def __init__(self, lights: Path) -> None:
        self.lights = lights
        try:
            self.context = moderngl.create_standalone_context(backend="egl")
        except Exception as error:
            raise SystemExit(f"no OpenGL through EGL: {error}. On Debian: apt-get install libegl1 libgl1-mesa-dri libgl1") from error
        program = self.context.program
        self.surface = program(shaders.SURFACE_VERTEX, shaders.SURFACE_FRAGMENT)
        self.hair = program(shaders.HAIR_VERTEX, shaders.HAIR_FRAGMENT)
        self.surface_depth = program(shaders.SURFACE_VERTEX, shaders.DEPTH_FRAGMENT)
        self.hair_depth = program(shaders.HAIR_DEPTH_VERTEX, shaders.DEPTH_FRAGMENT)
        self.background = program(shaders.BACKGROUND_VERTEX, shaders.BACKGROUND_FRAGMENT)
        corners = self.context.buffer(np.array([-1, -1, 3, -1, -1, 3], "f4").tobytes())
        self.backdrop = self.context.vertex_array(self.background, [(corners, "2f", "corner")])
        self._environments: dict[str, Environment] = {}
        self._targets: dict[tuple, tuple] = {}
        self._depths: dict[int, tuple] = {}
        self.last_coverage = np.zeros((0, 0), np.uint8)  # where the last image shows a person

    def environment_names(self) -> list[str]:
        return sorted(path.stem for path in self.lights.glob("*.exr") if path.stem != "night")

    def environment(self, name: str) -> Environment:
        """Texture with mipmaps, nine spherical harmonics of its irradiance, and mean radiance."""
        if name not in self._environments:
            image, harmonics, mean = environment_of(self.lights / f"{name}.exr")
            height, width = image.shape[:2]
            texture = self.context.texture((width, height), 3, image.tobytes(), dtype="f4")
            texture.build_mipmaps()
            texture.repeat_x, texture.repeat_y = True, False
            texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            self._environments[name] = Environment(texture, harmonics, mean)
        return self._environments[name]

    def texture(self, bgr: np.ndarray) -> moderngl.Texture:
        pixels = np.ascontiguousarray(bgr[::-1, :, ::-1])
        texture = self.context.texture((pixels.shape[1], pixels.shape[0]), 3, pixels.tobytes())
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        texture.anisotropy = 8.0
        return texture

    def _target(self, size: tuple[int, int]) -> tuple:
        if size not in self._targets:
            make = self.context
            multisampled = make.framebuffer([make.renderbuffer(size, 4, samples=4)],
                                            make.depth_renderbuffer(size, samples=4))
            self._targets[size] = (multisampled, make.framebuffer([make.renderbuffer(size, 4)]))
        return self._targets[size]

    def _depth_target(self, size: int) -> tuple:
        if size not in self._depths:
            depth = self.context.depth_texture((size, size))
            depth.compare_func = ""
            self._depths[size] = (self.context.framebuffer(depth_attachment=depth), depth)
        return self._depths[size]

    @staticmethod
    def _set(program: moderngl.Program, values: dict) -> None:
        for name, value in values.items():
            if name in program:
                if isinstance(value, bytes):
                    program[name].write(value)
                else:
                    program[name] = value

    def draw_depth(self, parts: list, head: Head, centre: np.ndarray, direction: np.ndarray, size: int,
                   radius: float = 2.3) -> tuple[np.ndarray, moderngl.Texture]:
        """Depth of the parts that cast shadows, seen along a direction; returns matrix and texture."""
        view, *_ = look_at(centre + direction * 10, centre)
        projection = np.diag([1 / radius, 1 / radius, -1 / 8.0, 1.0])
        projection[2, 3] = -10 / 8.0
        matrix = projection @ view
        framebuffer, depth = self._depth_target(size)
        framebuffer.use()
        framebuffer.clear()
        self.context.enable(moderngl.DEPTH_TEST)
        shared = {"view_projection": gl_bytes(matrix), "camera": tuple(centre + direction * 10), **head_uniforms(head)}
        for program in (self.surface_depth, self.hair_depth):
            self._set(program, shared)
        for part in parts:
            if part.casts:
                part.draw_depth(self)
        return matrix, depth

    def occlusion(self, parts: list, head: Head, centre: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Share of the cosine-weighted sky that each point sees, from depth maps of many directions."""
        index = np.arange(OCCLUSION_DIRECTIONS) + 0.5
        height = 1 - 2 * index / OCCLUSION_DIRECTIONS
        angle = np.pi * (1 + 5**0.5) * index
        ring = np.sqrt(1 - height**2)
        directions = np.stack([ring * np.cos(angle), height, ring * np.sin(angle)], 1)
        seen, total = np.zeros(len(points)), np.full(len(points), 1e-6)
        for direction in directions:
            matrix, depth = self.draw_depth(parts, head, centre, direction, OCCLUSION_SIZE, radius=3.4)
            values = np.frombuffer(depth.read(), "f4").reshape(OCCLUSION_SIZE, OCCLUSION_SIZE)
            place = (np.c_[points + normals * 0.02, np.ones(len(points))] @ matrix.T)[:, :3] * 0.5 + 0.5
            x, y = (np.clip(place[:, k] * OCCLUSION_SIZE, 0, OCCLUSION_SIZE - 1).astype(int) for k in (0, 1))
            weight = np.maximum(normals @ direction, 0)
            seen += weight * (place[:, 2] - 0.0022 <= values[y, x])
            total += weight
        return seen / total

    def render(self, parts: list, head: Head, centre: np.ndarray, camera: Camera, light: Light,
               supersample: int = 1) -> np.ndarray:
        """One image (BGR, uint8) of the parts before the environment."""
        width, height = camera.size
        environment = self.environment(light.environment)
        shadow_matrix, shadow = self.draw_depth(parts, head, centre, light.key_direction, SHADOW_SIZE)
        view, forward, right, up = look_at(camera.eye, camera.target)
        distance = np.linalg.norm(camera.target - camera.eye)
        tangent = camera.height / 2 / distance
        near, far = 2.0, 60.0
        projection = np.zeros((4, 4))
        projection[0, 0], projection[1, 1] = height / width / tangent, 1 / tangent
        projection[2, 2], projection[2, 3], projection[3, 2] = -(far + near) / (far - near), -2 * far * near / (far - near), -1
        shared = {
            "view_projection": gl_bytes(projection @ view), "light_projection": gl_bytes(shadow_matrix),
            "environment": 1, "shadow_map": 2, "camera": tuple(camera.eye), "key_direction": tuple(light.key_direction),
            "key_colour": tuple(light.key_colour), "harmonics": environment.harmonics.tobytes(),
            "rotation": light.rotation, "ambient": light.ambient / environment.mean, "exposure": light.exposure,
            "forward": tuple(forward), "right": tuple(right), "up": tuple(up), "blur": light.blur,
            "tangents": (tangent * width / height, tangent), **head_uniforms(head),
        }
        multisampled, resolved = self._target((width * supersample, height * supersample))
        multisampled.use()
        multisampled.clear()
        environment.texture.use(1)
        shadow.use(2)
        for program in (self.surface, self.hair, self.background):
            self._set(program, shared)
        self.context.enable(moderngl.DEPTH_TEST)
        for part in parts:
            part.draw(self)
        self.context.copy_framebuffer(resolved, multisampled)
        pixels = read_pixels(resolved, (width * supersample, height * supersample))
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA) if supersample > 1 else pixels
        self.last_coverage = np.ascontiguousarray(pixels[..., 3])
        small = (max(8, width // BACKGROUND_SHARE), max(8, height // BACKGROUND_SHARE))
        multisampled, resolved = self._target(small)
        multisampled.use()
        multisampled.clear()
        self.backdrop.render()
        self.context.copy_framebuffer(resolved, multisampled)
        backdrop = read_pixels(resolved, small)[..., 2::-1].astype(np.float32)
        backdrop = cv2.GaussianBlur(cv2.resize(backdrop, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), BACKGROUND_SHARE / 2)
        open_share = 1 - self.last_coverage[..., None].astype(np.float32) / 255
        image = pixels[..., 2::-1] + np.clip(backdrop, 0, 255) * open_share   # the cleared frame is black: premultiplied
        return np.clip(image, 0, 255).astype(np.uint8)

    def base_positions(self, positions: np.ndarray, uv: np.ndarray, size: int) -> np.ndarray:
        """Texture (size, size, 4) of base-mesh positions; the last channel says where there is skin."""
        program = self.context.program(shaders.UV_VERTEX, shaders.UV_FRAGMENT)
        framebuffer = self.context.framebuffer([self.context.texture((size, size), 4, dtype="f4")])
        framebuffer.use()
        framebuffer.clear()
        self.context.disable(moderngl.DEPTH_TEST)
        buffer = self.context.buffer(np.concatenate([positions, uv], 1).astype("f4").tobytes())
        self.context.vertex_array(program, [(buffer, "3f 2f", "position", "uv")]).render()
        pixels = np.frombuffer(framebuffer.read(components=4, dtype="f4"), "f4").reshape(size, size, 4)[::-1]
        return np.ascontiguousarray(pixels)


def read_pixels(framebuffer: moderngl.Framebuffer, size: tuple[int, int]) -> np.ndarray:
    """Red, green, blue and alpha of a frame, top row first."""
    return np.frombuffer(framebuffer.read(components=4), np.uint8).reshape(size[1], size[0], 4)[::-1]


def read_environment(path: Path) -> np.ndarray:
    """Radiance (height, width, 3) without what lossy compression did around the sun: channels that are far from the others."""
    with OpenEXR.File(str(path)) as exr:
        channels = exr.channels()
        pixels = channels["RGB"].pixels if "RGB" in channels else np.dstack([channels[c].pixels for c in "RGB"])
    image = np.clip(np.asarray(pixels, "f4"), 0, 50)
    middle = np.median(image, axis=2, keepdims=True)
    return np.clip(image, 0.4 * middle, 2.2 * middle + 0.02)


@functools.cache
def environment_of(path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Radiance (height, width, 3), nine spherical harmonics of its irradiance, and its mean."""
    image = read_environment(path)
    height, width = image.shape[:2]
    theta = (np.arange(height) + 0.5) / height * np.pi
    phi = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    y = np.repeat(np.cos(theta)[:, None], width, 1)
    x, z = np.sin(theta)[:, None] * np.cos(phi), np.sin(theta)[:, None] * np.sin(phi)
    solid = np.repeat(np.sin(theta)[:, None], width, 1) * (np.pi / height) * (2 * np.pi / width)
    factors = [0.282095] + [0.488603] * 3 + [1.092548, 1.092548, 0.315392, 1.092548, 0.546274]
    basis = [np.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    bands = [np.pi] + [2 * np.pi / 3] * 3 + [np.pi / 4] * 5
    harmonics = [(image * (factor * part * solid)[..., None]).sum((0, 1)) * band * factor
                 for factor, part, band in zip(factors, basis, bands, strict=True)]
    harmonics = np.array(harmonics, "f4")
    harmonics = 0.45 * harmonics + 0.55 * harmonics.mean(1, keepdims=True)   # a camera's white balance
    return image, harmonics, float((image * solid[..., None]).sum() / (4 * np.pi * 3))


def head_uniforms(head: Head) -> dict:
    yaw, pitch, roll = (math.radians(float(value)) for value in head.angles)
    return {"neck": tuple(head.neck), "pivot": tuple(head.pivot), "span": head.span, "angles": (yaw, pitch, roll)}


class Surface:
    """A mesh of quads; positions and normals are written anew for each expression."""

    def __init__(self, renderer: Renderer, quads: np.ndarray, corner_uv: np.ndarray, texture=None, casts=True, **uniforms) -> None:
        self.quads, self.corner_uv, self.uniforms, self.texture, self.casts = quads, corner_uv, uniforms, texture, casts
        self.triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).ravel()
        uv = np.concatenate([corner_uv[:, [0, 1, 2]], corner_uv[:, [0, 2, 3]]]).reshape(-1, 2).astype("f4")
        context = renderer.context
        self.buffer = context.buffer(reserve=len(self.triangles) * 24)
        self.occlusion = context.buffer(np.ones(len(self.triangles), "f4").tobytes())
        uv_buffer = context.buffer(uv.tobytes())
        layout = [(self.buffer, "3f 3f", "position", "normal"), (uv_buffer, "2f", "uv"), (self.occlusion, "1f", "occlusion")]
        self.array = context.vertex_array(renderer.surface, layout)
        self.depth_array = context.vertex_array(renderer.surface_depth, [(self.buffer, "3f 12x", "position")])

    def write(self, vertices: np.ndarray, normals: np.ndarray) -> None:
        self.vertices = vertices
        self.buffer.write(np.concatenate([vertices, normals], 1).astype("f4")[self.triangles].tobytes())

    def write_occlusion(self, values: np.ndarray) -> None:
        self.occlusion.write(values.astype("f4")[self.triangles].tobytes())

    def draw(self, renderer: Renderer) -> None:
        renderer._set(renderer.surface, self.uniforms)
        if self.texture is not None:
            self.texture.use(0)
            renderer._set(renderer.surface, {"skin": 0})
        self.array.render()

    def draw_depth(self, renderer: Renderer) -> None:
        self.depth_array.render()


class Strands:
    """Many ribbons of the same number of points: hair, brows, lashes, beard."""

    def __init__(self, renderer: Renderer, points: np.ndarray, outward: np.ndarray, random: np.ndarray, casts=True, **uniforms) -> None:
        count, steps = points.shape[:2]
        self.count, self.steps, self.casts, self.uniforms = count, steps, casts, uniforms
        self.points, self.random, self.shift = points, random, np.zeros((count, 1, 3))
        tangent = np.gradient(points, axis=1)
        tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + 1e-9
        along = np.broadcast_to(np.linspace(0, 1, steps)[None, :, None], (count, steps, 1))
        strand = np.concatenate([along, np.broadcast_to(random[:, None, None], (count, steps, 1))], 2)
        both = []
        for side in (-1.0, 1.0):
            both.append(np.concatenate([points, tangent, outward, np.full((count, steps, 1), side), strand], 2))
        vertices = np.stack(both, 2).reshape(-1, 12).astype("f4")  # strand, step, side
        first = (np.arange(count)[:, None] * steps + np.arange(steps - 1)[None]).ravel() * 2
        index = np.stack([first, first + 1, first + 2, first + 1, first + 3, first + 2], 1).ravel().astype("i4")
        context = renderer.context
        buffer, indices = context.buffer(vertices.tobytes()), context.buffer(index.tobytes())
        self.offsets = context.buffer(np.zeros((len(vertices), 3), "f4").tobytes())
        layout = [(buffer, "3f 3f 3f 3f", "position", "tangent", "outward", "strand"), (self.offsets, "3f", "offset")]
        depth = [(buffer, "3f 3f 12x 3f", "position", "tangent", "strand"), (self.offsets, "3f", "offset")]
        self.array = context.vertex_array(renderer.hair, layout, indices)
        self.depth_array = context.vertex_array(renderer.hair_depth, depth, indices)

    def move(self, offsets: np.ndarray) -> None:
        """One offset a strand (count, 3), or one a point (count, steps, 3)."""
        if offsets.ndim == 2:
            offsets = np.repeat(offsets[:, None], self.steps, 1)
        self.shift = offsets
        self.offsets.write(np.repeat(offsets[:, :, None], 2, 2).astype("f4").tobytes())

    def draw(self, renderer: Renderer) -> None:
        renderer._set(renderer.hair, self.uniforms)
        self.array.render()

    def draw_depth(self, renderer: Renderer) -> None:
        """For shadows every third strand, drawn wider, is enough; the strands are in random order."""
        renderer._set(renderer.hair_depth, {"width": self.uniforms["width"] * 2.5})
        self.depth_array.render(vertices=(self.count + 2) // 3 * (self.steps - 1) * 6)
