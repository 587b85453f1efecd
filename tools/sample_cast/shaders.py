"""GLSL of the renderer: one light model, used for surfaces (skin, eye, mouth, cloth) and for hair strands."""

# The head turns by a height-weighted warp about the neck; every vertex shader includes this.
WARP = """
uniform vec3 neck, pivot, angles; uniform float span;   // angles: yaw, pitch, roll
mat3 turn_at(vec3 p) {
  vec3 d = p - neck;
  float t = clamp((d.y + .55 * clamp(d.z, 0., 1.2)) / span, 0., 1.);
  t = t * t * (3. - 2. * t);
  vec3 c = cos(angles * t), s = sin(angles * t);
  mat3 yaw = mat3(c.x, 0, -s.x, 0, 1, 0, s.x, 0, c.x);
  mat3 pitch = mat3(1, 0, 0, 0, c.y, s.y, 0, -s.y, c.y);
  mat3 roll = mat3(c.z, s.z, 0, -s.z, c.z, 0, 0, 0, 1);
  return yaw * pitch * roll;
}
"""

SURFACE_VERTEX = "#version 330\n" + WARP + """
uniform mat4 view_projection, light_projection;
in vec3 position, normal; in vec2 uv; in float occlusion;
out vec3 P, N, rest; out vec2 T; out float ao; out vec4 S;
void main() {
  mat3 turn = turn_at(position);
  P = turn * (position - pivot) + pivot; N = turn * normal; rest = position; T = uv; ao = occlusion;
  S = light_projection * vec4(P, 1.); gl_Position = view_projection * vec4(P, 1.);
}"""

# Where a fragment is, which way it looks, and its place in the shadow map.
FRAGMENT_INPUTS = "in vec3 P, N; in vec4 S; out vec4 colour;\n"

LIGHT = """
uniform sampler2D environment, shadow_map;
uniform vec3 camera, key_direction, key_colour; uniform vec3 harmonics[9];
uniform float rotation, ambient, exposure;
vec3 to_environment(vec3 d) { float c = cos(rotation), s = sin(rotation); return vec3(c*d.x - s*d.z, d.y, s*d.x + c*d.z); }
vec3 irradiance(vec3 n) {
  n = to_environment(n); float x = n.x, y = n.y, z = n.z;
  return max(vec3(.02), harmonics[0] + harmonics[1]*y + harmonics[2]*z + harmonics[3]*x + harmonics[4]*x*y
    + harmonics[5]*y*z + harmonics[6]*(3.*z*z - 1.) + harmonics[7]*x*z + harmonics[8]*(x*x - y*y)) * ambient / 3.14159;
}
vec3 reflected(vec3 d, float level) {
  d = to_environment(d);
  vec2 at = vec2(atan(d.z, d.x) / 6.2831853 + .5, acos(clamp(d.y, -1., 1.)) / 3.14159265);  // latitude, longitude
  return min(textureLod(environment, at, level).rgb, vec3(6.)) * ambient;
}
float hash(vec2 p) { return fract(sin(dot(p, vec2(12.9898, 78.233))) * 43758.5453); }
float noise(vec2 p) {
  vec2 i = floor(p), f = fract(p); f = f*f*(3. - 2.*f);
  return mix(mix(hash(i), hash(i + vec2(1,0)), f.x), mix(hash(i + vec2(0,1)), hash(i + vec2(1,1)), f.x), f.y);
}
float lit(float bias) {
  vec3 q = S.xyz / S.w * .5 + .5; float sum = 0.;
  for (int i = -1; i <= 1; i++) for (int j = -1; j <= 1; j++)
    sum += step(q.z - bias, textureLod(shadow_map, q.xy + vec2(float(i) + .33 * float(j), float(j) - .33 * float(i)) / 400., 0.).r);
  return sum / 9.;
}
float glossy(float n_h, float v_h, float roughness) {    // GGX lobe with Schlick's Fresnel term
  float a = roughness * roughness, d = n_h * n_h * (a*a - 1.) + 1.;
  return a*a / (3.14159 * d * d) * (.028 + .972 * pow(1. - v_h, 5.)) * .25;
}
vec3 develop(vec3 c) {                                   // exposure, soft shoulder, slight contrast, sRGB
  c *= exposure; c = min(c * (1. + c / 6.) / (1. + c), vec3(1.));
  c = mix(c, c*c*(3. - 2.*c), .25);
  return pow(c, vec3(1. / 2.2));
}
"""

