"""`headrace` whose server dies at the point DIES_AT of the request whose id is DIES_IN."""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from failpoints import points
from headrace.cli import main
from headrace.server import app

_watched = points.Points(name=os.environ["DIES_AT"])
_application = app.application


def _dying(*given: Any, **named: Any) -> Any:
    return _watched.around(_application(*given, **named), os.environ["DIES_IN"])


if __name__ == "__main__":
    _watched.install()
    app.application = _dying
    main.main()
