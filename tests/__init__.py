"""The test suite. ``tests/unit`` mirrors ``app``; ``tests/services`` starts the real MariaDB, Valkey and Chromium that tests use."""
