"""``python -m nacos_core``."""

from nacos_core.cli import main

raise SystemExit(main())
