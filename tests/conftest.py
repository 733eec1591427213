"""What several test files need."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared():
    """The folder `shared` beside the checkout: models, single-operator models and their inputs."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        # `make test` must pass in a stranger's clone. Where the project is developed, and in CI, the folder is there.
        pytest.skip(f"the models in {folder} are not here, and not the project's to pass on: its repository has none")
    return folder


@pytest.fixture(scope="session")
def digits():
    """The folder of the digits example, whose model and inputs are part of the project."""
    return Path(__file__).resolve().parents[1] / "examples" / "digits"
