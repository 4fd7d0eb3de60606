"""``python -m authz_server`` is the ``authz-server`` command."""

import sys

from authz_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
