"""kill -9 of the product's processes. What stood still in a killed one never arrives."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from devstack.faults.scene import Scene


def kill_worker(scene: Scene) -> None:
    """Both workers with all their children, as lost machines."""
    _kill_role(scene, "worker")


def kill_worker_main(scene: Scene) -> None:
    """The main processes only: their children end their task, and nobody acknowledges it."""
    for program in scene.place.keeper.programs("worker"):
        program.kill_main()


def kill_child(scene: Scene) -> None:
    """The worker's children that stand at a step."""
    _kill_holders(scene, "worker")


def kill_beat(scene: Scene) -> None:
    """Beat, with the lease still its own."""
    _kill_role(scene, "beat")


def kill_web_child(scene: Scene) -> None:
    """The gunicorn workers that stand at a step."""
    _kill_holders(scene, "web")


def kill_web(scene: Scene) -> None:
    """gunicorn with all its workers."""
    _kill_role(scene, "web")


def _kill_role(scene: Scene, role: str) -> None:
    for program in scene.place.keeper.programs(role):
        program.kill()
    scene.drop(lambda held: held.watch.step.door[0] == role)


def _kill_holders(scene: Scene, role: str) -> None:
    holders = {pid for held in scene.held if held.watch.step.door[0] == role and (pid := scene.pid_of(held))}
    # Nobody of them stands at a step of this stroke: any one.
    pids = holders or set(scene.place.keeper.programs(role)[0].children()[:1])
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    scene.drop(lambda held: scene.pid_of(held) in pids)
