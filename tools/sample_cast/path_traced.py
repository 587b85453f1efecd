"""The same people, poses and lights in Blender's path tracer, to compare with the GL renderer (``compare.py``).

Needs the PyPI wheel ``bpy`` 4.5 (GPL, Python 3.11 only), which the generator itself does not: see ``README.md``.
"""
from __future__ import annotations

import math
import tempfile
from pathlib import Path

import bpy
import cv2
import numpy as np
import OpenEXR
from mathutils import Vector

from actor import Actor
from renderer import Camera, Head, Light, Strands, Surface, read_environment


def to_blender(points: np.ndarray) -> np.ndarray:
    """y up, face along +z, becomes z up, face along -y."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1).astype(np.float32)


def turn(points: np.ndarray, roots: np.ndarray, head: Head) -> np.ndarray:
    """The neck warp of the shaders; ``roots`` are the positions that say how much each point turns."""
    offset = roots - head.neck
    share = np.clip((offset[..., 1] + 0.55 * np.clip(offset[..., 2], 0, 1.2)) / head.span, 0, 1)
    share = share * share * (3 - 2 * share)
    yaw, pitch, roll = (np.radians(angle) * share for angle in head.angles)
    x, y, z = np.moveaxis(points - head.pivot, -1, 0)
    x, y = np.cos(roll) * x - np.sin(roll) * y, np.sin(roll) * x + np.cos(roll) * y
    y, z = np.cos(pitch) * y - np.sin(pitch) * z, np.sin(pitch) * y + np.cos(pitch) * z
    x, z = np.cos(yaw) * x + np.sin(yaw) * z, -np.sin(yaw) * x + np.cos(yaw) * z
    return np.stack([x, y, z], -1) + head.pivot


def link(name: str, data) -> bpy.types.Object:
    thing = bpy.data.objects.new(name, data)
    bpy.context.collection.objects.link(thing)
    return thing


def image_of(name: str, linear: np.ndarray) -> bpy.types.Image:
    """A float image of linear colours (height, width, 3), first row on top."""
    height, width = linear.shape[:2]
    image = bpy.data.images.new(name, width, height, float_buffer=True)
    image.colorspace_settings.name = "Linear Rec.709"
    rgba = np.dstack([linear[::-1], np.ones((height, width))]).astype(np.float32)
    image.pixels.foreach_set(rgba.ravel())
    return image


def material(name: str, image: bpy.types.Image | None = None, colour=(0.5, 0.5, 0.5), roughness: float = 0.5,
             scatter: float = 0.0, specular: float = 0.5, coat: float = 0.0) -> bpy.types.Material:
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    shader = nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    if image is not None:
        texture = nodes.new("ShaderNodeTexImage")
        texture.image = image
        links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Specular IOR Level"].default_value = specular
    shader.inputs["Coat Weight"].default_value = coat
    shader.inputs["Coat Roughness"].default_value = 0.05
    shader.inputs["Subsurface Weight"].default_value = scatter
    shader.inputs["Subsurface Radius"].default_value = (1.0, 0.35, 0.18)
    shader.inputs["Subsurface Scale"].default_value = 0.04
    return made


def add_mesh(name: str, surface: Surface, vertices: np.ndarray, quads: np.ndarray, uv: np.ndarray, made) -> None:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(to_blender(vertices).tolist(), [], quads.tolist())
    mesh.uv_layers.new(name="UV").data.foreach_set("uv", uv.astype(np.float32).ravel())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(quads), bool))
    mesh.materials.append(made)
    link(name, mesh)


def add_strands(strands: Strands, head: Head) -> None:
    points = strands.points + strands.shift
    points = to_blender(turn(points, strands.points, head)).reshape(-1, 3)
    curves = bpy.data.hair_curves.new("strands")
    curves.add_curves([strands.steps] * strands.count)
    curves.attributes["position"].data.foreach_set("vector", points.ravel())
    taper = 1 - 0.75 * np.linspace(0, 1, strands.steps) ** 2
    radius = np.tile(strands.uniforms["width"] * taper, strands.count).astype(np.float32)
    curves.attributes.new("radius", "FLOAT", "POINT").data.foreach_set("value", radius)
    colour = np.array(strands.uniforms["hair"]) * (1 - 0.5 * strands.uniforms["grey"]) + 0.12 * strands.uniforms["grey"]
    curves.materials.append(material("hair", colour=tuple(colour), roughness=0.6, specular=0.12))
    link("strands", curves)


def eye_image(colour: tuple[float, float, float]) -> bpy.types.Image:
    """Iris and white over (angle around the gaze, angle from the gaze), as the shader draws them."""
    rng = np.random.default_rng(3)
    rows, columns = 1024, 512
    r = np.repeat(((np.arange(rows) + 0.5) / rows * np.pi)[:, None], columns, 1)
    spokes = cv2.resize(rng.random((96, 96)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)
    ring = np.clip((r - 0.22) / 0.25, 0, 1)
    iris = np.array(colour) * ((0.55 + 0.9 * spokes) * (1.35 - 0.6 * ring) * (1 - 0.75 * np.clip((r - 0.40) / 0.1, 0, 1)))[..., None]
    share = np.clip((r - 0.46) / 0.07, 0, 1)[..., None]
    albedo = iris * (1 - share) + np.array([0.40, 0.375, 0.35]) * share
    pupil = np.clip((r - 0.17) / 0.035, 0, 1)[..., None]
    return image_of("eye", 0.006 * (1 - pupil) + albedo * pupil)


def build(actor: Actor, skin_bgr: np.ndarray) -> None:
    """Everything of the actor, in the pose it is in, as Blender objects in an empty scene."""
    head = actor.head
    body, garment = actor.body, actor.garment
    skin = image_of("skin", (skin_bgr[..., ::-1] / 255.0) ** 2.2)
    edge = actor.rest[:, 1] + 0.16 * actor.rest[:, 2] - actor.cloth_height
    bare, dressed = edge[body.quads].min(1) > -0.12, edge[garment.quads].max(1) < 0.02
    add_mesh("body", body, turn(body.vertices, body.vertices, head), body.quads[bare], body.corner_uv[bare],
             material("skin", skin, roughness=body.uniforms["roughness"] + 0.04, scatter=0.18, specular=0.32))
    add_mesh("garment", garment, turn(garment.vertices, garment.vertices, head), garment.quads[dressed], garment.corner_uv[dressed],
             material("cloth", colour=garment.uniforms["cloth"], roughness=0.9, specular=0.1))
    for surface, _ in actor.mouth:
        add_mesh("mouth", surface, turn(surface.vertices, surface.vertices, head), surface.quads, surface.corner_uv,
                 material("mouth", colour=surface.uniforms["tint"], roughness=0.3))
    for surface, *_ in actor.eyeballs:
        uv = surface.corner_uv[..., ::-1] / np.array([2 * np.pi, np.pi])
        uv = np.stack([uv[..., 0], 1 - uv[..., 1]], -1)
        add_mesh("eye", surface, turn(surface.vertices, surface.vertices, head), surface.quads, uv,
                 material("eye", eye_image(surface.uniforms["iris"]), roughness=0.3, coat=1.0))
    for part in [*actor.strands, *(entry[0] for entry in actor.moving), *(entry[0] for entry in actor.lashes)]:
        add_strands(part, head)


def light_and_camera(actor: Actor, camera: Camera, light: Light) -> None:
    environment = actor.renderer.environment(light.environment)
    pixels = read_environment(actor.renderer.lights / f"{light.environment}.exr")
    pixels = 0.45 * pixels + 0.55 * pixels.mean(2, keepdims=True)               # the same white balance as in GL
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    texture, mapping, place = (nodes.new(f"ShaderNode{kind}") for kind in ("TexEnvironment", "Mapping", "TexCoord"))
    texture.image = image_of("environment", pixels)
    mapping.inputs["Rotation"].default_value = (0, 0, -light.rotation)
    links.new(place.outputs["Generated"], mapping.inputs[0])
    links.new(mapping.outputs[0], texture.inputs[0])
    links.new(texture.outputs[0], nodes["Background"].inputs[0])
    nodes["Background"].inputs["Strength"].default_value = light.ambient / environment.mean
    sun = bpy.data.lights.new("key", "SUN")
    sun.angle = math.radians(9)
    strength = float(np.max(light.key_colour))
    sun.energy, sun.color = math.pi * strength, tuple(light.key_colour / strength)
    direction = Vector(to_blender(light.key_direction).tolist())
    link("key", sun).rotation_euler = direction.to_track_quat("Z", "Y").to_euler()
    eye, target = Vector(to_blender(camera.eye).tolist()), Vector(to_blender(camera.target).tolist())
    lens = bpy.data.cameras.new("camera")
    lens.sensor_fit, lens.angle = "VERTICAL", 2 * math.atan(camera.height / 2 / (target - eye).length)
    thing = link("camera", lens)
    thing.location, thing.rotation_euler = eye, (target - eye).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.camera = thing


def develop(linear: np.ndarray, exposure: float) -> np.ndarray:
    """The tone curve of the shaders, to sRGB 0..255."""
    c = linear * exposure
    c = np.minimum(c * (1 + c / 6) / (1 + c), 1)
    c = c + 0.25 * (c * c * (3 - 2 * c) - c)
    return np.clip(c, 0, 1) ** (1 / 2.2) * 255


def photograph(actor: Actor, skin_bgr: np.ndarray, camera: Camera, light: Light, samples: int, threads: int) -> np.ndarray:
    """One image (BGR, uint8), path traced and denoised, before the same blurred background as in GL."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    build(actor, skin_bgr)
    light_and_camera(actor, camera, light)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.use_denoising, cycles.denoiser = "CPU", samples, True, "OPENIMAGEDENOISE"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces, cycles.transmission_bounces = 4, 2, 2, 4
    cycles.caustics_reflective = cycles.caustics_refractive = False
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.render.film_transparent = True
    scene.render.resolution_x, scene.render.resolution_y = camera.size
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder) / "frame.exr")
        bpy.ops.render.render(write_still=True)
        with OpenEXR.File(scene.render.filepath) as exr:
            rgba = np.asarray(exr.channels()["RGBA"].pixels)
    cover = np.clip(rgba[..., 3:], 0, 1)
    backdrop = actor.renderer.render([], actor.head, actor.between_eyes, camera, light)
    developed = develop(rgba[..., :3] / np.maximum(cover, 1e-3), light.exposure)[..., ::-1]
    return np.clip(developed * cover + backdrop * (1 - cover), 0, 255).astype(np.uint8)