SURFACE_FRAGMENT = "#version 330\n" + FRAGMENT_INPUTS + LIGHT + """
uniform sampler2D skin; uniform int kind;                // 0 skin, 1 eye, 2 mouth, 3 cloth
uniform float roughness, cloth_height, neckline, knit; uniform vec3 cloth, cloth2, iris, tint;
in vec3 rest; in vec2 T; in float ao;
float cloth_edge() {                                     // above zero: bare skin
  float v = neckline * max(0., .42 - abs(rest.x)) * step(0., rest.z);
  return rest.y + .16 * rest.z + v - cloth_height;
}
void main() {
  vec3 n = normalize(N), v = normalize(camera - P), l = normalize(key_direction), albedo; float gloss = .8, rough = roughness;
  float occlusion = clamp(ao, 0., 1.), bias = .004;
  vec3 wrap = vec3(.02);
  if (kind == 0) {
    if (cloth_edge() < -.12) discard;
    albedo = pow(texture(skin, T).rgb, vec3(2.2)); wrap = vec3(.32, .16, .12);
    vec2 q = T * 850.; float b = noise(q), fine = noise(q * 2.3);
    n = normalize(n + .085 * vec3(noise(q + vec2(.4, 0)) - b, noise(q + vec2(0, .4)) - b, 0.));
    albedo *= .97 + .06 * fine; gloss = (.55 + .45 * b) * mix(.55, 1., smoothstep(.05, .30, dot(albedo, vec3(.33))));
  } else if (kind == 1) {
    float r = T.x, a = T.y;                              // r: angle from the gaze axis in radians
    float spokes = .55 * noise(vec2(a * 14., r * 9.)) + .45 * noise(vec2(a * 36., r * 5.));
    vec3 iris_colour = iris * (.55 + .9 * spokes) * mix(1.35, .75, smoothstep(.22, .47, r));
    iris_colour *= mix(1., .25, smoothstep(.40, .50, r));
    vec3 white = mix(vec3(.40, .37, .34), vec3(.30, .20, .17), smoothstep(.55, 1.4, r)) / max(1., exposure * .62);
    white *= 1. - .10 * smoothstep(.62, .8, noise(vec2(a * 9., r * 6.)));
    albedo = mix(iris_colour, white, smoothstep(.46, .53, r));
    albedo = mix(vec3(.006), albedo, smoothstep(.17, .205, r));
    rough = .16; gloss = 1.; wrap = vec3(.15);
  } else if (kind == 2) {
    albedo = tint; rough = .35; gloss = .5;
  } else {
    float edge = cloth_edge(); if (edge > 0.) discard;
    float weave = noise(vec2(rest.x * 60., rest.y * 60. + rest.z * 40.)), rib = .5 + .5 * sin((rest.x + rest.z * .6) * 130.);
    float band = smoothstep(-.13, -.11, edge);
    vec3 base = mix(cloth, cloth2, step(.5, knit) * step(.55, fract((rest.y + .16 * rest.z) * 2.6)));
    albedo = base * (.82 + .22 * weave) * mix(1., .75 + .25 * rib, band) * mix(1., .8, smoothstep(-.03, 0., edge));
    rough = .9; gloss = .15; bias = .008; occlusion = mix(occlusion, 1., .25);
    n = normalize(n + .12 * (weave - .5));
  }
  if (dot(n, v) < 0. && kind == 3) n = -n;
  float shade = lit(bias), n_l = dot(n, l);
  vec3 direct = clamp((n_l + wrap) / ((1. + wrap) * (1. + wrap)), 0., 1.);
  vec3 soft = kind == 0 ? vec3(shade * .88 + .12, shade * .96 + .04, shade) : vec3(shade);
  float crevice = mix(.45, 1., occlusion);
  vec3 bounce = kind == 0 ? pow(vec3(occlusion), vec3(.82, 1., 1.08)) : vec3(occlusion);
  vec3 light = irradiance(n) * bounce + key_colour * direct * soft * crevice;
  vec3 c = albedo * light;
  vec3 h = normalize(l + v); float v_h = max(dot(v, h), 0.);
  if (kind == 1) n = normalize(N + .0);
  float n_h = max(dot(n, h), 0.);
  float lobes = kind == 0 ? .7 * glossy(n_h, v_h, rough) + .3 * glossy(n_h, v_h, rough * .62) : glossy(n_h, v_h, rough);
  c += gloss * key_colour * lobes * 3.14159 * shade * clamp(n_l * 3., 0., 1.) * crevice * (kind == 1 ? 1.3 : .62);
  float rim = .022 + (kind == 0 ? .22 : .5) * pow(1. - max(dot(n, v), 0.), 5.);
  c += gloss * rim * reflected(reflect(-v, n), kind == 1 ? 1.5 : 1.5 + rough * 6.) * occlusion * occlusion * (kind == 1 ? .9 : .55);
  colour = vec4(develop(c), 1.);
}"""

