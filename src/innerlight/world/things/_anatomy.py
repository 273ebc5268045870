"""What animals have in common: eyes, and a body on four legs whose feet find the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from innerlight.world.shapes import Frame, Point, similarity
from innerlight.world.sketch import Sketch
from innerlight.world.things._registry import Build


class Step(NamedTuple):
    """Where a foot is set: ahead of its joint, above the ground (both in leg lengths), and how the knee bends."""

    ahead: float
    lift: float
    bend: float  # 1: knee well forward, -1: well back


@dataclass(frozen=True)
class Stance:
    """A pose of a four-legged body: where the trunk hangs, how it is turned, where its feet are."""

    back_near: Step
    back_far: Step
    front_near: Step
    front_far: Step
    height: float = 1.0  # of the trunk, in leg lengths
    turn: float = 0.0  # degrees, of the trunk; below 0 it rears
    neck: float = 0.0  # degrees, added to the neck's own
    head: float = 0.0
    tail: float = 0.0
    squats: bool = False  # the near haunch lies before the trunk, with a line of its own


@dataclass(frozen=True)
class Form:
    """Measures of a four-legged body in figure units, about the middle of its trunk."""

    hip: Point
    shoulder: Point
    rump: Point  # radii of the ellipse about the hip
    chest: Point  # radii of the ellipse about the shoulder
    barrel: float  # radius of the trunk between them
    leg: float  # length from hip to sole
    back_leg: tuple[float, float, float]  # radius at thigh, knee and ankle
    front_leg: tuple[float, float, float]
    foot: Point  # radii
    neck_base: Point
    neck: float  # length
    neck_turn: float  # degrees; -90 is straight up
    neck_girth: Point  # radius at base and head
    tail: Point
    head_turn: float = 0.0
    hoof: str = ""  # paint of the feet, if not that of the legs
    neck_spot: Point = (0.05, -0.3)  # where on the neck its keypoint lies, in shares of length and girth
    slack: float = 1.04  # how much longer a leg is than the way down to the ground


STANCES: dict[str, Stance] = {
    "standing": Stance(Step(-0.12, 0, -1), Step(0.16, 0, -1), Step(-0.04, 0, 0.3), Step(0.24, 0, 0.3)),
    "walking": Stance(
        Step(-0.52, 0, -0.8), Step(0.3, 0.06, -0.6), Step(0.52, 0.16, 1), Step(-0.3, 0, 0.3),
        height=0.96, neck=6, head=-4, tail=10,
    ),
    "sitting": Stance(
        Step(0.42, 0, 1), Step(0.62, 0, 1), Step(-0.02, 0, 0.2), Step(0.2, 0, 0.2),
        height=0.86, turn=-42, neck=10, squats=True,
    ),
    "jumping": Stance(
        Step(-0.62, 0.22, -0.5), Step(-0.4, 0.1, -0.5), Step(0.62, 1.1, 1), Step(0.5, 0.8, 1),
        height=1.25, turn=-26, neck=14, head=10, tail=20,
    ),
    "lying": Stance(
        Step(0.42, 0, 0.8), Step(0.75, 0, 0.8), Step(0.12, 0, 1), Step(0.5, 0, 0.6),
        height=0.36, tail=38, squats=True,
    ),
}  # fmt: skip


class Rig:
    """A body of some form in some stance: where its joints are, and its parts from the far legs to the neck.

    The ground lies at y = 0. Call `far_legs`, draw the tail within `tail`, call `body`, draw the head within `head`.
    """

    def __init__(self, form: Form, stance: Stance, build: Build, sway: float) -> None:
        self.form, self.stance, self.sway = form, stance, sway
        self.length = form.leg * build["leg"]
        self.trunk = _above_ground(form, similarity(0.0, -self.length * stance.height - form.hip[1], turn=stance.turn))
        self.neck_turn = form.neck_turn + stance.neck + 3 * sway
        self.neck_length = form.neck * build["neck"]
        self.neck_base = self.trunk.point(*form.neck_base)
        self.neck = similarity(*self.neck_base, turn=self.neck_turn)

    @property
    def head(self) -> tuple[float, float, float]:
        """Where the head sits, and how it is turned: what `Sketch.at` asks for."""
        return *self.neck.point(self.neck_length, 0.0), self.form.head_turn + self.stance.head + 5 * self.sway

    @property
    def tail(self) -> tuple[float, float, float]:
        """Where the tail starts, and how it is turned."""
        return *self.trunk.point(*self.form.tail), self.stance.tail + 9 * self.sway

    def far_legs(self, s: Sketch) -> None:
        """The two legs of the far side, in the shade."""
        s.layer("shade", blend=0.04)
        self._leg(s, "back_far")
        self._leg(s, "front_far")
        self._hooves(s, "far")

    def body(self, s: Sketch) -> None:
        """Trunk, near legs and neck in one silhouette."""
        s.layer("main", coat=True, blend=0.08)
        self._trunk(s)
        self._leg(s, "front_near")
        s.limb("neck", self.neck_base, self.neck.point(self.neck_length, 0.0), *self.form.neck_girth)
        along, across = self.form.neck_spot
        s.point("neck", *self.neck.point(along * self.neck_length, across * self.form.neck_girth[0]))
        if self.stance.squats:
            s.layer("main", coat=True, blend=0.06)
        s.ellipse("body", *self.trunk.point(*self.form.hip), *self.form.rump, self.stance.turn, key="rump")
        self._leg(s, "back_near")
        self._hooves(s, "near")

    def support(self, s: Sketch) -> None:
        """Let others stand on the back where it is level."""
        if self.stance.turn == 0.0 and self.stance.height == 1.0:
            s.support(self.form.hip[0], self.form.shoulder[0], self.trunk.oy - self.form.barrel)

    def _trunk(self, s: Sketch) -> None:
        form, (shoulder_x, shoulder_y) = self.form, self.form.shoulder
        with s.at(self.trunk.ox, self.trunk.oy, self.stance.turn):
            s.coat(0.3 * form.hip[0], 0.0, 0.4 * (shoulder_x - form.hip[0]) + 0.9 * form.barrel, form.barrel)
            s.limb("body", (form.hip[0], 0.0), (shoulder_x, 0.0), form.barrel)
            s.point("back", 0.3 * shoulder_x, -0.6 * form.barrel)
            s.ellipse("body", shoulder_x, shoulder_y, *form.chest, key="chest")

    def _leg(self, s: Sketch, name: str) -> None:
        joint, knee, foot = self._joints(name)
        girth = self.form.back_leg if name.startswith("back") else self.form.front_leg
        s.limb("leg", joint, knee, girth[0], girth[1], key=f"leg_{name}.0")
        s.limb("leg", knee, foot, girth[1], girth[2], key=f"leg_{name}.1")
        if not self.form.hoof:
            self._foot(s, name)

    def _hooves(self, s: Sketch, side: str) -> None:
        if self.form.hoof:
            s.layer(self.form.hoof)
            self._foot(s, f"back_{side}")
            self._foot(s, f"front_{side}")

    def _foot(self, s: Sketch, name: str) -> None:
        _, (knee_x, knee_y), (x, y) = self._joints(name)
        (rx, ry), step = self.form.foot, getattr(self.stance, name)
        hangs = math.degrees(math.atan2(knee_x - x, y - knee_y)) if step.lift else 0.0  # else it lies flat
        with s.at(x, y, hangs):
            if self.form.hoof:
                corners = [(-0.8 * rx, -ry), (0.8 * rx, -ry), (1.5 * rx, ry), (-0.9 * rx, ry)]
                s.polygon("leg", [(a * 0.8, b * 0.8) for a, b in corners], 0.2 * ry, key=f"leg_{name}.2")
            else:
                s.ellipse("leg", 0.3 * rx, 0.0, rx, ry, key=f"leg_{name}.2")
            s.point(f"paw_{name}", 0.6 * rx, 0.1 * ry)

    def _joints(self, name: str) -> tuple[Point, Point, Point]:
        """Hip or shoulder, knee and foot of a leg."""
        step: Step = getattr(self.stance, name)
        start = self.trunk.point(*(self.form.hip if name.startswith("back") else self.form.shoulder))
        swing = 0.07 * self.sway * (1.0 if name in ("back_near", "front_far") else -1.0) * (1.0 + 2.0 * step.lift)
        foot = start[0] + (step.ahead + swing) * self.length, -step.lift * self.length - self.form.foot[1]
        return start, _knee(start, foot, 0.5 * self.form.slack * self.length, step.bend), foot


def _above_ground(form: Form, trunk: Frame) -> Frame:
    """The trunk, raised if its rump or chest would sink in."""
    lowest = max(trunk.point(*form.hip)[1] + form.rump[1], trunk.point(*form.shoulder)[1] + form.chest[1])
    return trunk._replace(oy=trunk.oy - max(lowest, 0.0))


def _knee(start: Point, foot: Point, bone: float, bend: float) -> Point:
    """Where two bones of equal length from `start` to `foot` meet; `bend` above 0 puts it forward of the line."""
    dx, dy = foot[0] - start[0], foot[1] - start[1]
    way = math.hypot(dx, dy)
    out = bend * math.sqrt(max(bone**2 - (way / 2) ** 2, 0.0)) / way
    return start[0] + dx / 2 + dy * out, start[1] + dy / 2 - dx * out


def eyes(s: Sketch, radius: float, **places: Point) -> None:
    """Round eyes that look ahead, each with a gleam; `places` says where the "near" and the "far" one are."""
    s.layer("gleam", outline=False)
    for side, (x, y) in places.items():
        s.ellipse("eye", x, y, radius, 1.1 * radius, key=f"eye_{side}")
    s.layer("ink", outline=False)
    for side, (x, y) in places.items():
        s.ellipse("eye", x + 0.08 * radius, y, 0.84 * radius, 0.96 * radius, key=f"pupil_{side}")
        s.point(f"eye_{side}", x + 0.2 * radius, y + 0.3 * radius)
    s.layer("gleam", outline=False)
    for side, (x, y) in places.items():
        s.ellipse("eye", x - 0.1 * radius, y - 0.36 * radius, 0.32 * radius, 0.34 * radius, key=f"gleam_{side}")
