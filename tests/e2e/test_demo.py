"""The demo's scenes through the real Envoy: the product's main job, end to end."""

from __future__ import annotations

import pytest

from authz_server.demo.envoys import EnvoyMissingError, find_envoy
from authz_server.demo.scenes import SCENES
from authz_server.demo.stage import Stage


@pytest.fixture(scope="module")
def stage():
    try:
        find_envoy()
    except EnvoyMissingError as error:
        pytest.skip(str(error))
    with Stage(lambda _step: None) as stage:
        yield stage


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_scene(stage, scene):
    """Every scene ends with the status and the reason that it announces."""
    outcome = stage.play(scene)

    assert (outcome.status, outcome.reason) == (scene.status, scene.reason)


def test_forged_identity_header(stage):
    """A client's own identity header never reaches the upstream, and the real one does."""
    scene = next(scene for scene in SCENES if "forges an identity header" in scene.title)

    outcome = stage.play(scene)

    assert outcome.headers["x-auth-client-name"] == "spiffe://example.org/alice"
    assert "admin" not in outcome.headers.values()
