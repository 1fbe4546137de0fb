"""`python -m clnorm`."""

import sys

from clnorm.cli import main

sys.exit(main())
