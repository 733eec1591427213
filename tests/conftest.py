"""What several test files need."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared():
    """The folder `shared` beside the checkout: models, single-operator models and their inputs."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        # The models are not the project's to pass on, so that a stranger's clone has none: a skip, not a failure.
        pytest.skip(f"needs the models in {folder}, which is not there")
    return folder


@pytest.fixture(scope="session")
def digits():
    """The folder of the digits example, whose model and inputs are part of the project."""
    return Path(__file__).resolve().parents[1] / "examples" / "digits"