# A strand is a ribbon that turns its flat side to the camera. It is lit at its points, not at its fragments: strands
# are thinner than a pixel, and a software renderer shades a whole block of pixels for each of their triangles.
HAIR_POSITION = """
uniform mat4 view_projection, light_projection; uniform float width;
in vec3 position, tangent; in vec3 strand;               // strand: side (-1, 1), place along (0..1), random
in vec3 offset;                                          // how the skin under the root moved
vec3 P, N, along; vec4 S;
void place(vec3 camera) {
  mat3 turn = turn_at(position);
  vec3 centre = turn * (position + offset - pivot) + pivot;
  along = normalize(turn * tangent);
  vec3 side = normalize(cross(along, camera - centre) + vec3(1e-6));
  float taper = 1. - .75 * strand.y * strand.y;
  P = centre + side * strand.x * width * taper;
  S = light_projection * vec4(centre, 1.); gl_Position = view_projection * vec4(P, 1.);
}
"""
HAIR_DEPTH_VERTEX = "#version 330\n" + WARP + HAIR_POSITION + "uniform vec3 camera; void main() { place(camera); }"
HAIR_VERTEX = "#version 330\n" + WARP + HAIR_POSITION + LIGHT + """
uniform vec3 hair; uniform float root_shade, hair_gloss, grey;
in vec3 outward; out vec3 developed;
void main() {
  place(camera);
  vec3 n = normalize(turn_at(position) * outward), v = normalize(camera - P), l = normalize(key_direction);
  vec3 base = mix(hair, mix(hair, vec3(.26, .25, .24), .5), step(1. - grey, fract(strand.z * 7.31)));
  base *= (.65 + .7 * strand.z) * mix(root_shade, 1.12, smoothstep(0., .7, strand.y));
  float shade = lit(.010), t_l = dot(along, l), t_v = dot(along, v);
  float diffuse = sqrt(max(0., 1. - t_l * t_l)) * clamp(dot(n, l) * .6 + .5, 0., 1.);
  vec3 c = base * (irradiance(n) * mix(root_shade * .9, .9, strand.y) + key_colour * diffuse * (shade * .85 + .10));
  float shifted = t_l + .08 * (strand.z - .5);
  float cosine = max(0., sqrt(max(0., 1. - shifted * shifted)) * sqrt(max(0., 1. - t_v * t_v)) - shifted * t_v);
  c += hair_gloss * key_colour * shade * max(dot(n, l) + .15, 0.) * (.05 * pow(cosine, 60.) + base * .35 * pow(cosine, 14.));
  c += hair_gloss * .010 * reflected(reflect(-v, n), 5.) * strand.y;
  developed = develop(c);
}"""
HAIR_FRAGMENT = """#version 330
in vec3 developed; out vec4 colour; void main() { colour = vec4(developed, 1.); }"""

BACKGROUND_VERTEX = """#version 330
in vec2 corner; out vec2 place; void main() { place = corner; gl_Position = vec4(corner, .99999, 1.); }"""
BACKGROUND_FRAGMENT = "#version 330\nconst vec4 S = vec4(0.); const vec3 P = vec3(0.); out vec4 colour;\n" + LIGHT + """
uniform vec3 forward, right, up; uniform vec2 tangents; uniform float blur; in vec2 place;
void main() {
  vec3 d = normalize(forward + right * place.x * tangents.x + up * place.y * tangents.y), sum = vec3(0.);
  for (int i = -2; i <= 2; i++) for (int j = -2; j <= 2; j++)
    sum += reflected(normalize(d + (right * float(i) + up * float(j)) * .012 * blur), blur);
  sum *= .8 / 25.; sum = mix(sum, vec3(dot(sum, vec3(.2126, .7152, .0722))), .4);          // as muted as the light
  colour = vec4(develop(sum), 0.);
}"""

DEPTH_FRAGMENT = "#version 330\nvoid main() {}"

# Positions of the base mesh per texel of the skin, so that paint can be placed in space.
UV_VERTEX = """#version 330
in vec3 position; in vec2 uv; out vec3 P; void main() { P = position; gl_Position = vec4(uv * 2. - 1., 0., 1.); }"""
UV_FRAGMENT = "#version 330\nin vec3 P; out vec4 colour; void main() { colour = vec4(P, 1.); }"
