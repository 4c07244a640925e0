"""For authors of dialects, surfaces and markup: split bytes every way, compare events, check a fixture folder.

Nothing here needs pytest. `headgate.testing.contract.check_folder` is the whole kit in one call.
"""

from headgate.testing.chunking import coalesce, splits
from headgate.testing.contract import check_folder
from headgate.testing.fixture import Fixture

__all__ = ["Fixture", "check_folder", "coalesce", "splits"]
