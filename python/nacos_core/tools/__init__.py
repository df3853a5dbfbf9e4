"""Commands for a running server, beside the one that runs it: modules with ``main(arguments) -> exit code``."""
