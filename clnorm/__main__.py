"""`python -m clnorm`."""

import sys

from clnorm.cli.main import main

sys.exit(main())
